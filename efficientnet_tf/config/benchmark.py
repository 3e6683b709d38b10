"""One benchmark."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import Options, option
from efficientnet_tf.specs import list_variants, spec, variant_text

#: The modes that each of these settings belongs to.
_MODES = {
    "variant": ("params", "latency", "train", "memory"),
    "build": ("params",),
    "data": ("input",),
    "threads": ("latency", "train", "input"),
    "rounds": ("latency", "train", "input", "startup"),
    "compare": ("latency", "train", "memory"),
    "batch_size": ("latency", "train", "memory"),
    "image_size": ("latency", "train", "memory"),
}
#: Whose networks ours are run beside.
PEERS = ("recompute", "plain", "keras.applications", "timm")
#: Those that are other networks in training only.
IN_TRAINING_ONLY = ("recompute", "plain")


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
        "code 1 if one differs), latency (how long networks take to answer, ours and others'), train (images per "
        "second of training steps, ours and others'), memory (what such steps take, and the largest batch that fits), "
        "input (pictures per second of decoding, augmentation and the whole training input, ours and others'), "
        "startup (seconds of each command's --help, of imports, and of one prediction from the beginning).",
        choices=("params", "latency", "train", "memory", "input", "startup"),
    )
    variant: tuple[str, ...] = option(
        (),
        "Benchmark",
        "In params, latency, train and memory: networks of the zoo, separated by commas; by default all, or b0 where "
        "they are run.",
    )
    compare: tuple[str, ...] = option(
        (),
        "Networks",
        "In latency, train and memory: whose networks to run as well, separated by commas; by default all, of those "
        "that are installed. recompute and plain, for training, are ours: with --recompute of efficientnet-train, and "
        "in Keras' own formulation.",
        choices=PEERS,
    )
    batch_size: int | None = option(None, "Networks", "Images at a time; by default 16, and 1 in latency.", minimum=1)
    image_size: int | None = option(
        None, "Networks", "Side of the images in pixels; by default the variant's.", minimum=32
    )
    build: bool = option(
        False, "Benchmark", "In params: build each network in Keras as well, and count its layers (3 GB for l2)."
    )
    data: str | None = option(
        None, "Input", "JPEG photographs, in the forms of efficientnet-train --data; by default sample."
    )
    threads: int | None = option(
        None,
        "Benchmark",
        "In latency, train and input: processor cores for everything; by default 1 in latency, 2 in input, else all.",
        minimum=1,
    )
    rounds: int | None = option(
        None,
        "Benchmark",
        "In latency, train, input and startup: rounds, in which all take turns; by default 5.",
        minimum=1,
    )
    table: str | None = option(
        None,
        "Paper",
        "Instead of --mode: 2, the paper's Table 2 with 16 of its 24 networks counted here; or 4, its Table 4 with the "
        "latencies measured here.",
        choices=("2", "4"),
    )
    output_dir: str | None = option(None, "Output", "Folder for the figures as CSV, and plots as PNG.")

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
        trained = [peer for peer in self.compare if peer in IN_TRAINING_ONLY]
        if trained and not {"train", "memory"} & set(self.mode):
            raise UsageError(
                f"--compare={trained[0]} belongs to --mode=train or --mode=memory, which is not asked for."
            )

    @property
    def variants(self) -> tuple[str, ...]:
        """The networks to look at."""
        return tuple(dict.fromkeys(variant_text(name) for name in self.variant or list_variants()))

    @property
    def chosen(self) -> tuple[str, ...]:
        """The networks to train or to ask."""
        return self.variants if self.variant else ("b0",)

    @property
    def peers(self) -> tuple[str, ...]:
        """Whose networks to run beside ours."""
        return self.compare or PEERS

    @property
    def starts_networks(self) -> bool:
        """Whether processes are started that need TensorFlow, though this one does not."""
        return self.table == "4" or bool({"latency", "train", "memory", "startup"} & set(self.mode))

    @property
    def needs_tensorflow(self) -> bool:
        """Whether a network is built, or pictures are made."""
        return self.build or self.table == "2" or "input" in self.mode
