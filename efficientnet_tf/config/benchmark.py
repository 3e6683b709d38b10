"""One benchmark."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import Options, option
from efficientnet_tf.specs import list_variants, spec

#: The mode that each of these settings belongs to.
_MODES = {"variant": "params", "build": "params", "data": "input", "threads": "input", "rounds": "input"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchmarkConfig(Options):
    """One benchmark.

    >>> BenchmarkConfig(variant=("EfficientNetB0", "lite0")).variants
    ('b0', 'lite0')
    """

    mode: tuple[str, ...] = option(
        ("params",),
        "Benchmark",
        "What to look at, separated by commas: params (parameters and multiply-adds beside the official ones; exit "
        "code 1 if one differs), input (pictures per second of decoding, augmentation and the whole training input, "
        "ours and others').",
        choices=("params", "input"),
    )
    variant: tuple[str, ...] = option(
        (), "Benchmark", "In params: networks of the zoo, separated by commas; by default all."
    )
    build: bool = option(
        False, "Benchmark", "In params: build each network in Keras as well, and count its layers (3 GB for l2)."
    )
    data: str | None = option(
        None, "Input", "JPEG photographs, in the forms of efficientnet-train --data; by default sample."
    )
    threads: int | None = option(
        None, "Input", "Processor cores for everything; by default 2, or 1 where there is no more.", minimum=1
    )
    rounds: int | None = option(
        None, "Input", "Rounds, in which all take turns and of which the medians are taken; by default 5.", minimum=1
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
        if self.table is not None and self.mode != ("params",):
            raise UsageError(f"Give --mode or --table, not both; got {','.join(self.mode)} and {self.table}.")
        for name, mode in _MODES.items():
            value = getattr(self, name)
            if not value:
                continue
            if self.table is not None:
                raise UsageError(f"--{name} belongs to --mode, not to --table={self.table}, whose networks are fixed.")
            if mode not in self.mode:
                raise UsageError(f"--{name} belongs to --mode={mode}, which is not asked for.")

    @property
    def variants(self) -> tuple[str, ...]:
        """The networks to look at."""
        return tuple(dict.fromkeys(spec(name).name for name in self.variant or list_variants()))

    @property
    def needs_tensorflow(self) -> bool:
        """Whether a network is built, or pictures are made."""
        return self.build or self.table is not None or "input" in self.mode
