"""What a `.tflite` file says of itself: its classes, its pixels, and the names of what goes in and comes out."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from typing import Any

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.run import LABELS, PREPROCESSING
from efficientnet_tf.runtimes.tflite_tables import METADATA_IDENTIFIER, METADATA_NAME, MODEL_IDENTIFIER, Table
from efficientnet_tf.specs import Preprocessing

#: More than any list of classes, and less than what would fill the memory.
MOST_FILE_BYTES = 1 << 24
MOST_TENSORS = 64

#: What reading a damaged archive or record may raise.
DAMAGE = (RuntimeError, ValueError, TypeError, EOFError, OSError, struct.error, zipfile.BadZipFile, zlib.error)


def read_metadata(content: bytes) -> dict[str, Any]:
    """Return what the metadata of a `.tflite` file say; nothing in the file is believed.

    The metadata are those that TensorFlow Lite's Task Library and MediaPipe read: a flatbuffer of
    metadata_schema.fbs in the buffer TFLITE_METADATA, and files in a zip archive behind the network.

    Args:
        content: the file.

    Returns:
        `name`, `description`, `version`, None where they are not given; `inputs` and `outputs`, the names of the
        tensors; `labels`, the names of the classes, and `preprocessing`, a `Preprocessing`, None where the file does
        not carry them. Of a file without metadata, an empty dictionary.

    Raises:
        EfficientNetError: no TensorFlow Lite file, or one with damaged metadata.

    >>> read_metadata(b"labels.txt")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    efficientnet_tf.errors.EfficientNetError: The metadata of the TensorFlow Lite file cannot be read: ...must begin...
    """
    try:
        return _read(content)
    except DAMAGE as error:
        raise EfficientNetError(f"The metadata of the TensorFlow Lite file cannot be read: {error}") from error


def _read(content: bytes) -> dict[str, Any]:
    found = metadata_of(Table.root(content, "Model", MODEL_IDENTIFIER))
    if found is None:
        return {}
    root = Table.root(found, "ModelMetadata", METADATA_IDENTIFIER)
    graphs = root["subgraph_metadata"]
    tensors = {"inputs": "input_tensor_metadata", "outputs": "output_tensor_metadata"}
    names = {
        key: [each["name"] for each in graphs[0][field][:MOST_TENSORS]] if graphs else []
        for key, field in tensors.items()
    }
    labels, record = _files(content, LABELS, PREPROCESSING)
    return {
        **{field: root[field] for field in ("name", "description", "version")},
        **names,
        # Not splitlines: a name may hold other characters that it takes for the end of a line.
        "labels": None if labels is None else labels.decode().removesuffix("\n").split("\n"),
        "preprocessing": None if record is None else Preprocessing.from_json(json.loads(record)),
    }


def metadata_of(model: Table) -> bytes | None:
    """Return the flatbuffer of the metadata of a model's table, or None."""
    for entry in model["metadata"]:
        if entry["name"] == METADATA_NAME:
            buffers, number = model["buffers"], entry["buffer"]
            if number >= len(buffers):
                raise EfficientNetError(f"buffer {number} of {len(buffers)} is not there")
            return bytes(buffers[number]["data"])
    return None


def _files(content: bytes, *names: str) -> list[bytes | None]:
    """Return files of the archive behind a network, None for each that is not there."""
    stream = io.BytesIO(content)
    if not zipfile.is_zipfile(stream):
        return [None for _ in names]
    with zipfile.ZipFile(stream) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        return [_file(archive, entries[name]) if name in entries else None for name in names]


def _file(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as file:
        # What the entry says of its size may be wrong, and a few bytes may unpack to very many.
        data = file.read(MOST_FILE_BYTES + 1)
    if len(data) > MOST_FILE_BYTES:
        raise EfficientNetError(f"{entry.filename} must be at most {MOST_FILE_BYTES} bytes")
    return data
