"""Which photographs a network is evaluated on, and how they reach it: each once, and always so many at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from efficientnet_tf.config import EvaluateConfig, read_config
from efficientnet_tf.data.damage import named_errors
from efficientnet_tf.data.pipeline import make_dataset
from efficientnet_tf.data.sources import FORMS, MAX_BAD_FILES, Examples, Records, read_source
from efficientnet_tf.errors import UsageError
from efficientnet_tf.evaluation.views import Look
from efficientnet_tf.run import CONFIG, MODEL, Run

Array = np.ndarray[Any, Any]

#: Pictures of every call of a network; on processors more are not faster. The same pictures in batches of another size
#: get answers that differ by rounding: beside a call of one picture by up to 5e-5, and with CondConv beside all others.
CALL = 8
#: The same where there is a GPU or a TPU, whose speed needs more.
CALL_ACCELERATED = 64


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some photographs, decoded.

    Attributes:
        numbers: the position of each in its source.
        targets: the class of each, as an index into the source's `class_names`.
        pictures: for each look, uint8 [N, height, width, 3].
    """

    numbers: Array
    targets: Array
    pictures: tuple[Array, ...]

    def __len__(self) -> int:
        return len(self.numbers)


def run_beside(artifact: Path) -> Run | None:
    """Return the run whose folder, or whose `export/` folder, holds an artifact; None if it lies elsewhere."""
    folders = artifact.absolute().parents[:2]
    return next((Run(path) for path in folders if (path / CONFIG).is_file() and (path / MODEL).is_file()), None)


@dataclasses.dataclass(frozen=True)
class Photographs:
    """What a network is evaluated on.

    Attributes:
        name: the word that names their source, as `--data` takes it.
        source: the photographs.
        max_bad_files: the share of damaged records, of 1, above which reading stops.
    """

    name: str
    source: Examples | Records
    max_bad_files: float


def photographs_of(config: EvaluateConfig, run: Run | None) -> Photographs:
    """Return the photographs that a configuration names.

    Args:
        config: without `data`, the run's own are meant; what else is not given is as in the run for its own data.
        run: the run that the network comes from, if it does.

    Raises:
        UsageError: there is no such source, or none is named.
        EfficientNetError: it holds nothing to use.
    """
    own = read_config(run.path / CONFIG) if run is not None and (run.path / CONFIG).is_file() else {}
    data = config.data or own.get("data")
    if not data:
        raise UsageError(f"--data is missing. Allowed: {FORMS}.")
    settings = {"validation_fraction": 0.2, "max_bad_files": MAX_BAD_FILES}
    for name in settings:
        if data == own.get("data"):
            settings[name] = own.get(name, settings[name])
        if getattr(config, name) is not None:
            settings[name] = getattr(config, name)
    return Photographs(data, read_source(data, config.split, **settings), settings["max_bad_files"])


class Reader:
    """Photographs of a source in their order, decoded for each look.

    Args:
        source: what is read.
        looks: how.
        batch_size: how many are decoded at a time.
        max_bad_files: the share of damaged records, of 1, above which reading stops.

    Raises:
        EfficientNetError: while it is read: too many records are damaged, or their file is.
    """

    def __init__(
        self,
        source: Examples | Records,
        looks: Sequence[Look],
        *,
        batch_size: int,
        max_bad_files: float = MAX_BAD_FILES,
    ) -> None:
        options = {"training": False, "pad_remainder": True, "cache": "none", "max_bad_files": max_bad_files}
        self._datasets = [make_dataset(source, look.record, batch_size=batch_size, **options) for look in looks]
        self._source = source

    def __iter__(self) -> Iterator[Batch]:
        begin = 0
        with named_errors(*self._datasets):
            for parts in tf.data.Dataset.zip(tuple(self._datasets)):
                # What fills up a batch and what is damaged have no weight.
                there = np.flatnonzero(np.minimum.reduce([weights.numpy() for _, _, weights in parts]))
                targets = parts[0][1].numpy().argmax(-1)
                pictures = tuple(images.numpy()[there] for images, _, _ in parts)
                yield Batch(begin + there, targets[there], pictures)
                begin += len(targets)

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Files, and records met so far, that could not be used, each with the reason."""
        damaged = [row for dataset in self._datasets if dataset.damage for row in dataset.damage.skipped]
        return tuple(dict.fromkeys((*self._source.skipped, *damaged)))


def call_size() -> int:
    """Return how many pictures a network is given at a time on this machine."""
    return (
        CALL_ACCELERATED if tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("TPU") else CALL
    )


def regroup(batches: Iterable[Batch], size: int) -> Iterator[Batch]:
    """Yield the same photographs in batches of one size, the last of what is left."""
    kept: list[Batch] = []
    for batch in batches:
        kept.append(batch)
        if sum(map(len, kept)) >= size:
            whole = _join(kept)
            cuts = range(0, len(whole) - len(whole) % size, size)
            yield from (_rows(whole, slice(begin, begin + size)) for begin in cuts)
            kept = [_rows(whole, slice(len(whole) - len(whole) % size, None))]
    if sum(map(len, kept)):
        yield _join(kept)


def ask(probabilities: Callable[[Array], Array], pictures: Array, size: int) -> Array:
    """Return a network's answers to at most `size` pictures, which it is given in a batch of just that size."""
    missing = size - len(pictures)
    filled = np.concatenate([pictures, np.zeros((missing, *pictures.shape[1:]), pictures.dtype)])
    return np.asarray(probabilities(filled))[: len(pictures)]


def _join(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    pictures = tuple(map(np.concatenate, zip(*(batch.pictures for batch in batches), strict=True)))
    numbers, targets = (np.concatenate([getattr(batch, name) for batch in batches]) for name in ("numbers", "targets"))
    return Batch(numbers, targets, pictures)


def _rows(batch: Batch, rows: slice) -> Batch:
    return Batch(batch.numbers[rows], batch.targets[rows], tuple(part[rows] for part in batch.pictures))
