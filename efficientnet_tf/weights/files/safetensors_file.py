"""Read a `.safetensors` file: a length, a JSON header, and the tensors' bytes one after the other.

The format: https://huggingface.co/docs/safetensors/index#format.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.weights.files.bounds import MOST_DIMENSIONS, Damage, reading

Array = np.ndarray[Any, Any]

# The format's own bound.
LARGEST_HEADER = 100_000_000
METADATA = "__metadata__"
# NumPy has no bfloat16; its 16 bits are the upper half of a float32.
BFLOAT16 = "BF16"
# fmt: off
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", BFLOAT16: "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}
# fmt: on


def read_tensors(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the tensors of a `.safetensors` file by name, bfloat16 as float32, and its `__metadata__`.

    The arrays cannot be written. They come in the order of their bytes, which is the order of no layers: the
    library sorts tensors before it writes them.

    Raises:
        EfficientNetError: the file is damaged, or of another format.

    >>> import tempfile
    >>> header = b'{"bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.safetensors")
    ...     _ = file.write_bytes(len(header).to_bytes(8, "little") + header + np.float32([1, 2]).tobytes())
    ...     read_tensors(file)
    ({'bias': array([1., 2.], dtype=float32)}, {})
    """
    with reading(path):
        content = memoryview(Path(path).read_bytes())
        length = int.from_bytes(content[:8], "little")
        if len(content) < 8 or length > min(LARGEST_HEADER, len(content) - 8):
            raise Damage(f"a header of {length} bytes in a file of {len(content)}")
        header = json.loads(bytes(content[8 : 8 + length]), object_pairs_hook=_named_once)
        if not isinstance(header, dict):
            raise Damage("its header is not a table")
        metadata = header.pop(METADATA, {})
        if not (isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())):
            raise Damage(f"its {METADATA} is not a table of texts")
        return _tensors(header, content[8 + length :]), metadata


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise Damage("a name is twice in its header")
    return table


def _tensors(header: dict[str, Any], data: memoryview) -> dict[str, Array]:
    """Return the tensors, which must cover the data without holes and without overlap."""
    tensors = {}
    position = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        if kind not in DTYPES:
            raise Damage(f"{name} is of the type {kind}, which is not known")
        if len(shape) > MOST_DIMENSIONS or not all(type(side) is int and 0 <= side < 1 << 63 for side in shape):
            raise Damage(f"{name} is not described by numbers")
        if begin != position or end > len(data) or end - begin != math.prod(shape) * np.dtype(DTYPES[kind]).itemsize:
            raise Damage(f"{name}, {shape}, does not fit bytes {begin} to {end} of {len(data)}, after {position}")
        array = np.frombuffer(data[begin:end], DTYPES[kind]).reshape(shape)
        tensors[name] = bfloat16_to_float32(array) if kind == BFLOAT16 else array
        position = end
    if position != len(data):
        raise Damage(f"{len(data) - position} bytes at its end belong to no tensor")
    return tensors


def bfloat16_to_float32(bits: Array) -> Array:
    """Return numbers of 16 bits as float32, of which they are the upper half.

    >>> bfloat16_to_float32(np.array([0x3F80, 0xC000], "<u2")).tolist()
    [1.0, -2.0]
    """
    return (bits.astype(np.uint32) << 16).view(np.float32)
