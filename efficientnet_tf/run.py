"""The files of a run, read and written in one place."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import itertools
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efficientnet_tf.config import TrainConfig
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.files import atomic_write_text
from efficientnet_tf.specs import Preprocessing

if TYPE_CHECKING:  # what reads labels beside an artifact needs no Keras
    import keras

ROOT = Path("runs")
CONFIG, LABELS, PREPROCESSING = "config.json", "labels.txt", "preprocessing.json"
#: What an export says of its artifacts.
REPORT = "report.json"
# What stands in a list of numbers that `json` has written, one on a line; a text would have quotes.
_NUMBERS = re.compile(r"\[((?:\s+-?[0-9][0-9.eE+-]*,?)+)\s+\]")

MODEL, HISTORY, METRICS, CHECKPOINTS = "model.keras", "metrics.csv", "metrics.json", "checkpoints"


@dataclasses.dataclass(frozen=True)
class Run:
    """A folder with what a training run left.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def model_file(self) -> Path:
        """The best network so far, as a Keras file."""
        return self.path / MODEL

    @property
    def history_file(self) -> Path:
        """A row of figures for each epoch."""
        return self.path / HISTORY

    def epochs(self) -> int:
        """Return how many epochs the run has had."""
        return len(self.history_rows())

    def history_rows(self) -> list[dict[str, str]]:
        """Return the figures of the epochs so far, as text."""
        with open(self.history_file, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes' names, in the order of the outputs."""
        return read_labels(self.path / LABELS)

    @property
    def preprocessing(self) -> Preprocessing:
        """How photographs become the network's input."""
        return read_preprocessing(self.path / PREPROCESSING)

    def begin(self, config: TrainConfig, labels: Sequence[str], record: Preprocessing) -> None:
        """Write what is known before the first step, so that an interrupted run can be used."""
        self.describe(labels, record)
        write_json(self.path / CONFIG, config.to_json())

    def describe(self, labels: Sequence[str], record: Preprocessing) -> None:
        """Write what the network's inputs and outputs mean."""
        self.make_folder()
        write_labels(self.path / LABELS, labels)
        write_json(self.path / PREPROCESSING, record.to_json())

    def make_folder(self) -> None:
        """Make the run's folder, and see that it can be written."""
        make_writable(self.path)

    def save_model(self, model: keras.Model) -> None:
        """Write the network alone; what stands there before stays until it is complete."""
        from efficientnet_tf.model import uncompiled

        # Without the optimizer, whose slots are twice the network.
        save_whole(uncompiled(model), self.model_file)

    @property
    def checkpoints(self) -> Path:
        """The folder of what a training goes on from."""
        return self.path / CHECKPOINTS

    @property
    def metrics_file(self) -> Path:
        """The final figures; a run that has them is finished."""
        return self.path / METRICS

    def save_latest(self, model: keras.Model) -> None:
        """Write the network with its optimizer."""
        self.checkpoints.mkdir(exist_ok=True)
        save_whole(model, self.checkpoints / "latest.keras")

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Write the final figures."""
        write_json(self.metrics_file, metrics)

    def load_model(self) -> keras.Model:
        """Return the best network of the run."""
        if not self.model_file.is_file():
            raise UsageError(f"{self.path} holds no trained network ({MODEL}); was the run stopped in its first epoch?")
        return load_keras(self.model_file)


def candidates(network: str, data: str) -> Iterator[Path]:
    """Yield the folders in which a run of a network on some data may be: `runs/NETWORK-DATA`, and with -2, -3, ...

    >>> import itertools
    >>> [path.name for path in itertools.islice(candidates("b0", "sample"), 3)]
    ['b0-sample', 'b0-sample-2', 'b0-sample-3']
    """
    first = ROOT / f"{network}-{data}"
    yield first
    for number in itertools.count(2):
        yield first.with_name(f"{first.name}-{number}")


def open_run(model_dir: str | Path | None) -> Run:
    """Return an existing run; without a folder the newest under `runs/` that holds a network.

    Raises:
        UsageError: no run is there.
    """
    if model_dir is None:
        found = sorted(ROOT.glob(f"*/{MODEL}"), key=lambda path: path.stat().st_mtime)
        if not found:
            raise UsageError(
                f"There is no run under {ROOT}/. Train one with efficientnet-train, "
                "or name a network of the zoo with --variant, or a run with --model_dir."
            )
        return Run(found[-1].parent)
    path = Path(model_dir)
    if not any((path / name).is_file() for name in (CONFIG, MODEL)):
        raise UsageError(f"{path} holds no run: it has neither {CONFIG} nor {MODEL}.")
    return Run(path)


def load_model(path: str | Path) -> keras.Model:
    """Return a trained network.

    Args:
        path: a run's folder, or a `.keras` file.

    Returns:
        A model from pixels of 0...255, [N, height, width, 3], to probabilities, [N, classes].

    Raises:
        UsageError: nothing of the kind is there.
        EfficientNetError: a damaged file.
    """
    if Path(path).is_file():
        return load_keras(Path(path))
    return open_run(path).load_model()


def load_keras(path: Path) -> keras.Model:
    """Return the network of a `.keras` file, without what it was compiled with."""
    import keras

    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, OSError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise EfficientNetError(f"{path} is not a Keras model that can be loaded: {reason}") from error


def save_whole(model: keras.Model, target: Path) -> None:
    """Save a model under another name first, so that what bears its name is always whole."""
    unfinished = target.with_name(f".{target.stem}.unfinished.keras")
    try:
        model.save(unfinished)
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def make_writable(folder: Path) -> None:
    """Make a folder, and see that it can be written before hours of work rely on it.

    Raises:
        UsageError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"The folder {folder} cannot be written: {error.strerror}.") from error


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's files with their names, as hexadecimal digits."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = [f"{digest(file)} {file.relative_to(path).as_posix()}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object that people can read: a list of numbers, such as a row of a matrix, on one line."""
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    text = _NUMBERS.sub(lambda match: f"[{' '.join(match[1].split())}]", text)
    atomic_write_text(path, text + "\n")


def write_labels(path: Path, labels: Sequence[str]) -> None:
    """Write names, one a line."""
    atomic_write_text(path, "".join(f"{label}\n" for label in labels))


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the names that `write_labels` wrote."""
    try:
        # Not splitlines: a name may hold other characters that it takes for the end of a line.
        return tuple(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    except OSError as error:
        raise UsageError(f"The names of the classes are missing: {path}.") from error
    except UnicodeDecodeError as error:
        raise EfficientNetError(f"{path} is not a list of names in UTF-8: {error}.") from error


def read_preprocessing(path: Path) -> Preprocessing:
    """Return the record in a preprocessing.json."""
    try:
        return Preprocessing.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"The preprocessing record is missing: {path}.") from error
    except (ValueError, RecursionError) as error:  # not JSON, not text, nested too deeply, or values not allowed
        raise EfficientNetError(f"{path} is not a preprocessing record: {error}") from error
