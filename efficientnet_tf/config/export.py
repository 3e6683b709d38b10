"""One export."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.config.source import SourceOptions
from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import option

#: Which quantisations each export format has; every other format has `none` alone.
QUANTIZATIONS = {
    "saved_model": ("none",),
    "tflite": ("none", "float16", "dynamic"),
    "tfjs": ("none", "float16"),
    "keras": ("none",),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig(SourceOptions):
    """One export.

    >>> ExportConfig(quantize=("none", "dynamic")).targets()
    [('saved_model', 'none'), ('tflite', 'none'), ('tflite', 'dynamic'), ('tfjs', 'none')]
    """

    format: tuple[str, ...] = option(
        ("saved_model", "tflite", "tfjs"),
        "Artifacts",
        "What to write, separated by commas: saved_model, tflite, tfjs, keras (plain layers, needs no other package).",
        choices=tuple(QUANTIZATIONS),
    )
    quantize: tuple[str, ...] = option(
        ("none",),
        "Artifacts",
        "Weights as none (float32), float16, dynamic (int8); each format takes those it has.",
        choices=("none", "float16", "dynamic"),
    )
    output_dir: str | None = option(None, "Artifacts", "Folder to write; by default RUN/export, or exports/VARIANT.")
    verify: str | None = option(
        None, "Verification", "Photographs to compare on: sample or a folder. Given, a missing runtime is an error."
    )
    verify_images: int = option(16, "Verification", "How many of them.", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if None not in (self.variant, self.model_dir):
            raise UsageError(f"Give --model_dir or --variant, not both; got {self.model_dir} and {self.variant}.")
        for name in ("format", "quantize"):
            if not getattr(self, name):
                raise UsageError(f"{name} is empty; give at least one value.")
        useless = [q for q in self.quantize if not any(q in QUANTIZATIONS[f] for f in self.format)]
        if useless:
            raise UsageError(f"None of {', '.join(self.format)} can be quantised as {', '.join(useless)}.")

    def targets(self) -> list[tuple[str, str]]:
        """Return the artifacts as (format, quantisation); a format without any of the wanted ones is not quantised."""
        return [
            (form, quantize)
            for form in dict.fromkeys(self.format)
            for quantize in [q for q in dict.fromkeys(self.quantize) if q in QUANTIZATIONS[form]] or ["none"]
        ]
