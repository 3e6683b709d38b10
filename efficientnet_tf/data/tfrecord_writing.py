"""Labelled images into TFRecord files in the layout of the official ImageNet pipeline.

The bytes of every image are kept as they are. A set appears under its name only when all of it has been written, read
back and found equal to what it was made from.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from efficientnet_tf.data.sources import Examples
from efficientnet_tf.data.tfrecord import LABELS, parse
from efficientnet_tf.data.tfrecord_examples import read_image, serialize
from efficientnet_tf.data.tfrecord_spooling import Spooled
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.files import atomic_directory, atomic_write_text

#: What was written and from what, beside the shards.
RECORD = "dataset.json"

#: How large a shard becomes where nobody says how many there are, in bytes.
SHARD_BYTES = 150_000_000

#: What a record takes besides its image, in bytes; generously.
RECORD_BYTES = 1024

#: Called with the number of images that are written and that of all.
Progress = Callable[[int, int], None]


def write_tfrecords(
    splits: Mapping[str, Examples],
    output: str | os.PathLike[str],
    *,
    shards: int | None = None,
    seed: int = 0,
    about: Mapping[str, Any] | None = None,
    progress: Progress = lambda done, whole: None,
) -> dict[str, Any]:
    """Write a set of labelled images as `train-00000-of-00008` and so on, with labels.txt and dataset.json.

    Within each split the order is one that the seed decides, so that every shard holds a fair share of every class; the
    same images and seed give the same files, byte for byte.

    Args:
        splits: the examples of `"train"` and, where there are any, `"validation"` and `"test"`.
        output: a folder that is not there yet, or is empty.
        shards: how many files `"train"` becomes; by default so many that each holds about 150 MB. The other splits are
            cut into shards of about as many records.
        seed: of the order.
        about: more to keep in dataset.json.
        progress: told after every image.

    Returns:
        What dataset.json holds: `about`, `seed`, `class_names`, `formats` (images of each), `splits` (of each the
        number of records, that of each class, and its shards with their sizes and SHA-256), and `skipped`.

    Raises:
        UsageError: the output is taken, or there are more shards than images.
        EfficientNetError: an image cannot be read, a label is outside the range, there is too little space, or what
            is read back is not what was written. Nothing is left behind.
    """
    folder = Path(output)
    refuse_used(folder)
    _check_examples(splits)
    counts = _shard_counts(splits, shards)
    check_space(folder, sum(map(_total_bytes, splits.values())))
    class_names = splits["train"].class_names
    whole = sum(map(len, splits.values()))
    formats: Counter[str] = Counter()
    with atomic_directory(folder) as unfinished:
        written = {
            split: _write_split(
                splits[split],
                [unfinished / _shard_name(split, number, counts[split]) for number in range(counts[split])],
                order=shuffled(len(splits[split]), f"{seed}/{split}"),
                formats=formats,
                step=lambda: progress(formats.total(), whole),
            )
            for split in splits
        }
        record = {**(about or {}), "seed": seed, **_summary(splits, formats, written)}
        atomic_write_text(unfinished / LABELS, "".join(f"{name}\n" for name in class_names))
        atomic_write_text(unfinished / RECORD, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        # Hours may have passed, and what has come there in the meantime would be replaced.
        refuse_used(folder)
    return record


def _summary(splits: Mapping[str, Examples], formats: Counter[str], written: dict[str, Any]) -> dict[str, Any]:
    """Return what dataset.json says of the images; what was left out is named once."""
    skipped = dict.fromkeys(row for examples in splits.values() for row in examples.skipped)
    return {
        "class_names": list(splits["train"].class_names),
        "formats": dict(sorted(formats.items())),
        "splits": written,
        "skipped": [{"file": file, "reason": reason} for file, reason in skipped],
    }


def refuse_used(folder: Path) -> None:
    """Raise if there is something at a path that is not an empty folder.

    Raises:
        UsageError: there is.
    """
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        what = "holds something already" if folder.is_dir() else "is a file"
        raise UsageError(f"{str(folder)!r} {what}. Give an output folder that is new or empty.")


def shuffled(count: int, seed: str) -> list[int]:
    """Return the numbers below `count` in an order that follows from the seed alone, on every machine and version.

    >>> shuffled(5, "0/train")
    [1, 4, 0, 3, 2]
    """
    return sorted(range(count), key=lambda number: hashlib.sha256(f"{seed}/{number}".encode()).digest())


def _check_examples(splits: Mapping[str, Examples]) -> None:
    class_names = splits["train"].class_names
    for name, count in Counter(class_names).items():
        if not name.strip() or not name.isprintable() or count > 1:
            raise EfficientNetError(f"The class {name!r} cannot be a line of {LABELS}, which holds each name once.")
    for split, examples in splits.items():
        if examples.class_names != class_names:
            raise EfficientNetError(f"The classes of {split!r} are not those of 'train'.")
        for path, label in zip(examples.paths, examples.labels, strict=True):
            if not 0 <= label < len(class_names):
                raise EfficientNetError(f"The label of {path!r} must lie in 0...{len(class_names) - 1}, got {label}.")


def _shard_counts(splits: Mapping[str, Examples], shards: int | None) -> dict[str, int]:
    """Return the number of shards of each split."""
    images = len(splits["train"])
    if shards is None:
        shards = min(max(round(_total_bytes(splits["train"]) / SHARD_BYTES), 1), images)
    if shards > images:
        raise UsageError(f"shards must be at most the number of images for training, {images}, got {shards}.")
    return {split: max(round(len(examples) * shards / images), 1) for split, examples in splits.items()}


def _total_bytes(examples: Examples) -> int:
    if isinstance(examples, Spooled):
        images = sum(size for _, size in examples.places)
    elif examples.contents is not None:
        images = sum(map(len, examples.contents))
    else:
        images = sum(map(os.path.getsize, examples.paths))
    return images + len(examples) * RECORD_BYTES


def check_space(folder: Path, needed: int) -> None:
    """Raise if the disk that a folder will lie on has fewer bytes free than needed.

    Raises:
        EfficientNetError: it has.
    """
    above = next(parent for parent in folder.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(above).free
    if free < needed:
        raise EfficientNetError(
            f"{str(folder)!r} needs {needed / 1e9:,.3f} GB, and {free / 1e9:,.3f} GB are free on its disk."
        )


def _shard_name(split: str, number: int, count: int) -> str:
    return f"{split}-{number:05d}-of-{count:05d}"


def _write_split(
    examples: Examples,
    shards: Sequence[Path],
    *,
    order: Sequence[int],
    formats: Counter[str],
    step: Callable[[], None],
) -> dict[str, Any]:
    """Write and check the shards of one split; return its part of dataset.json."""
    written = []
    for number, path in enumerate(shards):
        rows = order[len(order) * number // len(shards) : len(order) * (number + 1) // len(shards)]
        expected = []
        try:
            with tf.io.TFRecordWriter(str(path)) as writer:
                for row in rows:
                    image, label = read_image(examples, row), examples.labels[row]
                    writer.write(serialize(image, label=label + 1, class_name=examples.class_names[label]))
                    expected.append((hashlib.sha256(image.data).digest(), label + 1))
                    formats[image.format] += 1
                    step()
        except tf.errors.OpError as error:  # a full disk, most of all
            raise EfficientNetError(f"Cannot write {path.name}: {error.message}.") from error
        check_shard(path, expected)
        written.append({"file": path.name, "records": len(rows), "bytes": path.stat().st_size, "sha256": _sealed(path)})
    per_class = Counter(examples.labels)
    return {
        "records": len(examples),
        "per_class": {name: per_class[label] for label, name in enumerate(examples.class_names)},
        "shards": written,
    }


def check_shard(path: Path, expected: Sequence[tuple[bytes, int]]) -> None:
    """Read a shard back as a training would, and hold it against what was written.

    Args:
        path: the file.
        expected: of each record the SHA-256 of the image and the label as it is stored, from 1.

    Raises:
        EfficientNetError: a record is damaged, missing or another one.
    """
    records = tf.data.TFRecordDataset(str(path)).map(parse).as_numpy_iterator()
    received = 0
    try:
        for received, (image, label) in enumerate(records, start=1):
            if received > len(expected) or (hashlib.sha256(image).digest(), label) != expected[received - 1]:
                raise EfficientNetError(f"Record {received} of {path.name} is not what was written; is the disk sound?")
    except tf.errors.DataLossError as error:
        raise EfficientNetError(f"Record {received + 1} of {path.name} is damaged; is the disk sound?") from error
    if received < len(expected):
        raise EfficientNetError(f"{path.name} holds {received} of the {len(expected)} records that were written.")


def _sealed(path: Path) -> str:
    """Return the SHA-256 of a file once its bytes are on the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()
