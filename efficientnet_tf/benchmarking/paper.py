"""Tables 2 and 4 of the paper (arXiv 1905.11946v5), and where this package gets each of their networks from."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class PaperNetwork:
    """A row of Table 2, as printed.

    Attributes:
        name: as in the paper.
        group: the variant of ours that it is compared with there.
        top1: ImageNet accuracy in per cent, single crop.
        top5: the same.
        params: with its unit: M, millions.
        params_ratio: to those of the group's EfficientNet.
        flops: multiply-adds with their unit: B, billions; or `-`.
        flops_ratio: to those of the group's EfficientNet.
        source: what counts it here: a variant of ours, a constructor of keras.applications, `DenseNet264`, or nothing,
            and then the paper's figures are quoted.
        image_size: side of the square input in pixels that a network of Keras is counted at: its own.
    """

    name: str
    group: str
    top1: float
    top5: float
    params: str
    params_ratio: str
    flops: str
    flops_ratio: str
    source: str = ""
    image_size: int | None = None


# fmt: off
TABLE2 = (
    PaperNetwork("EfficientNet-B0",     "b0", 77.1, 93.3, "5.3M", "1x",   "0.39B", "1x",   "b0"),
    PaperNetwork("ResNet-50",           "b0", 76.0, 93.0, "26M",  "4.9x", "4.1B",  "11x",  "ResNet50", 224),
    PaperNetwork("DenseNet-169",        "b0", 76.2, 93.2, "14M",  "2.6x", "3.5B",  "8.9x", "DenseNet169", 224),
    PaperNetwork("EfficientNet-B1",     "b1", 79.1, 94.4, "7.8M", "1x",   "0.70B", "1x",   "b1"),
    PaperNetwork("ResNet-152",          "b1", 77.8, 93.8, "60M",  "7.6x", "11B",   "16x",  "ResNet152", 224),
    PaperNetwork("DenseNet-264",        "b1", 77.9, 93.9, "34M",  "4.3x", "6.0B",  "8.6x", "DenseNet264", 224),
    PaperNetwork("Inception-v3",        "b1", 78.8, 94.4, "24M",  "3.0x", "5.7B",  "8.1x", "InceptionV3", 299),
    PaperNetwork("Xception",            "b1", 79.0, 94.5, "23M",  "3.0x", "8.4B",  "12x",  "Xception", 299),
    PaperNetwork("EfficientNet-B2",     "b2", 80.1, 94.9, "9.2M", "1x",   "1.0B",  "1x",   "b2"),
    PaperNetwork("Inception-v4",        "b2", 80.0, 95.0, "48M",  "5.2x", "13B",   "13x"),
    PaperNetwork("Inception-resnet-v2", "b2", 80.1, 95.1, "56M",  "6.1x", "13B",   "13x",  "InceptionResNetV2", 299),
    PaperNetwork("EfficientNet-B3",     "b3", 81.6, 95.7, "12M",  "1x",   "1.8B",  "1x",   "b3"),
    PaperNetwork("ResNeXt-101",         "b3", 80.9, 95.6, "84M",  "7.0x", "32B",   "18x"),
    PaperNetwork("PolyNet",             "b3", 81.3, 95.8, "92M",  "7.7x", "35B",   "19x"),
    PaperNetwork("EfficientNet-B4",     "b4", 82.9, 96.4, "19M",  "1x",   "4.2B",  "1x",   "b4"),
    PaperNetwork("SENet",               "b4", 82.7, 96.2, "146M", "7.7x", "42B",   "10x"),
    PaperNetwork("NASNet-A",            "b4", 82.7, 96.2, "89M",  "4.7x", "24B",   "5.7x", "NASNetLarge", 331),
    PaperNetwork("AmoebaNet-A",         "b4", 82.8, 96.1, "87M",  "4.6x", "23B",   "5.5x"),
    PaperNetwork("PNASNet",             "b4", 82.9, 96.2, "86M",  "4.5x", "23B",   "6.0x"),
    PaperNetwork("EfficientNet-B5",     "b5", 83.6, 96.7, "30M",  "1x",   "9.9B",  "1x",   "b5"),
    PaperNetwork("AmoebaNet-C",         "b5", 83.5, 96.5, "155M", "5.2x", "41B",   "4.1x"),
    PaperNetwork("EfficientNet-B6",     "b6", 84.0, 96.8, "43M",  "1x",   "19B",   "1x",   "b6"),
    PaperNetwork("EfficientNet-B7",     "b7", 84.3, 97.0, "66M",  "1x",   "37B",   "1x",   "b7"),
    PaperNetwork("GPipe",               "b7", 84.3, 97.0, "557M", "8.4x", "-",     "-"),
)
# fmt: on


@dataclasses.dataclass(frozen=True)
class PaperLatency:
    """A row of Table 4, as printed: batch 1 on a single core of an Intel Xeon E5-2690, means of 20 runs.

    Attributes:
        name: as in the paper.
        pair: the variant of ours that it is compared with there.
        top1: ImageNet accuracy in per cent.
        seconds: with its unit.
        ratio: the speedup of the EfficientNet of the pair.
        source: a variant of ours, a constructor of keras.applications, or nothing where there is no code.
        image_size: side of the input in pixels, of a network of Keras.
    """

    name: str
    pair: str
    top1: float
    seconds: str
    ratio: str
    source: str = ""
    image_size: int | None = None


# fmt: off
TABLE4 = (
    PaperLatency("EfficientNet-B1", "b1", 78.8, "0.098s", "1x",   "b1"),
    PaperLatency("ResNet-152",      "b1", 77.8, "0.554s", "5.7x", "ResNet152", 224),
    PaperLatency("EfficientNet-B7", "b7", 84.4, "3.1s",   "1x",   "b7"),
    PaperLatency("GPipe",           "b7", 84.3, "19.0s",  "6.1x"),
)
# fmt: on

UNITS = {"M": 10**6, "B": 10**9}


def number(printed: str) -> float | None:
    """Return a printed figure as a number, or None for the paper's `-`.

    >>> number("0.39B"), number("-")
    (390000000.0, None)
    """
    return None if printed == "-" else float(printed[:-1]) * UNITS[printed[-1]]


def as_printed(value: float, printed: str) -> str:
    """Return a number in the unit of a printed figure, with as many decimals.

    >>> as_printed(385_814_752, "0.39B"), as_printed(33_337_704, "34M")
    ('0.39B', '33M')
    """
    figure, unit = printed[:-1], printed[-1]
    return f"{value / UNITS[unit]:.{len(figure.partition('.')[2])}f}{unit}"
