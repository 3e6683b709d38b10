"""The published size of every variant, to hold our own counting against."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Official:
    """What is published of a variant; None where nothing is.

    Attributes:
        trainable: parameters without the moving statistics of batch normalisation.
        total: with them.
        madds: multiply-adds of convolutions and dense layers for one image of the native size, to the digits given;
            counted from the official code's tables, not from ours.
        printed: what the authors print for them. Papers and READMEs count more than convolutions and dense layers, or
            round, so it is shown and not compared.
    """

    trainable: int | None
    total: int | None
    madds: str | None
    printed: str | None = None


UNKNOWN = Official(None, None, None)

# Parameters of B0-B8, L2, Lite, EdgeTPU and CondConv: the official code (tensorflow/tpu), its unit tests and READMEs;
# of V2: google/automl's unit test; of the MobileNets: keras.applications; of ResNet-50: torchvision, whose convolutions
# have no biases (with keras.applications' biases it has 26,560 more, 25,583,592).
# fmt: off
OFFICIAL = {
    "b0":                Official(5_288_548,   5_330_564,   "0.386B", "0.39B"),
    "b1":                Official(7_794_184,   7_856_232,   "0.687B", "0.70B"),
    "b2":                Official(9_109_994,   9_177_562,   "0.994B", "1.0B"),
    "b3":                Official(12_233_232,  12_320_528,  "1.83B",  "1.8B"),
    "b4":                Official(19_341_616,  19_466_816,  "4.39B",  "4.2B"),
    "b5":                Official(30_389_784,  30_562_520,  "10.3B",  "9.9B"),
    "b6":                Official(43_040_704,  43_265_136,  "19.1B",  "19B"),
    "b7":                Official(66_347_960,  66_658_680,  "37.7B",  "37B"),
    "b8":                Official(87_413_142,  87_793_174,  "62.6B"),
    "l2":                Official(480_309_308, 481_399_996, "476B"),
    "lite0":             Official(4_652_008,   4_694_024,   "0.385B", "407M"),
    "lite1":             Official(5_416_680,   5_470_344,   "0.600B", "631M"),
    "lite2":             Official(6_092_072,   6_150_168,   "0.860B", "899M"),
    "lite3":             Official(8_197_096,   8_273_768,   "1.38B",  "1.44B"),
    "lite4":             Official(13_006_568,  13_118_936,  "2.55B",  "2.64B"),
    # The published checkpoints have the stride in the 1x1 projection; since December 2020 the code has it in the 3x3.
    "edgetpu-s":         Official(5_439_673,   5_491_113,   "2.35B"),
    "edgetpu-m":         Official(6_900_777,   6_968_585,   "3.66B"),
    "edgetpu-l":         Official(10_591_249,  10_683_457,  "9.66B"),
    "edgetpu-s-2020":    Official(5_439_673,   5_491_113,   "1.79B"),
    "edgetpu-m-2020":    Official(6_900_777,   6_968_585,   "3.01B"),
    "edgetpu-l-2020":    Official(10_591_249,  10_683_457,  "7.94B"),
    "condconv-4e":       Official(13_314_116,  None,        None,    "402M"),
    "condconv-8e":       Official(24_013_284,  None,        None,    "413M"),
    "condconv-8e-depth": Official(39_715_968,  None,        None,    "614M"),
    "v2-b0":             Official(7_139_704,   7_200_312,   "0.718B", "0.72B"),
    "v2-b1":             Official(8_141_052,   8_212_124,   "1.20B",  "1.2B"),
    "v2-b2":             Official(10_096_086,  10_178_374,  "1.70B",  "1.7B"),
    "v2-b3":             Official(14_358_406,  14_467_622,  "3.01B",  "3.0B"),
    "v2-s":              Official(21_458_488,  21_612_360,  "8.37B",  "8.4B"),
    "v2-m":              Official(54_139_356,  54_431_388,  "24.6B",  "24.7B"),
    "v2-l":              Official(118_515_272, 119_027_848, "56.1B",  "56.3B"),
    "v2-xl":             Official(208_119_808, 208_896_832, "93.4B"),
    "mobilenetv1":       Official(4_231_976,   4_253_864,   "0.569B", "569M"),
    "mobilenetv2":       Official(3_504_872,   3_538_984,   "0.301B", "300M"),
    "resnet50":          Official(25_557_032,  25_610_152,  "4.09B",  "4.1B"),
}
# fmt: on
