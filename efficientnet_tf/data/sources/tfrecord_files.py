"""`tfrecord:GLOB` or `tfrecord:FOLDER`: records in the layout of the official ImageNet pipeline."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from efficientnet_tf.data.files import Skipped
from efficientnet_tf.data.sources.checked import watched
from efficientnet_tf.data.sources.examples import Part, Records, no_split, short_name
from efficientnet_tf.data.splits import name_hash
from efficientnet_tf.data.tfrecord import check_schema, count_records, parse, read_labels, shard_files, split_of
from efficientnet_tf.errors import EfficientNetError

if TYPE_CHECKING:
    import tensorflow as tf

# As of the official pipeline, in bytes.
_BUFFER = 8 * 2**20


def read_tfrecords(pattern: str, split: str, *, validation_fraction: float) -> Records:
    """Return the records of one split of a set.

    The split of a file is told by its name, `train-00000-of-01024`; where no file is so named, all are for training.
    Without files for validation a part of the training files is held out: whole ones by the rule of `splits`, or, of
    a set so small that its part is less than a file, the last records of each.

    A label counts from 1. Its name is that line of labels.txt beside the files; without labels.txt the set is taken
    for ImageNet, with 1000 classes.

    Args:
        pattern: as `tfrecord.shard_files` takes it.
        split: `"train"`, `"validation"` or `"test"`.
        validation_fraction: the part of the training files, or records, that is held out.

    Raises:
        EfficientNetError: there are no such files, they are damaged, empty or of another schema, or there is nothing
            to hold out.
    """
    files = shard_files(pattern)
    named = {name: [file for file in files if split_of(file) == name] for name in ("train", "validation", "test")}
    skipped: list[Skipped] = []
    if any(named.values()):
        skipped += [(file, "not named as a shard of a split") for file in files if split_of(file) is None]
    else:
        named["train"] = list(files)
    own = split if named[split] or split != "validation" else "train"
    if not named[own]:
        raise no_split(repr(pattern), split, ", ".join(name for name, found in named.items() if found))
    counts = dict(zip(named[own], _counts(named[own]), strict=True))
    skipped += [(file, "holds no record") for file, count in counts.items() if not count]
    parts = tuple(Part(file, 0, count) for file, count in counts.items() if count)
    if not parts:
        raise EfficientNetError(f"The {len(counts)} files of {pattern!r} for {own!r} hold no record.")
    if own == "train" and not named["validation"]:
        parts = _hold_out(parts, validation_fraction, pattern)[split == "validation"]
    folder = os.path.dirname(files[0]) or "."
    return Records(
        parts=parts,
        class_names=_class_names(folder),
        name=short_name(folder),
        open=open_file,
        parse=parse_record,
        first_label=1,
        skipped=tuple(skipped),
    )


def open_file(file: tf.Tensor) -> tf.data.Dataset:
    """Return the records of a TFRecord file, serialised."""
    import tensorflow as tf

    return tf.data.TFRecordDataset(file, buffer_size=_BUFFER)


def parse_record(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return (encoded image, label from 0) of a record: a string and an int32 scalar."""
    import tensorflow as tf

    image, label = parse(serialized)
    return image, tf.cast(label - 1, tf.int32)


def cut(parts: Sequence[Part], at: int) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Divide parts into those of the first `at` records and those of the rest.

    >>> cut((Part("a", 0, 5), Part("b", 2, 5)), 7)
    ((Part(file='a', skip=0, take=5), Part(file='b', skip=2, take=2)), (Part(file='b', skip=4, take=3),))
    """
    before, after = [], []
    for part in parts:
        first = min(max(at, 0), part.take)
        before.append(dataclasses.replace(part, take=first))
        after.append(dataclasses.replace(part, skip=part.skip + first, take=part.take - first))
        at -= part.take
    return tuple(part for part in before if part.take), tuple(part for part in after if part.take)


def _hold_out(parts: tuple[Part, ...], fraction: float, where: str) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Divide parts into (training, validation)."""
    count = min(math.floor(len(parts) * fraction + 0.5), len(parts) - 1)
    if count:
        chosen = sorted(parts, key=lambda part: name_hash(os.path.basename(part.file)))[:count]
        return tuple(part for part in parts if part not in chosen), tuple(part for part in parts if part in chosen)
    sides = [cut([part], part.take - math.floor(part.take * fraction + 0.5)) for part in parts]
    training, validation = (tuple(part for side in sides for part in side[index]) for index in (0, 1))
    if not training or not validation:
        records = sum(part.take for part in parts)
        raise EfficientNetError(f"The {records} records of {where!r} are too few to hold out {fraction:g} of them.")
    return training, validation


def _counts(files: Sequence[str]) -> list[int]:
    """Return the number of records of each file, once those that have any are known to be of the layout."""

    def counts() -> Iterator[list[int]]:
        for file in files:
            count = count_records(file)
            if count:
                check_schema(file)
            yield [count]

    return [count for (count,) in watched(counts(), len(files), "Counting the records of files")]


def _class_names(folder: str) -> tuple[str, ...]:
    names = read_labels(folder)
    if names is None:
        # It stands beside the importers of weights, which load TensorFlow.
        from efficientnet_tf.weights.labels import imagenet_labels

        return imagenet_labels()
    if len(names) < 2 or len(set(names)) < len(names) or not all(name.strip() and name.isprintable() for name in names):
        raise EfficientNetError(f"labels.txt in {folder!r} must hold two names or more, one a line, each another.")
    return names
