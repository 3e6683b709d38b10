"""One benchmark."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import Options, option
from efficientnet_tf.specs import list_variants, spec


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkConfig(Options):
    """One benchmark.

    >>> BenchmarkConfig(variant=("EfficientNetB0", "lite0")).variants
    ('b0', 'lite0')
    """

    mode: tuple[str, ...] = option(
        ("params",),
        "Benchmark",
        "What to look at: params (parameters and multiply-adds beside the official ones; exit code 1 if one differs).",
        choices=("params",),
    )
    variant: tuple[str, ...] = option((), "Benchmark", "Networks of the zoo, separated by commas; by default all.")
    build: bool = option(
        False, "Benchmark", "In params: build each network in Keras as well, and count its layers (3 GB for l2)."
    )
    table: str | None = option(
        None,
        "Paper",
        "Instead of --mode: 2, the paper's Table 2 with 16 of its 24 networks counted here.",
        choices=("2",),
    )
    output_dir: str | None = option(None, "Output", "Folder for the figures as CSV, and Table 2's plots as PNG.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.mode:
            raise UsageError("mode is empty; give at least one value.")
        for name in self.variant:
            spec(name)
        for name in ("variant", "build"):
            if self.table is not None and getattr(self, name):
                raise UsageError(f"--{name} belongs to --mode, not to --table={self.table}, whose networks are fixed.")

    @property
    def variants(self) -> tuple[str, ...]:
        """The networks to look at."""
        return tuple(dict.fromkeys(spec(name).name for name in self.variant or list_variants()))

    @property
    def needs_tensorflow(self) -> bool:
        """Whether a network is built."""
        return self.build or self.table is not None
