"""What a source is read into: examples that are told by their number, or records that come one after another."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import os
import re
from collections.abc import Callable
from typing import Any

from efficientnet_tf.data.files import Skipped
from efficientnet_tf.errors import EfficientNetError

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Examples:
    """Labelled images, each of which can be read by itself.

    Attributes:
        paths: one file each; of what is not a file of its own, the file and its number there, as `file#17`.
        labels: the class of each, as an index into `class_names`.
        class_names: sorted names of the folders, or the source's own names in its own order.
        skipped: files that were left out, each with the reason. Where one folder was divided into training and
            validation, both sides name what was skipped in all of it.
        name: a short name of the source, fit for a folder of its own.
        contents: the encoded images, where they are no files of their own.
    """

    paths: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    name: str
    contents: tuple[bytes, ...] | None = dataclasses.field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, number: int) -> bytes:
        """Return one image as it is encoded: a JPEG, PNG, or another file that `decoding` takes."""
        if self.contents is not None:
            return self.contents[number]
        with open(self.paths[number], "rb") as file:
            return file.read()

    def take(self, rows: list[int]) -> Examples:
        """Return some of the examples."""
        return dataclasses.replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            labels=tuple(self.labels[row] for row in rows),
            contents=None if self.contents is None else tuple(self.contents[row] for row in rows),
        )


@dataclasses.dataclass(frozen=True)
class Part:
    """Some records of one file: `take` of them, after the first `skip`."""

    file: str
    skip: int
    take: int


@dataclasses.dataclass(frozen=True)
class Records:
    """Labelled images that are read one after another, from a few large files.

    A record has a number, its position in all of the parts in their order, which is all that its order and its
    seeds depend on.

    Attributes:
        parts: where the records are.
        class_names: names of the classes, in the order of the labels.
        name: a short name of the source, fit for a folder of its own.
        open: from a file's name, a string scalar, to the `tf.data.Dataset` of all its records.
        parse: from such a record to (encoded image, label): a string and an int32 scalar. The label may be out of
            range.
        first_label: what the files call the first class, for messages.
        skipped: as of `Examples`.
    """

    parts: tuple[Part, ...]
    class_names: tuple[str, ...]
    name: str
    open: Callable[[Any], Any] = dataclasses.field(repr=False, compare=False)
    parse: Callable[[Any], tuple[Any, Any]] = dataclasses.field(repr=False, compare=False)
    first_label: int = 0
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return sum(part.take for part in self.parts)

    @property
    def offsets(self) -> tuple[int, ...]:
        """The number of the first record of each part."""
        return tuple(itertools.accumulate((part.take for part in self.parts[:-1]), initial=0))

    def describe(self, number: int) -> str:
        """Return where a record is, as `file#17`: the 18th of that file."""
        row = bisect.bisect_right(self.offsets, number) - 1
        return f"{self.parts[row].file}#{self.parts[row].skip + number - self.offsets[row]}"

    def label_problem(self, number: int, label: int) -> EfficientNetError:
        """Return the error for a label that is not of a class."""
        first = self.first_label
        return EfficientNetError(
            f"The record {self.describe(number)!r} has the label {label + first}. "
            f"Allowed: {first} to {first + len(self.class_names) - 1}, one for each of the class names."
        )


def short_name(path: str | os.PathLike[str]) -> str:
    """Return the last part of a path as a name for a folder of its own.

    >>> short_name("pictures/my flowers")
    'my-flowers'
    """
    return re.sub(r"[^\w.-]+", "-", os.path.basename(os.path.realpath(path))).strip("-.") or "data"


def no_split(where: str, split: str, allowed: str) -> EfficientNetError:
    """Return the error for a split that a source does not have."""
    return EfficientNetError(f"{where} has no images for {split!r}. Allowed: {allowed}.")
