"""One conversion of weights."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.config.network import VARIANTS, network_of
from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import Options, option

#: Whose files can be read; `timm` pads as PyTorch, `timm-tf` (tf_efficientnet...) as TensorFlow.
ORIGINS = ("keras", "official", "timm-tf", "timm", "torchvision", "efficientnet-pytorch", "resnet")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertConfig(Options):
    """One conversion of weights into a `.keras` file with everything that belongs to them.

    >>> ConvertConfig(source="b4.pth", variant="b4").output_file
    'b4.keras'
    """

    source: str | None = option(
        None,
        "Conversion",
        "File of weights: .pth, .safetensors, .h5, .keras, a TensorFlow checkpoint or its folder. Required.",
    )
    variant: str | None = option(None, "Conversion", f"{VARIANTS} Required.")
    phi: float | None = option(None, "Conversion", "Compound scaling of the variant, paper's Equation 3.")
    width: float | None = option(None, "Conversion", "Factor of the variant's widths, instead of --phi.", above=0.0)
    depth: float | None = option(None, "Conversion", "Factor of the variant's repeats, instead of --phi.", above=0.0)
    origin: str | None = option(None, "Conversion", "Whose file it is, where its names do not tell.", choices=ORIGINS)
    image_size: int | None = option(
        None, "Conversion", "Side of the square input in pixels; by default the variant's own.", minimum=32
    )
    output: str | None = option(
        None, "Conversion", "The .keras file to write; by default VARIANT.keras. Labels and preprocessing go beside it."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant is not None:
            network_of(self)
        if self.output is not None and not self.output.endswith(".keras"):
            raise UsageError(f"--output must end in .keras, got {self.output!r}.")

    @property
    def output_file(self) -> str:
        """The file that is written."""
        return self.output or f"{network_of(self).name}.keras"
