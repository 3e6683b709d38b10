"""What a training is given: a network, and photographs."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.augment.policies.grammar import Plan
from efficientnet_tf.config.network import VARIANTS, WEIGHTS, network_of
from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import Options, option
from efficientnet_tf.specs.preprocessing import CROPS


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputOptions(Options):
    """A network to begin with, photographs, and what is done to them."""

    variant: str = option("b0", "Network", VARIANTS)
    phi: float | None = option(None, "Network", "Compound scaling of the variant, paper's Equation 3.")
    width: float | None = option(None, "Network", "Factor of the variant's widths, instead of --phi.", above=0.0)
    depth: float | None = option(None, "Network", "Factor of the variant's repeats, instead of --phi.", above=0.0)
    weights: str = option("imagenet", "Network", f"Weights to begin with: none, {WEIGHTS}")
    image_size: int | None = option(
        None, "Network", "Side of the square input in pixels; by default the variant's own.", minimum=32
    )
    dropout: float | None = option(
        None, "Network", "Rate before the classifier; by default the variant's own.", minimum=0.0, below=1.0
    )
    survival_probability: float | None = option(
        None, "Network", "Of the last block under stochastic depth.", above=0.0, maximum=1.0, otherwise=0.8
    )
    bn_momentum: str | None = option(
        None,
        "Network",
        "Of batch normalisation: own (the variant's), a number in 0...1, or steps: max(1 - 10 / steps an epoch, 0.9).",
        otherwise="own",
    )
    data: str | None = option(
        None,
        "Data",
        "Photographs: sample (bundled), a folder of class folders, csv:FILE, tfds:NAME[:SPLIT], tfrecord:GLOB, "
        "idx:FOLDER, or synthetic. Required.",
    )
    batch_size: int | None = option(None, "Data", "Photographs per training step.", minimum=1, otherwise=32)
    validation_fraction: float = option(
        0.2, "Data", "Share held out of a source that has no validation of its own.", above=0.0, below=1.0
    )
    minival: int | None = option(
        None,
        "Data",
        "Training photographs that choose the best network, in place of the source's own validation set, on which it "
        "is then measured once; 0 for none.",
        minimum=0,
        otherwise=0,
    )
    cache: str = option(
        "auto",
        "Data",
        "Where encoded photographs are kept between epochs: auto (in memory up to 256 MB), none, memory, "
        "or a folder for copies of the records of tfrecord: and tfds:.",
    )
    shuffle_buffer: int = option(
        1024, "Data", "Records of tfrecord: and tfds: among which the next one is drawn.", minimum=1
    )
    max_bad_files: float = option(
        0.1, "Data", "Share of damaged or empty photographs above which nothing is trained.", minimum=0.0, maximum=1.0
    )
    crop: str | None = option(
        None,
        "Data",
        "What of a photograph is seen when it is not for training: center, the middle, or none, all of it; by default "
        "as the weights want it.",
        choices=CROPS,
    )
    crop_area: float | None = option(
        None,
        "Data",
        "Smallest share of a photograph that a training crop covers.",
        above=0.0,
        maximum=1.0,
        otherwise=0.08,
    )
    augment: str | None = option(
        None,
        "Data",
        "What is done to the photographs of every epoch anew: none, autoaugment[:legacy|:policy=NAME], "
        "randaugment[:n=2,m=10,std=0,increasing], trivialaugment, augmix, cutout, erasing[:p=0.25], mixup[:0.2], "
        "cutmix[:1.0]; several joined by +.",
        otherwise="none",
    )
    preview: str | None = option(
        None, "Data", "Instead of training, write a PNG of what the network will see: photographs before and after."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        network_of(self)
        if self.augment is not None:
            Plan.parse(self.augment)
        if self.bn_momentum not in (None, "own", "steps"):
            _check_momentum(str(self.bn_momentum))
        if self.preview is not None and not self.preview.lower().endswith(".png"):
            raise UsageError(f"--preview must end in .png, got {self.preview!r}.")


def _check_momentum(text: str) -> None:
    """Raise if a text is no number that batch normalisation can take for its momentum."""
    try:
        fits = 0.0 <= float(text) < 1.0
    except ValueError:
        fits = False
    if not fits:
        raise UsageError(f"bn_momentum must be own, steps, or a number of at least 0 and below 1, got {text!r}.")
