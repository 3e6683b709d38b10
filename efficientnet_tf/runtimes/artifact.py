"""What all runtimes offer, and how a file's labels and preprocessing are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from efficientnet_tf.errors import UsageError
from efficientnet_tf.run import LABELS, PREPROCESSING, read_labels, read_preprocessing
from efficientnet_tf.specs import Preprocessing

FORMS = "a SavedModel folder, a .tflite file, a TF.js folder, or a .keras file"

Array = np.ndarray[Any, Any]


class Artifact(Protocol):
    """A network in the runtime that its users have."""

    @property
    def labels(self) -> list[str] | None:
        """Names of the classes in the order of the outputs; None where nothing says."""

    @property
    def preprocessing(self) -> Preprocessing | None:
        """How photographs become its input; None where nothing says."""

    def predict(self, images: Array) -> Array:
        """Return probabilities, float32 [N, classes], of pixels, uint8 [N, height, width, 3]."""

    def close(self) -> None:
        """Give back what the runtime holds."""


def open_artifact(path: str | Path) -> Artifact:
    """Load an exported network in its own runtime.

    Args:
        path: a SavedModel folder, a .tflite file, a TF.js folder, or a .keras file.

    Raises:
        UsageError: none of these.
        MissingDependencyError: its runtime is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"There is no artifact {path}. Allowed: {FORMS}.")
    if (path / "saved_model.pb").is_file():
        from efficientnet_tf.runtimes.saved_model import SavedModel

        return SavedModel(path)
    if (path / "model.json").is_file():
        from efficientnet_tf.runtimes.tfjs import TfjsModel

        return TfjsModel(path)
    if path.suffix == ".tflite":
        from efficientnet_tf.runtimes.litert import LiteRTModel

        return LiteRTModel(path)
    if path.suffix == ".keras":
        from efficientnet_tf.runtimes.keras_file import KerasFile

        return KerasFile(path)
    raise UsageError(f"{path} is not an artifact that can be run. Allowed: {FORMS}.")


def labels_beside(*folders: Path) -> list[str] | None:
    """Return the names in the first labels.txt of some folders."""
    file = _first(LABELS, folders)
    return list(read_labels(file)) if file else None


def preprocessing_beside(*folders: Path) -> Preprocessing | None:
    """Return the record in the first preprocessing.json of some folders."""
    file = _first(PREPROCESSING, folders)
    return read_preprocessing(file) if file else None


def _first(name: str, folders: tuple[Path, ...]) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)
