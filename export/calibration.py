"""The pictures from which a quantised network learns the range of its inner maps."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.config import read_config
from efficientnet_tf.data.damage import named_errors
from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.files import list_images, readable_images
from efficientnet_tf.data.pipeline import make_dataset
from efficientnet_tf.data.sources import Examples, Records, parse_source, read_source
from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.markup import count
from efficientnet_tf.run import CONFIG, Run
from efficientnet_tf.specs import Preprocessing

Array = np.ndarray[Any, Any]

#: How many times the wanted number of records are looked through for a share of every class.
SEARCHED = 20

_log = logging.getLogger(__name__)


def calibration_source(given: str | None, run: Run | None) -> tuple[str, dict[str, Any]]:
    """Return the source of calibration pictures, and how it is read: what was given, or a run's own training pictures.

    >>> calibration_source(None, None)
    ('sample', {})
    """
    if given is not None:
        return given, {}
    if run is None or not (run.path / CONFIG).is_file():
        return "sample", {}
    own = read_config(run.path / CONFIG)
    names = ("validation_fraction",)
    return own["data"], {name: own[name] for name in names if name in own}


def read_calibration(
    given: str | None, record: Preprocessing, *, number: int, run: Run | None = None, announce: Any = print
) -> Array:
    """Return pictures of a source as the network sees them, spread evenly over the classes.

    Args:
        given: a source as `read_source` takes it, of which the training split is meant, or a folder of photographs
            without classes; None for what `run` was trained on, and without a run for the bundled photographs.
        record: how photographs become pictures.
        number: at most so many.
        run: that the network comes from.
        announce: is told in a line what is used.

    Returns:
        uint8 [N, height, width, 3].

    Raises:
        UsageError: there is no such source.
        EfficientNetError: it holds no picture that can be read.
    """
    source, options = calibration_source(given, run)
    try:
        pictures = np.stack(list(_pictures(source, options, record, number)))
    except (UsageError, EfficientNetError) as error:
        if given is not None:
            raise
        raise type(error)(f"{error} These are what {run and run.path} was trained on; give --calibration.") from error
    announce(f"Calibrating on {len(pictures)} pictures of {source}.")
    return pictures


def _pictures(source: str, options: dict[str, Any], record: Preprocessing, number: int) -> Iterator[Array]:
    """Yield pictures; damaged ones are passed over, as long as one is left."""
    kind, path = parse_source(source)
    read = _read(source, kind, path, options)
    if read is None:
        folder = Path(path, "train") if Path(path, "train").is_dir() else Path(path)
        files, skipped = readable_images([folder])
        warn_of_skipped(skipped, source)
        for row in spread(len(files), number):
            yield decode_and_crop(Path(files[row]).read_bytes(), record).numpy()
        return
    warn_of_skipped(read.skipped, source)
    if isinstance(read, Examples):
        for row in _evenly(read.labels, number):
            yield decode_and_crop(read.read(row), record).numpy()
    else:
        yield from _from_records(read, record, number)


def _read(source: str, kind: str, path: str, options: dict[str, Any]) -> Examples | Records | None:
    """Return the training pictures of a source by their classes; None of a folder that has to do without them."""
    if kind == "folder" and len({name.split("/")[0] for name in list_images(Path(path))[0] if "/" in name}) < 2:
        return None
    try:
        return read_source(source, "train", max_bad_files=1.0, **options)
    except (UsageError, MissingDependencyError):
        raise
    except EfficientNetError:
        # Such as a class of which no picture can be read: nothing here depends on classes.
        if kind != "folder":
            raise
        return None


def warn_of_skipped(skipped: Sequence[tuple[str, str]], source: str) -> None:
    """Say in a line how many files are passed over, each given with the reason."""
    if skipped:
        _log.warning("Skipped %s in %s; the first: %s (%s).", count(len(skipped), "file"), source, *skipped[0])


def spread(total: int, number: int) -> list[int]:
    """Return positions of at most so many, spread evenly.

    >>> spread(10, 4), spread(2, 5)
    ([0, 3, 6, 9], [0, 1])
    """
    return [int(place) for place in np.linspace(0, total - 1, min(total, number)).round()]


def _evenly(classes: Sequence[Any], number: int) -> list[int]:
    """Return so many rows, each class with as many as the others as far as it has them, spread over the whole.

    >>> _evenly(["a"] * 10 + ["b"] * 2, 6)
    [0, 3, 6, 9, 10, 11]
    """
    rows: dict[Any, list[int]] = {}
    for row, name in enumerate(classes):
        rows.setdefault(name, []).append(row)
    if number < len(rows):
        names = list(rows)
        rows = {names[place]: rows[names[place]] for place in spread(len(names), number)}
    taken: list[int] = []
    # From the smallest class on, so that what it lacks is left to the larger ones.
    for left, of_class in zip(range(len(rows), 0, -1), sorted(rows.values(), key=len), strict=True):
        share = -(-(number - len(taken)) // left)
        taken += [of_class[place] for place in spread(len(of_class), share)]
    return sorted(taken)


def _from_records(records: Records, record: Preprocessing, number: int) -> Iterator[Array]:
    """Yield the first records of each class, as far as they are met early, and then the first of all."""
    quota = -(-number // len(records.class_names))
    met: dict[int, int] = {}
    spare: list[Array] = []
    given = 0
    dataset = make_dataset(records, record, batch_size=1, training=False, cache="none", max_bad_files=1.0)
    dataset = dataset.take(SEARCHED * number)
    with named_errors(dataset):
        for images, labels in dataset.as_numpy_iterator():
            label = int(labels[0].argmax())
            met[label] = met.get(label, 0) + 1
            if met[label] <= quota:
                given += 1
                yield images[0]
            elif len(spare) < number:
                spare.append(images[0])
            if given == number:
                return
    yield from spare[: number - given]
