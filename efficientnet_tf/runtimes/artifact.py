"""What all runtimes offer, and how a file's labels and preprocessing are found."""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.run import LABELS, PREPROCESSING, REPORT, digest, read_labels, read_preprocessing
from efficientnet_tf.specs import Preprocessing

FORMS = "a SavedModel folder, a .tflite file, a TF.js folder, a .onnx file, or a .keras file"
#: Which files make a folder a network, and what other networks end in.
GRAPHS, SUFFIXES = ("model.json", "saved_model.pb"), (".tflite", ".onnx", ".keras")

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

    def answers(self, images: Array) -> dict[str, Array]:
        """Return every output by its name, float32, of pixels, uint8 [N, height, width, 3]."""

    def operations(self) -> dict[str, int]:
        """Return how many operations of each kind its graph has."""

    def close(self) -> None:
        """Give back what the runtime holds."""


def open_artifact(path: str | Path) -> Artifact:
    """Load an exported network in its own runtime.

    Args:
        path: a SavedModel folder, a .tflite file, a TF.js folder, a .onnx file, or a .keras file.

    Raises:
        UsageError: none of these.
        EfficientNetError: it is not the one that the report beside it was written for, or it is damaged.
        MissingDependencyError: its runtime is not installed.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"There is no artifact {path}. Allowed: {FORMS}.")
    runtime = _runtime(path)
    check_report(path)
    return runtime(path)


def _runtime(path: Path) -> Callable[[Path], Artifact]:
    """Return what runs an artifact. Each runtime is imported for its own artifacts alone."""
    if (path / "saved_model.pb").is_file():
        from efficientnet_tf.runtimes.saved_model import SavedModel

        return SavedModel
    if (path / "model.json").is_file():
        from efficientnet_tf.runtimes.tfjs import TfjsModel

        return TfjsModel
    if path.suffix == ".tflite":
        from efficientnet_tf.runtimes.litert import LiteRTModel

        return LiteRTModel
    if path.suffix == ".onnx":
        from efficientnet_tf.runtimes.onnx_file import OnnxModel

        return OnnxModel
    if path.suffix == ".keras":
        from efficientnet_tf.runtimes.keras_file import KerasFile

        return KerasFile
    inside = [each.name for each in sorted(path.iterdir()) if _is_artifact(each)] if path.is_dir() else []
    if inside:
        raise UsageError(f"{path} is a folder of artifacts. Give one of them: {', '.join(inside)}.")
    raise UsageError(f"{path} is not an artifact that can be run. Allowed: {FORMS}.")


def _is_artifact(path: Path) -> bool:
    return path.suffix in SUFFIXES or any((path / name).is_file() for name in GRAPHS)


def check_report(path: Path) -> None:
    """Hold an artifact against the report of its export, if one lies beside it and names it.

    Raises:
        EfficientNetError: it is another one than was verified, or the report cannot be read.
    """
    whole = Path(os.path.abspath(path))  # "." has no name of its own
    report = whole.parent / REPORT
    if not report.is_file():
        return
    try:
        rows = json.loads(report.read_text(encoding="utf-8"))["artifacts"]
        verified = {str(row["file"]): row.get("sha256") for row in rows}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EfficientNetError(f"{report} is not the report of an export.") from error
    expected = verified.get(whole.name)
    if expected is not None and digest(path) != expected:
        raise EfficientNetError(
            f"{path} is not the artifact that {report} was written for: its SHA-256 differs. Export it again."
        )


def labels_inside(value: Any) -> list[str] | None:
    """Return the names of the classes in the metadata of a file, which anybody may have written.

    Args:
        value: of the metadata's `labels`, decoded from JSON.

    Returns:
        The names; None where there are none.

    Raises:
        UsageError: something else.

    >>> labels_inside(["cat", 3])
    Traceback (most recent call last):
    efficientnet_tf.errors.UsageError: labels must be a list of names, got ['cat', 3].
    """
    if value is not None and not (isinstance(value, list) and all(isinstance(name, str) for name in value)):
        raise UsageError(f"labels must be a list of names, got {reprlib.repr(value)}.")
    return value or None


def record_inside(value: Any) -> Preprocessing | None:
    """Return the preprocessing record in the metadata of a file; None where there is none.

    Raises:
        UsageError: something else.
    """
    return None if value is None else Preprocessing.from_json(value)


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
