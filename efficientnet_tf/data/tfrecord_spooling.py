"""Records that come one after another, laid down in a file so that they can be taken in any order."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from efficientnet_tf.data.checking import problem
from efficientnet_tf.data.files import Skipped
from efficientnet_tf.data.sources import Examples
from efficientnet_tf.data.sources.checked import MAX_BAD_FILES, refuse_damage, watched
from efficientnet_tf.data.sources.examples import Records
from efficientnet_tf.errors import EfficientNetError

_CHUNK = 256


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spooled(Examples):
    """Examples whose encoded images lie in one file.

    Attributes:
        file: that file.
        places: where each image begins in it, and its size, in bytes.
    """

    file: Path
    places: tuple[tuple[int, int], ...]

    def read(self, number: int) -> bytes:
        """Return one image as it is encoded."""
        begin, size = self.places[number]
        with self.file.open("rb") as file:
            file.seek(begin)
            return file.read(size)

    def take(self, rows: list[int]) -> Spooled:
        """Return some of the examples."""
        return dataclasses.replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            labels=tuple(self.labels[row] for row in rows),
            places=tuple(self.places[row] for row in rows),
        )


def spool(records: Records, file: Path, *, max_bad_files: float = MAX_BAD_FILES) -> Spooled:
    """Lay the images of some records down in a file, those that can be read.

    Args:
        records: of a source that is read from beginning to end.
        file: written; it takes as much space as the images.
        max_bad_files: the share of the records that may hold no readable image, of 1.

    Returns:
        The examples in their order; what cannot be read is in `skipped`.

    Raises:
        EfficientNetError: a label is out of range, a file is damaged, or too many images are.
    """
    paths: list[str] = []
    labels: list[int] = []
    places: list[tuple[int, int]] = []
    broken: list[Skipped] = []
    with file.open("xb") as out:

        def lay_down(rows: list[tuple[int, bytes, int]]) -> list[str | None]:
            reasons = []
            for number, image, label in rows:
                if not 0 <= label < len(records.class_names):
                    raise records.label_problem(number, label)
                reasons.append(problem(image))
                if reasons[-1] is not None:
                    broken.append((records.describe(number), reasons[-1]))
                    continue
                places.append((out.tell(), out.write(image)))
                paths.append(records.describe(number))
                labels.append(label)
            return reasons

        for _ in watched(map(lay_down, _chunks(records)), len(records), "Reading records"):
            pass
    refuse_damage(records.name, broken, len(records), max_bad_files)
    return Spooled(
        paths=tuple(paths),
        labels=tuple(labels),
        class_names=records.class_names,
        skipped=(*records.skipped, *broken),
        name=records.name,
        file=file,
        places=tuple(places),
    )


def _chunks(records: Records) -> Iterator[list[tuple[int, bytes, int]]]:
    """Yield (number, encoded image, label) of all records, some at a time."""
    rows = enumerate(_in_order(records))
    while chunk := [(number, image, label) for number, (image, label) in itertools.islice(rows, _CHUNK)]:
        yield chunk


def _in_order(records: Records) -> Iterator[tuple[bytes, int]]:
    number = 0
    try:
        for part in records.parts:
            dataset = records.open(tf.constant(part.file)).skip(part.skip).take(part.take).map(records.parse)
            for image, label in dataset.as_numpy_iterator():
                yield image, int(label)
                number += 1
    except tf.errors.OpError as error:
        raise EfficientNetError(
            f"The record {records.describe(number)!r} cannot be read; it is damaged, or of another schema."
        ) from error
