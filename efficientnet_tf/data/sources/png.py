"""Pixels as a PNG file in memory, so that pictures that are no files take the way of all others."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2


def encode_png(pixels: np.ndarray[Any, Any], *, level: int = 1) -> bytes:
    """Return a PNG file of grey or RGB pixels, without any loss.

    Args:
        pixels: uint8 [height, width] or [height, width, 3].
        level: of zlib; 0 does not compress at all, ten times faster.

    >>> encode_png(np.zeros((28, 28), np.uint8))[:4]
    b'\\x89PNG'
    """
    height, width = pixels.shape[:2]
    kind = _GREY if pixels.ndim == 2 else _RGB
    # Each row begins with the number of its filter; 0 is none.
    rows = np.zeros((height, 1 + pixels[0].size), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), level)), (b"IEND", b""))
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
