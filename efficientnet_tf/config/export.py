"""One export."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.config.source import SourceOptions
from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import option

#: Which quantisations each export format has; every other format has `none` alone.
QUANTIZATIONS = {
    "saved_model": ("none",),
    "tflite": ("none", "float16", "dynamic", "weights", "int8", "mixed", "int16x8"),
    "tfjs": ("none", "float16", "uint8"),
    "onnx": ("none",),
    "keras": ("none",),
}
#: Those that compute with integers, and those that learn from pictures: how to round, and the range of every inner map.
INTEGERS = ("int8", "mixed", "int16x8")
CALIBRATED = ("weights", *INTEGERS)
#: What TensorFlow Lite files may be tuned for, and which kinds of them.
TUNED_FOR, TUNED = ("processor", "accelerator"), ("none", "int8", "mixed")
#: What of them is not given: how many pictures, and what integer networks take these as.
CALIBRATION_IMAGES, INTEGER_IO = 200, "uint8"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig(SourceOptions):
    """One export.

    >>> ExportConfig(quantize=("none", "dynamic")).targets()
    [('saved_model', 'none'), ('tflite', 'none'), ('tflite', 'dynamic'), ('tfjs', 'none')]
    """

    image_size: int | None = option(
        None, "Source", "Side of the input in pixels; by default the run's or the variant's own.", minimum=32
    )
    format: tuple[str, ...] = option(
        ("saved_model", "tflite", "tfjs"),
        "Artifacts",
        "What to write, separated by commas: saved_model, tflite, tfjs, onnx, keras (plain layers, needs no other "
        "package).",
        choices=tuple(QUANTIZATIONS),
    )
    quantize: tuple[str, ...] = option(
        ("none",),
        "Artifacts",
        "Kinds of each artifact: none (float32); float16; for TensorFlow Lite dynamic (int8 weights, computed in int8 "
        "where the runtime can), weights (int8 weights, computed in float32), int8 (all in int8), mixed (int8, but "
        "the inside of squeeze-and-excitation and the classifier in float32), int16x8 (int16 maps, int8 weights: the "
        "nearest to float32, and slow on a processor); for TensorFlow.js uint8 (weights). Each format takes those it "
        "has.",
        choices=tuple(dict.fromkeys(name for names in QUANTIZATIONS.values() for name in names)),
    )
    outputs: tuple[str, ...] = option(
        ("probabilities",),
        "Artifacts",
        "What an artifact answers: probabilities, logits, pooled_features, features, or an inner map such as "
        "reduction_3 or block4a.",
    )
    batch: int | None = option(
        None,
        "Artifacts",
        "Pictures at a time, if it is always the same number; by default 1 for TensorFlow Lite and any for the others.",
        minimum=1,
    )
    dynamic_batch: bool = option(
        False, "Artifacts", "TensorFlow Lite for any number of pictures, which mobile accelerators refuse."
    )
    tuned_for: str | None = option(
        None,
        "Artifacts",
        "What runs the TensorFlow Lite files none, int8 and mixed: processor (the largest maps of none in strips that "
        "fit into a cache, the smallest convolutions of integers two pixels at a time) or accelerator (a GPU, an Edge "
        "TPU, a neural engine: as few operations as there can be); by default processor, of edgetpu variants "
        "accelerator.",
        choices=TUNED_FOR,
    )
    offline: bool = option(
        False, "Artifacts", "Put TensorFlow.js itself beside the page of tfjs, which otherwise fetches it."
    )
    output_dir: str | None = option(None, "Artifacts", "Folder to write; by default RUN/export, or exports/VARIANT.")
    calibration: str | None = option(
        None,
        "Quantisation",
        "Photographs from which weights, int8, mixed and int16x8 learn how to round, and the last three the range of "
        "every map: a folder, sample, or another form that --data of efficientnet-train takes; by default what the run "
        "was trained on, for a variant sample.",
    )
    calibration_images: int | None = option(
        None,
        "Quantisation",
        f"How many of them, spread evenly over the classes; by default {CALIBRATION_IMAGES}.",
        minimum=1,
    )
    integer_io: str | None = option(
        None,
        "Quantisation",
        f"What int8, mixed and int16x8 take pictures as, and int8 answers in: uint8, int8 or float32; by default "
        f"{INTEGER_IO}.",
        choices=("uint8", "int8", "float32"),
    )
    verify: str | None = option(
        None,
        "Verification",
        "Photographs to compare on: sample, a folder, or another form that --data of efficientnet-train takes. Given, "
        "a missing runtime is an error.",
    )
    verify_images: int = option(16, "Verification", "How many of them.", minimum=1)

    @property
    def _of_a_variant(self) -> tuple[str, ...]:
        # A run can be exported for another size too.
        return tuple(name for name in super()._of_a_variant if name != "image_size")

    def __post_init__(self) -> None:
        super().__post_init__()
        if None not in (self.variant, self.model_dir):
            raise UsageError(f"Give --model_dir or --variant, not both; got {self.model_dir} and {self.variant}.")
        for name in ("format", "quantize", "outputs"):
            if not getattr(self, name):
                raise UsageError(f"{name} is empty; give at least one value.")
        useless = [q for q in self.quantize if not any(q in QUANTIZATIONS[f] for f in self.format)]
        if useless:
            allowed = "; ".join(f"{form}: {', '.join(QUANTIZATIONS[form])}" for form in dict.fromkeys(self.format))
            raise UsageError(
                f"None of {', '.join(self.format)} can be quantised as {', '.join(useless)}. Allowed: {allowed}."
            )
        if self.dynamic_batch and self.batch is not None:
            raise UsageError(f"Give --batch or --dynamic_batch, not both; got --batch={self.batch}.")
        for name, form in (("dynamic_batch", "tflite"), ("offline", "tfjs")):
            if getattr(self, name) and form not in self.format:
                raise UsageError(f"--{name} is for {form}, which is not among --format={','.join(self.format)}.")
        tuned = [target for target in self.targets() if target[0] == "tflite" and target[1] in TUNED]
        if self.tuned_for is not None and (self.dynamic_batch or not tuned):
            raise UsageError(
                f"--tuned_for is for TensorFlow Lite files of a fixed batch and the kinds {', '.join(TUNED)}; got "
                f"--format={','.join(self.format)} --quantize={','.join(self.quantize)}"
                f"{' --dynamic_batch' * self.dynamic_batch}."
            )
        for name, kinds in (("calibration", CALIBRATED), ("calibration_images", CALIBRATED), ("integer_io", INTEGERS)):
            if getattr(self, name) is not None and not any(kind in kinds for _, kind in self.targets()):
                raise UsageError(
                    f"--{name} is for {', '.join(kinds)}, none of which is among --quantize={','.join(self.quantize)}."
                )

    @property
    def calibrated(self) -> bool:
        """Whether an artifact needs pictures to be calibrated on."""
        return any(quantize in CALIBRATED for _, quantize in self.targets())

    def targets(self) -> list[tuple[str, str]]:
        """Return the artifacts as (format, quantisation); a format without any of the wanted ones is not quantised."""
        return [
            (form, quantize)
            for form in dict.fromkeys(self.format)
            for quantize in [q for q in dict.fromkeys(self.quantize) if q in QUANTIZATIONS[form]] or ["none"]
        ]

    def batch_of(self, form: str) -> int | None:
        """Return how many pictures an artifact of a format takes at a time; None for any number.

        >>> config = ExportConfig()
        >>> config.batch_of("tflite"), config.batch_of("onnx")
        (1, None)
        """
        if form == "tflite" and self.batch is None and not self.dynamic_batch:
            return 1
        return self.batch
