"""One conversion: of weights, or of photographs into TFRecord files."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.config.network import VARIANTS, network_of
from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import Options, option

#: Whose files can be read; `timm` pads as PyTorch, `timm-tf` (tf_efficientnet...) as TensorFlow.
ORIGINS = ("keras", "official", "timm-tf", "timm", "torchvision", "efficientnet-pytorch", "resnet")

#: What can be made, each with the settings that belong to it alone.
TARGETS = {
    "keras": ("source", "variant", "phi", "width", "depth", "origin", "image_size"),
    "tfrecord": ("data", "shards", "validation_fraction", "max_bad_files", "seed"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertConfig(Options):
    """One conversion: weights become a `.keras` file with everything that belongs to them, photographs TFRecord files.

    >>> ConvertConfig(source="b4.pth", variant="b4").output_file
    'b4.keras'
    """

    to: str = option(
        "keras", "Conversion", "keras: weights into a .keras file; tfrecord: photographs into shards.", choices=TARGETS
    )
    output: str | None = option(
        None,
        "Conversion",
        "The .keras file to write, by default VARIANT.keras, with labels and preprocessing beside it; "
        "or the new folder of the shards, required.",
    )
    source: str | None = option(
        None,
        "Weights",
        "File of weights: .pth, .safetensors, .h5, .keras, a TensorFlow checkpoint or its folder. Required.",
    )
    variant: str | None = option(None, "Weights", f"{VARIANTS} Required.")
    phi: float | None = option(None, "Weights", "Compound scaling of the variant, paper's Equation 3.")
    width: float | None = option(None, "Weights", "Factor of the variant's widths, instead of --phi.", above=0.0)
    depth: float | None = option(None, "Weights", "Factor of the variant's repeats, instead of --phi.", above=0.0)
    origin: str | None = option(None, "Weights", "Whose file it is, where its names do not tell.", choices=ORIGINS)
    image_size: int | None = option(
        None, "Weights", "Side of the square input in pixels; by default the variant's own.", minimum=32
    )
    data: str | None = option(None, "Photographs", "Photographs, in the forms of efficientnet-train --data. Required.")
    shards: int | None = option(
        None,
        "Photographs",
        "Files of the training set, 150 MB each by default; other splits get as many records per file.",
        minimum=1,
        maximum=99_999,
    )
    validation_fraction: float = option(
        0.2, "Photographs", "Share held out where the data has no validation set.", above=0.0, below=1.0
    )
    max_bad_files: float = option(
        0.1,
        "Photographs",
        "Share of the files that may be damaged; above it nothing is written.",
        minimum=0.0,
        below=1.0,
    )
    seed: int = option(0, "Photographs", "Seed of the order of records.", minimum=0, maximum=2**32 - 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in dataclasses.fields(self):
            for target, names in TARGETS.items():
                value = getattr(self, field.name)
                if field.name in names and target != self.to and value != field.default:
                    raise UsageError(f"--{field.name}={value} belongs to --to={target}, got --to={self.to}.")
        if self.variant is not None:
            network_of(self)
        if self.to == "keras" and self.output is not None and not self.output.endswith(".keras"):
            raise UsageError(f"--output must end in .keras, got {self.output!r}.")

    @property
    def output_file(self) -> str:
        """The file that is written."""
        return self.output or f"{network_of(self).name}.keras"
