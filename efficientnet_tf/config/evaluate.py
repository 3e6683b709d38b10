"""One evaluation of a network."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.config.predict import PredictConfig
from efficientnet_tf.config.source import SourceOptions
from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import option

_NETWORK = ("model_dir", "artifact", "variant", "weights", "image_size", "phi", "width", "depth")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateConfig(SourceOptions):
    """One evaluation of a network.

    >>> EvaluateConfig(variant="lite0", data="photographs").split
    'validation'
    """

    artifact: str | None = option(
        None, "Source", "An exported SavedModel, .tflite, .onnx, TF.js folder or .keras file."
    )
    data: str | None = option(
        None,
        "Data",
        "Photographs: sample (bundled), a folder of class folders, csv:FILE, tfds:NAME[:SPLIT], tfrecord:GLOB, "
        "idx:FOLDER, or synthetic; by default those of the run.",
    )
    split: str = option(
        "validation", "Data", "Which of them: validation, test or train.", choices=("train", "validation", "test")
    )
    validation_fraction: float | None = option(
        None,
        "Data",
        "Share held out of a source that has no validation of its own; by default the run's for its own data, else "
        "0.2.",
        above=0.0,
        below=1.0,
    )
    max_bad_files: float | None = option(
        None,
        "Data",
        "Share of damaged or empty photographs above which nothing is evaluated; by default the run's for its own "
        "data, else 0.1.",
        minimum=0.0,
        maximum=1.0,
    )
    crops: int = option(
        1,
        "Views",
        "1, or 10: four corners and the centre, and their mirror images; the probabilities are averaged.",
    )
    tta: tuple[str, ...] = option(
        (),
        "Views",
        "Views whose probabilities are averaged: flip (the mirror image too), zoom (a wider and a narrower crop too), "
        "or flip,zoom.",
        choices=("flip", "zoom"),
    )
    output: str | None = option(
        None,
        "Answer",
        "A new .csv with file, label, predicted and probability of every photograph; or .json, with all figures too.",
    )
    batch_size: int = option(
        64,
        "Machine",
        "Photographs that are read at a time. No figure depends on it: what the network is given at a time is fixed.",
        minimum=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.network()
        if self.crops not in (1, 10):
            raise UsageError(f"crops must be 1 or 10, got {self.crops}.")
        if self.crops == 10 and self.tta:
            raise UsageError(f"Give --crops=10 or --tta, not both; got --tta={','.join(self.tta)}.")
        if self.output is not None and not self.output.endswith((".csv", ".json")):
            raise UsageError(f"--output must end in .csv or .json, got {self.output!r}.")

    def network(self) -> PredictConfig:
        """Return what names the network, as `prediction.open_predictor` takes it.

        Raises:
            UsageError: it is named twice.
        """
        return PredictConfig(**{name: getattr(self, name) for name in _NETWORK})
