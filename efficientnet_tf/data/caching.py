"""Where the encoded images of a source are kept between epochs: nowhere, in memory, or in a folder of this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import tensorflow as tf

from efficientnet_tf.data.checking import problem
from efficientnet_tf.data.sources import Examples, Part, Records
from efficientnet_tf.data.sources.checked import MAX_BAD_FILES, refuse_damage, watched
from efficientnet_tf.data.sources.tfrecord_files import open_file, parse_record
from efficientnet_tf.data.streams import all_records
from efficientnet_tf.data.tfrecord import IMAGE_KEY, LABEL_KEY
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.files import atomic_directory

#: Sources up to this size, in bytes, are read once and kept in memory, still encoded.
CACHE_BYTES = 256 * 2**20

_CHUNK = 256


def keep(
    source: Examples | Records,
    cache: str = "auto",
    *,
    cache_bytes: int = CACHE_BYTES,
    max_bad_files: float = MAX_BAD_FILES,
) -> Examples | Records:
    """Return a source as it is read in training: where it is, or from where it is kept.

    Records that are kept in memory become `Examples`: each is checked before training as a file is, and their order is
    a full shuffle. Records that are kept in a folder are copied once, into a folder of their own there that is
    complete or absent, and that a changed source does not get; their order and their seeds are the same.

    Args:
        source: what `read_source` returned.
        cache: `"auto"` keeps records of up to `cache_bytes` in memory, `"memory"` all, `"none"` none; anything else is
            a folder for copies of records. Files of `Examples` are read by `make_dataset`, which has the same choices
            but for the folder.
        cache_bytes: see `cache`.
        max_bad_files: the share of records that may be damaged, of 1.

    Raises:
        UsageError: a folder for what is no records, or one within the source.
        EfficientNetError: too many records are damaged, a label is out of range, or the folder cannot be written.
    """
    if not isinstance(source, Records):
        check_cache(cache)
        return source
    if cache == "memory" or (cache == "auto" and _size(source) <= cache_bytes):
        return _load(source, max_bad_files)
    return source if cache in ("auto", "none") else _copy(source, cache)


def check_cache(cache: str) -> None:
    """Raise if a way to cache is not one of those that files have.

    Raises:
        UsageError: it is not.
    """
    if cache not in ("auto", "none", "memory"):
        raise UsageError(
            f"A cache in a folder is for tfrecord: and tfds: sources, got {cache!r}. Allowed here: auto, none, memory."
        )


def _size(records: Records) -> float:
    """Return the bytes of the files of a source, or infinity where it has none."""
    files = {part.file for part in records.parts}
    try:
        return sum(tf.io.gfile.stat(file).length for file in files)
    except tf.errors.OpError:
        return float("inf")


def _load(records: Records, max_bad_files: float) -> Examples:
    contents, labels = [], []
    for chunk in watched(_chunks(records), len(records), "Reading records"):
        contents += [image for image, _ in chunk]
        labels += [label for _, label in chunk]
    for number, label in enumerate(labels):
        if not 0 <= label < len(records.class_names):
            raise records.label_problem(number, label)
    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        warnings.simplefilter("ignore")
        pieces = (list(pool.map(problem, contents[i : i + _CHUNK])) for i in range(0, len(contents), _CHUNK))
        reasons = [reason for piece in watched(pieces, len(contents), "Checking records") for reason in piece]
    broken = tuple((records.describe(row), reason) for row, reason in enumerate(reasons) if reason)
    if len(broken) == len(contents):
        max_bad_files = 0.0
    refuse_damage(repr(records.name), broken, len(contents), max_bad_files)
    everything = Examples(
        paths=tuple(map(records.describe, range(len(contents)))),
        labels=tuple(labels),
        class_names=records.class_names,
        skipped=(*records.skipped, *broken),
        name=records.name,
        contents=tuple(contents),
    )
    return everything.take([row for row, reason in enumerate(reasons) if not reason])


def _copy(records: Records, cache: str) -> Records:
    place = Path(os.path.realpath(os.path.expanduser(cache)))
    if place.exists() and not place.is_dir():
        raise UsageError(
            f"The cache must be a folder, got the file {cache!r}. Allowed: auto, none, memory, or a folder."
        )
    for folder in sorted({os.path.realpath(os.path.dirname(part.file) or ".") for part in records.parts}):
        if os.path.isdir(folder) and place.is_relative_to(folder):
            raise UsageError(f"The cache must lie outside the source {folder!r}, got {cache!r}.")
    target = place / f"{records.name}-{_key(records)}"
    parts = tuple(
        Part(str(target / f"part-{row:05d}.tfrecord"), 0, part.take) for row, part in enumerate(records.parts)
    )
    if not target.is_dir():
        try:
            with atomic_directory(target) as unfinished:
                _write(records, [unfinished / Path(part.file).name for part in parts])
        except (OSError, tf.errors.OpError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.message.splitlines()[0]
            raise EfficientNetError(f"Cannot write the cache {str(target)!r}: {reason}.") from error
    return dataclasses.replace(records, parts=parts, open=open_file, parse=parse_record)


def _write(records: Records, files: list[Path]) -> None:
    pairs = (pair for chunk in watched(_chunks(records), len(records), "Copying records") for pair in chunk)
    for file, part in zip(files, records.parts, strict=True):
        with tf.io.TFRecordWriter(str(file)) as writer:
            for image, label in islice(pairs, part.take):
                feature = {
                    IMAGE_KEY: tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
                    LABEL_KEY: tf.train.Feature(int64_list=tf.train.Int64List(value=[label + 1])),
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def _chunks(records: Records) -> Iterator[list[tuple[bytes, int]]]:
    pairs = ((image, int(label)) for image, label in all_records(records).as_numpy_iterator())
    done = 0
    try:
        while chunk := list(islice(pairs, _CHUNK)):
            yield chunk
            done += len(chunk)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        reason = error.message.splitlines()[0]
        raise EfficientNetError(f"A record after {records.describe(done)!r} cannot be read: {reason}.") from error


def _key(records: Records) -> str:
    """Return what tells a source from every other, and from itself once it has changed."""
    about = []
    for part in records.parts:
        try:
            status = tf.io.gfile.stat(part.file)
            about.append((part.file, part.skip, part.take, status.length, status.mtime_nsec))
        except tf.errors.OpError:
            about.append((part.file, part.skip, part.take, None, None))
    return hashlib.sha256(json.dumps([about, records.class_names]).encode()).hexdigest()[:16]
