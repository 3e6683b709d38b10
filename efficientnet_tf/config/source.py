"""Which network a command uses."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.config.network import VARIANTS, WEIGHTS, network_of
from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import Options, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceOptions(Options):
    """Which network a command uses: a run's, or one of the zoo."""

    model_dir: str | None = option(None, "Source", "Folder of a run; by default the newest under runs/.")
    variant: str | None = option(None, "Source", f"Instead of a run: {VARIANTS}")
    phi: float | None = option(None, "Source", "Compound scaling of the variant, paper's Equation 3.")
    width: float | None = option(None, "Source", "Factor of the variant's widths, instead of --phi.", above=0.0)
    depth: float | None = option(None, "Source", "Factor of the variant's repeats, instead of --phi.", above=0.0)
    weights: str | None = option(None, "Source", f"Weights of --variant: {WEIGHTS}")
    image_size: int | None = option(
        None, "Source", "Side of the input of --variant in pixels; by default its own.", minimum=32
    )

    @property
    def _of_a_variant(self) -> tuple[str, ...]:
        """Settings that mean nothing without --variant."""
        return ("weights", "image_size", "phi", "width", "depth")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant is not None:
            network_of(self)
        for name in self._of_a_variant:
            if self.variant is None and getattr(self, name) is not None:
                raise UsageError(f"--{name} belongs to --variant, which is not given; got {getattr(self, name)}.")
