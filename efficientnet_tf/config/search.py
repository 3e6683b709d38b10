"""One run of `efficientnet-scale`: a scaling, a search, or a study."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from efficientnet_tf.config.recipes import RECIPES_FOLDER, list_recipes, read_lines
from efficientnet_tf.config.scale import PHIS, ScalingOptions, numbers
from efficientnet_tf.config.training import TrainConfig
from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import option
from efficientnet_tf.specs import ALPHA, BETA, GAMMA

COEFFICIENTS, ARCHITECTURE = "coefficients", "architecture"
STUDIES_FOLDER = RECIPES_FOLDER / "studies"
STUDIES = tuple(sorted(path.stem for path in STUDIES_FOLDER.glob("*.cfg")))
#: The folder of searches and studies that are given none.
ROOT = Path("searches")

#: What a setting means something for, beside those of training that all have.
_BELONGS = {
    "step": (COEFFICIENTS,),
    "tolerance": (COEFFICIENTS,),
    "trials": (ARCHITECTURE,),
    "sampler": (ARCHITECTURE,),
    "pruner": (ARCHITECTURE,),
    "depths": ("figure3", "figure4"),
    "widths": ("figure3", "figure4"),
    "resolutions": ("figure3", "figure4"),
    "seeds": (COEFFICIENTS, *STUDIES),
}
_TRAINING = (
    "data",
    "recipe",
    "epochs",
    "steps",
    "learning_rate",
    "validation_fraction",
    "minival",
    "seed",
    "workers",
    "study_dir",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScaleConfig(ScalingOptions):
    """A scaling of a base; or a search or a study, which train networks.

    >>> ScaleConfig(search="coefficients", base="lite0", data="sample").training().recipe
    'proxy'
    """

    search: str | None = option(
        None,
        "Search",
        "Train networks to find the best: coefficients (alpha, beta and gamma of --base; also without a value), or "
        "architecture (blocks for the stages of --base, over Optuna).",
        choices=(COEFFICIENTS, ARCHITECTURE),
        bare=COEFFICIENTS,
    )
    step: float | None = option(None, "Search", "Of coefficients: between two values; by default 0.05.", above=0.0)
    tolerance: float | None = option(
        None,
        "Search",
        "Of coefficients: by how much alpha x beta^2 x gamma^2 may differ from 2; by default 0.1.",
        minimum=0.0,
    )
    trials: int | None = option(
        None,
        "Search",
        "Of an architecture: how many are tried, those of earlier starts included; by default 100.",
        minimum=1,
    )
    sampler: str | None = option(
        None, "Search", "Of an architecture: tpe (the default) or random.", choices=("tpe", "random")
    )
    pruner: str | None = option(
        None,
        "Search",
        "Of an architecture: none (the default), or median, which ends trainings that are worse than half of the "
        "others at the same epoch.",
        choices=("none", "median"),
    )
    study: str | None = option(
        None,
        "Study",
        "Train the networks of one of the paper's figures: figure3 (each dimension alone), figure4 (width, under other "
        "depths and resolutions), figure8 (compound scaling against one dimension alone; --phi are its points).",
        choices=STUDIES,
    )
    depths: tuple[str, ...] = option((), "Study", "Factors of depth, instead of the figure's.")
    widths: tuple[str, ...] = option((), "Study", "Factors of width.")
    resolutions: tuple[str, ...] = option((), "Study", "Factors of resolution.")
    data: str | None = option(
        None, "Training", "Of a search or a study: photographs, as efficientnet-train takes them."
    )
    recipe: str | None = option(
        None, "Training", "Settings of each training; by default proxy.", choices=tuple(list_recipes())
    )
    epochs: int | None = option(None, "Training", "Epochs of each training; by default the recipe's.", minimum=1)
    steps: int | None = option(None, "Training", "Steps of each training, instead of --epochs.", minimum=1)
    batch_size: int | None = option(
        None, "Training", "Images in a step; by default the recipe's, and 1 with --target_memory.", minimum=1
    )
    learning_rate: float | None = option(None, "Training", "Peak learning rate; by default the recipe's.", above=0.0)
    validation_fraction: float | None = option(
        None, "Training", "Share of the photographs that accuracy is measured on; by default 0.2.", above=0.0, below=1.0
    )
    minival: int | None = option(
        None,
        "Training",
        "Training photographs that accuracy is measured on instead, for a source whose own validation set must choose "
        "nothing.",
        minimum=1,
    )
    seed: int | None = option(None, "Training", "First seed; by default 0.", minimum=0, maximum=2**31)
    seeds: int | None = option(
        None,
        "Training",
        "How many seeds each network is trained with, for the standard error; by default 1.",
        minimum=1,
    )
    workers: int | None = option(
        None, "Training", "Trainings at a time, which share the cores; by default 1.", minimum=1, maximum=256
    )
    study_dir: str | None = option(
        None,
        "Training",
        "Folder of the search or study, where it goes on when it was interrupted; by default "
        f"{ROOT}/KIND-BASE-DATA, or the next free.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [
            *(["--search"] if self.search else []),
            *(["--study"] if self.study else []),
            *(flag for flag in self.scaled_by() if not self._is_part(flag)),
        ]
        if len(given) > 1:
            raise UsageError(f"Give one of {', '.join(given)}.")
        if self.plot is not None and given not in ([], ["--phi"]):
            raise UsageError(f"--plot belongs to --phi, got {given[0]}.")
        self._check_output(given)
        self._check_belonging()
        if self.kind is not None and not self.data:
            raise UsageError(
                "--data is missing. Allowed: sample, a folder of class folders, csv:FILE, tfds:NAME[:SPLIT], "
                "tfrecord:GLOB, idx:FOLDER, synthetic."
            )
        self.points()

    @property
    def kind(self) -> str | None:
        """Which search or study is asked for."""
        return self.search or self.study

    def points(self) -> dict[str, tuple[float, ...]]:
        """Return where a study looks: the figure's own points, but for those that were given."""
        if self.study is None:
            return {}
        written = {
            name: tuple(text.split(",")) for name, text in read_lines(STUDIES_FOLDER / f"{self.study}.cfg").items()
        }
        if "phi" in written and self.phi != PHIS:
            written["phi"] = self.phi
        written |= {name: getattr(self, name) for name in ("depths", "widths", "resolutions") if getattr(self, name)}
        return {name: numbers(name, texts) for name, texts in written.items()}

    def training(self) -> TrainConfig:
        """Return the settings of each training.

        Raises:
            UsageError: settings that contradict each other.
        """
        names = ("data", "epochs", "steps", "batch_size", "learning_rate", "validation_fraction", "minival")
        given: dict[str, Any] = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return TrainConfig(variant=self.base, weights="none", recipe=self.recipe or "proxy", **given).resolve()

    def all_seeds(self) -> tuple[int, ...]:
        """Return the seeds of the trainings."""
        first = self.seed or 0
        return tuple(range(first, first + (self.seeds or 1)))

    def _is_part(self, flag: str) -> bool:
        """Return whether a flag of scaling says something of the search or the study."""
        return (flag == "--target_madds" and self.search == ARCHITECTURE) or (
            flag == "--phi" and self.study == "figure8"
        )

    def _check_output(self, given: list[str]) -> None:
        for name in ("output", "save"):
            value = getattr(self, name)
            if value is not None and self.kind is not None:
                raise UsageError(f"--{name} is for a scaling; a search and a study write into --study_dir.")
        single = (given and given[0] not in ("--table", "--phi")) or (given == ["--phi"] and len(self.phi) == 1)
        if self.save is not None and not single:
            raise UsageError("--save needs one network: one --phi, a target, or factors.")

    def _check_belonging(self) -> None:
        for name, kinds in _BELONGS.items():
            if getattr(self, name) not in (None, ()) and self.kind not in kinds:
                words = " or ".join(f"--{'study' if kind in STUDIES else 'search'}={kind}" for kind in kinds)
                raise UsageError(f"--{name} belongs to {words}, which is not asked for.")
        for name in _TRAINING:
            if getattr(self, name) is not None and self.kind is None:
                raise UsageError(f"--{name} belongs to --search or --study, which is not asked for.")
        for name, usual in (("alpha", ALPHA), ("beta", BETA), ("gamma", GAMMA)):
            if getattr(self, name) != usual and self.kind not in (None, "figure8"):
                raise UsageError(f"--{name} belongs to a scaling or to --study=figure8, got it for {self.kind}.")
        if self.batch_size is not None and self.kind is None and self.target_memory is None:
            raise UsageError(
                "--batch_size belongs to --search, --study or --target_memory, none of which is given; "
                f"got {self.batch_size}."
            )
