"""TFRecord files in the layout of the official ImageNet pipeline: finding, counting and understanding them.

A set is `train-00000-of-01024`, `validation-00000-of-00128` and so on; each record is a `tf.train.Example` with the
encoded image in `image/encoded` and its class, counted from 1, in `image/class/label` (0 is the background of networks
with 1001 classes). What is asked of whole files here needs no TensorFlow and reads no image.
"""

from __future__ import annotations

import glob
import os
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from efficientnet_tf.errors import EfficientNetError

if TYPE_CHECKING:
    import tensorflow as tf

#: What a record must hold, and what it may hold besides.
IMAGE_KEY, LABEL_KEY = "image/encoded", "image/class/label"
NEEDED_KEYS = (IMAGE_KEY, LABEL_KEY)
OPTIONAL_KEYS = (
    "image/filename",
    "image/class/text",
    "image/class/synset",
    "image/format",
    "image/height",
    "image/width",
    "image/colorspace",
    "image/channels",
)

#: The file beside the shards that names the classes, one a line; the first line is label 1.
LABELS = "labels.txt"

_SHARD = re.compile(r"(train|validation|test)-([0-9]{5})-of-([0-9]{5})(\.tfrecords?)?")
_MISSING_NAMED = 5

# A record: its length and a checksum of that, the bytes, a checksum of these.
_HEADER, _FOOTER = struct.Struct("<QI"), 4
_GZIP = b"\x1f\x8b"


def shard_files(pattern: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the TFRecord files that a pattern names, sorted.

    Args:
        pattern: a folder, whose files with official names are taken, or a glob such as `"imagenet/train-*"`. A glob
            may choose some shards of a set, as a hold-out does, but every shard of the set must be there.

    Raises:
        EfficientNetError: no file matches; one is a link that leads out of the folder; or a set, such as the eight of
            `train-00000-of-00008`, is incomplete.
    """
    text = os.fspath(pattern)
    if os.path.isdir(text):
        folder = text
        found = [path for path in _files(glob.escape(text), "*") if split_of(path) is not None]
        if not found:
            raise EfficientNetError(f"No TFRecord files in {text!r}; searched for names such as train-00000-of-00008.")
    else:
        folder = _fixed_folder(text)
        found = _files("", text)
        if not found:
            raise EfficientNetError(f"No TFRecord files match {text!r}.")
    # A file that is given by itself may be a link to anywhere.
    if found != [text]:
        _check_links(found, folder)
    _check_complete(found)
    return tuple(found)


def split_of(path: str | os.PathLike[str]) -> str | None:
    """Return `"train"`, `"validation"` or `"test"` by the official name of a shard, or None for another name.

    >>> split_of("imagenet/validation-00017-of-00128"), split_of("flowers.tfrecord")
    ('validation', None)
    """
    match = _SHARD.fullmatch(os.path.basename(os.fspath(path)))
    # Of a set of eight, the last is number seven.
    return match[1] if match and match[2] < match[3] else None


def count_records(path: str | os.PathLike[str]) -> int:
    """Return the number of records in a file, from their headers alone.

    Raises:
        EfficientNetError: as `record_positions`.
    """
    return sum(1 for _ in record_positions(path))


def record_positions(path: str | os.PathLike[str]) -> Iterator[tuple[int, int]]:
    """Yield where each record of a file begins and how long it is, in bytes; the records are not read.

    The position is that of the serialised example, behind its header.

    Raises:
        EfficientNetError: the file cannot be read, is no TFRecord file, is damaged in a header, or is truncated.
    """
    name = os.fspath(path)
    try:
        # Unbuffered: between two headers lies an image, which a buffer would read.
        with open(name, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            position = 0
            while position < size:
                file.seek(position)
                start = position + _HEADER.size
                length = _record_length(file.read(_HEADER.size), name, position)
                position = start + length + _FOOTER
                if position > size:
                    raise _truncated(name, start - _HEADER.size, size)
                yield start, length
    except OSError as error:
        raise EfficientNetError(f"Cannot read {name!r}: {error.strerror}.") from error


def check_schema(path: str | os.PathLike[str]) -> None:
    """Read the first record of a file and hold it against the official layout.

    Raises:
        EfficientNetError: the file holds no record, its first one is damaged, or it is of another schema; the message
            names the keys that are needed and those that are there.
    """
    import tensorflow as tf

    name = os.fspath(path)
    if next(record_positions(name), None) is None:
        raise EfficientNetError(f"{name!r} holds no record.")
    try:
        serialized = next(iter(tf.data.TFRecordDataset(name).take(1))).numpy()
    except tf.errors.DataLossError as error:
        raise EfficientNetError(f"The first record of {name!r} is damaged: its checksum is wrong.") from error
    needed = ", ".join(NEEDED_KEYS)
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except Exception as error:  # protobuf's DecodeError, whose module differs from version to version
        raise EfficientNetError(
            f"The first record of {name!r} is no tf.train.Example. Needed keys: {needed}."
        ) from error
    if not set(NEEDED_KEYS) <= set(features):
        received = ", ".join(sorted(features)) or "none"
        raise EfficientNetError(
            f"The records of {name!r} are of another schema. Needed keys: {needed}. Received: {received}."
        )
    for key, kind, what in ((IMAGE_KEY, "bytes_list", "string"), (LABEL_KEY, "int64_list", "int64")):
        values = getattr(features[key], kind).value
        if len(values) != 1:
            received = features[key].WhichOneof("kind") or "nothing"
            count = len(getattr(features[key], received).value) if received != "nothing" else 0
            raise EfficientNetError(f"{key} in {name!r} must be one {what}, got {received} of {count} values.")


def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the encoded image and the label of a serialised example.

    Args:
        serialized: a string scalar, as `tf.data.TFRecordDataset` yields it.

    Returns:
        The bytes of the image file, a string scalar; and the label as it is stored, int64, from 1.

    Raises:
        tf.errors.InvalidArgumentError: the record is of another schema.
    """
    import tensorflow as tf

    features = tf.io.parse_single_example(
        serialized,
        {IMAGE_KEY: tf.io.FixedLenFeature([], tf.string), LABEL_KEY: tf.io.FixedLenFeature([], tf.int64)},
    )
    return features[IMAGE_KEY], features[LABEL_KEY]


def read_labels(folder: str | os.PathLike[str]) -> tuple[str, ...] | None:
    """Return the names of the classes from the labels.txt beside the shards, or None if there is none.

    Name number `i`, from 0, is that of label `i + 1`.

    Raises:
        EfficientNetError: the file is there and cannot be read, or is a link that leads out of the folder.
    """
    path = Path(folder, LABELS)
    _check_links([str(path)], os.fspath(folder))
    try:
        return tuple(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise EfficientNetError(f"Cannot read {str(path)!r}: {reason}.") from error


def _files(folder: str, pattern: str) -> list[str]:
    return sorted(path for path in glob.glob(os.path.join(folder, pattern)) if os.path.isfile(path))


def _fixed_folder(pattern: str) -> str:
    """Return the part of a glob above its first wildcard."""
    folder = os.path.dirname(pattern)
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder or "."


def _check_links(paths: Sequence[str], folder: str) -> None:
    root = os.path.realpath(folder)
    for path in paths:
        if not Path(os.path.realpath(path)).is_relative_to(root):
            raise EfficientNetError(f"{path!r} is a link that leads out of the folder {folder!r}.")


def _check_complete(paths: Sequence[str]) -> None:
    """Raise if a shard of a set is missing beside the others, or if one split has two sets in one folder."""
    sets: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for folder, name in map(os.path.split, paths):
        if match := _SHARD.fullmatch(name):
            sets.setdefault((folder, match[1]), set()).add((match[3], match[4] or ""))
    for (folder, split), endings in sets.items():
        where = repr(folder or ".")
        if len(endings) > 1:
            names = " and ".join(f"-of-{total}{suffix}" for total, suffix in sorted(endings))
            raise EfficientNetError(f"There is more than one set of {split!r} in {where}: {names}.")
        ((total, suffix),) = endings
        shards = [f"{split}-{number:05d}-of-{total}{suffix}" for number in range(int(total))]
        missing = [name for name in shards if not os.path.isfile(os.path.join(folder, name))]
        if missing:
            more = f" and {len(missing) - _MISSING_NAMED} more" if len(missing) > _MISSING_NAMED else ""
            raise EfficientNetError(
                f"{len(missing)} of the {len(shards)} shards of {split!r} are missing in {where}: "
                f"{', '.join(missing[:_MISSING_NAMED])}{more}."
            )


def _record_length(header: bytes, name: str, position: int) -> int:
    if len(header) < _HEADER.size:
        raise _truncated(name, position, position + len(header))
    length, checksum = _HEADER.unpack(header)
    if checksum != masked_crc32c(header[:8]):
        if position == 0:
            what = "compressed with gzip" if header.startswith(_GZIP) else "no TFRecord file, or damaged at its start"
            raise EfficientNetError(f"{name!r} is {what}.")
        raise EfficientNetError(f"{name!r} is damaged: the header of the record at byte {position} is wrong.")
    return int(length)


def _truncated(name: str, position: int, size: int) -> EfficientNetError:
    return EfficientNetError(f"{name!r} is truncated: it ends at byte {size}, in the record that begins at {position}.")


def masked_crc32c(data: bytes) -> int:
    """Return the checksum that guards a part of a TFRecord file: CRC-32C, rotated and offset as the format asks.

    >>> f"{masked_crc32c(bytes(8)):08x}"
    '07980329'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _crc_table() -> tuple[int, ...]:
    """Return the remainders of all bytes by the Castagnoli polynomial, lowest bit first."""
    table = []
    for remainder in range(256):
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0x82F63B78 if remainder & 1 else 0)
        table.append(remainder)
    return tuple(table)


_CRC_TABLE = _crc_table()
