"""Photographs that benchmarks of the input work on, kept in memory: disks and file systems are not measured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.sources import Examples, Records, read_source
from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.specs.preprocessing import Preprocessing

_JPEG = b"\xff\xd8\xff"


def read_photographs(source: str | os.PathLike[str], limit: int) -> tuple[bytes, ...]:
    """Return the first JPEG files of a source's training split, at most `limit`.

    Raises:
        UsageError: there is no such source.
        EfficientNetError: there is no JPEG file in it.

    >>> len(read_photographs("sample", 3))
    3
    """
    chosen: list[bytes] = []
    for encoded in _encoded(read_source(source, "train")):
        if len(chosen) == limit:
            break
        if encoded.startswith(_JPEG):
            chosen.append(encoded)
    if not chosen:
        raise EfficientNetError(f"There are no JPEG files in {str(source)!r}, which is what this benchmark decodes.")
    return tuple(chosen)


def center_pictures(photographs: tuple[bytes, ...], side: int) -> np.ndarray[Any, Any]:
    """Return the centre crop of each photograph: uint8 [photographs, side, side, 3]."""
    record = Preprocessing(image_size=(side, side))
    return np.stack([decode_and_crop(tf.constant(encoded), record).numpy() for encoded in photographs])


def repeated(photographs: tuple[bytes, ...], count: int) -> Examples:
    """Return so many examples, each of the photographs again and again."""
    contents = tuple(photographs[number % len(photographs)] for number in range(count))
    return Examples(
        paths=tuple(f"photograph#{number}" for number in range(count)),
        labels=tuple(number % 2 for number in range(count)),
        class_names=("even", "odd"),
        skipped=(),
        name="photographs",
        contents=contents,
    )


def _encoded(source: Examples | Records) -> Iterator[bytes]:
    if isinstance(source, Examples):
        yield from map(source.read, range(len(source)))
        return
    for part in source.parts:
        for record in source.open(tf.constant(part.file)).skip(part.skip).take(part.take):
            yield source.parse(record)[0].numpy()
