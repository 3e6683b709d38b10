"""One benchmark."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import Options, option
from efficientnet_tf.specs import list_variants, spec

#: The modes that each of these settings belongs to.
_MODES = {
    "variant": ("params", "train", "memory"),
    "build": ("params",),
    "data": ("input",),
    "threads": ("train", "input"),
    "rounds": ("train", "input"),
    "compare": ("train", "memory"),
    "batch_size": ("train", "memory"),
    "image_size": ("train", "memory"),
}
#: Whose networks ours are trained beside.
PEERS = ("plain", "keras.applications", "timm")


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
        "code 1 if one differs), train (images per second of training steps, ours and others'), memory (what such "
        "steps take, and the largest batch that fits), input (pictures per second of decoding, augmentation and the "
        "whole training input, ours and others').",
        choices=("params", "train", "memory", "input"),
    )
    variant: tuple[str, ...] = option(
        (),
        "Benchmark",
        "In params, train and memory: networks of the zoo, separated by commas; by default all, or b0 where they are "
        "trained.",
    )
    compare: tuple[str, ...] = option(
        (),
        "Training",
        "In train and memory: whose networks to train as well, separated by commas; by default all, of those that are "
        "installed. plain is ours in Keras' own formulation.",
        choices=PEERS,
    )
    batch_size: int | None = option(
        None, "Training", "In train and memory: images in a step; by default 16.", minimum=1
    )
    image_size: int | None = option(
        None, "Training", "In train and memory: side of the images in pixels; by default the variant's.", minimum=32
    )
    build: bool = option(
        False, "Benchmark", "In params: build each network in Keras as well, and count its layers (3 GB for l2)."
    )
    data: str | None = option(
        None, "Input", "JPEG photographs, in the forms of efficientnet-train --data; by default sample."
    )
    threads: int | None = option(
        None, "Benchmark", "In train and input: processor cores for everything; by default all, in input 2.", minimum=1
    )
    rounds: int | None = option(
        None,
        "Benchmark",
        "In train and input: rounds, in which all take turns and of which the medians are taken; by default 5.",
        minimum=1,
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
        for name, modes in _MODES.items():
            value = getattr(self, name)
            if not value:
                continue
            if self.table is not None:
                raise UsageError(f"--{name} belongs to --mode, not to --table={self.table}, whose networks are fixed.")
            if not set(modes) & set(self.mode):
                wanted = " or ".join(f"--mode={mode}" for mode in modes)
                raise UsageError(f"--{name} belongs to {wanted}, which is not asked for.")

    @property
    def variants(self) -> tuple[str, ...]:
        """The networks to look at."""
        return tuple(dict.fromkeys(spec(name).name for name in self.variant or list_variants()))

    @property
    def trained(self) -> tuple[str, ...]:
        """The networks to train."""
        return self.variants if self.variant else ("b0",)

    @property
    def peers(self) -> tuple[str, ...]:
        """Whose networks to train beside ours."""
        return self.compare or PEERS

    @property
    def needs_tensorflow(self) -> bool:
        """Whether a network is built, or pictures are made."""
        return self.build or self.table is not None or "input" in self.mode
