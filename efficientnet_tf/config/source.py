"""Which network a command uses."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import Options, option
from efficientnet_tf.specs import spec


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceOptions(Options):
    """Which network a command uses: a run's, or one of the zoo."""

    model_dir: str | None = option(None, "Source", "Folder of a run; by default the newest under runs/.")
    variant: str | None = option(None, "Source", "A network of the zoo instead of a run.")
    weights: str | None = option(
        None, "Source", "Weights of --variant: imagenet (the default), or a .keras or .weights.h5 file."
    )
    image_size: int | None = option(
        None, "Source", "Side of the input of --variant in pixels; by default its own.", minimum=32
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant is not None:
            spec(self.variant)
        for name in ("weights", "image_size"):
            if self.variant is None and getattr(self, name) is not None:
                raise UsageError(f"--{name} belongs to --variant, which is not given; got {getattr(self, name)}.")
