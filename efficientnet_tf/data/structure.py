"""The outer form of image files, followed from block to block as the decoders of TensorFlow do.

Pillow stops reading as soon as it has all the pixels; TensorFlow goes on to the end of the file's structure and refuses
what is wrong there.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

#: The largest image that is decoded, in pixels: as 8-bit RGB it takes half a gigabyte.
MAX_PIXELS = 178_956_970

#: The first version of TensorFlow that decodes WebP.
WEBP_TENSORFLOW = (2, 21)

# A marker inside entropy-coded data: not a stuffed zero, not a restart. (That the pattern begins with one certain byte
# makes the search ten times as fast; of several such bytes the last is found.)
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_JPEG_END_OF_IMAGE = 0xD9
# Lossless, hierarchical and arithmetic-coded frames.
_JPEG_RARE_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)

_GIF_EXTENSION, _GIF_IMAGE, _GIF_END = 0x21, 0x2C, 0x3B


def structure_problem(kind: str, data: bytes) -> str | None:
    """Return what is wrong with the structure of a `"JPEG"`, `"PNG"`, `"BMP"`, `"GIF"` or `"WEBP"` file, or None.

    >>> structure_problem("PNG", b"PNG")
    'truncated (the PNG has no end)'
    """
    find = {
        "JPEG": _jpeg_problem,
        "PNG": _png_problem,
        "BMP": _bmp_problem,
        "GIF": _gif_problem,
        "WEBP": _webp_problem,
    }
    return find[kind](data)


def first_gif_palette(data: bytes) -> int:
    """Return the number of colours that the first frame of a well-formed GIF can name."""
    for kind, position in _gif_blocks(data):
        if kind == _GIF_IMAGE and data[position + 9] & 0x80:
            return 2 << (data[position + 9] & 7)
        if kind == _GIF_IMAGE:
            break
    return 2 << (data[10] & 7) if data[10] & 0x80 else 0


def _jpeg_problem(data: bytes) -> str | None:
    """Follow the markers to the end of the image, as the decoder does when it has all the pixels."""
    position = 2
    while found := _JPEG_MARKER.search(data, position):
        marker = found[1][0]
        if marker == _JPEG_END_OF_IMAGE:
            return None
        if marker in _JPEG_RARE_FRAMES:
            return "a JPEG that is lossless, hierarchical or arithmetic-coded"
        length = int.from_bytes(data[found.end() : found.end() + 2], "big")
        position = found.end() + length
    return "truncated or damaged (the JPEG has no end)"


def _png_problem(data: bytes) -> str | None:
    position = 8
    while position + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        critical = name[:1].isupper()
        if critical and zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return f"damaged (the checksum of PNG chunk {name.decode('latin-1')!r} is wrong)"
        if name == b"IEND":
            return None
        position = end
    return "truncated (the PNG has no end)"


def _bmp_problem(data: bytes) -> str | None:
    """Return what TensorFlow would refuse or misread: it looks at sizes and the bits per pixel alone."""
    if len(data) < 54:
        return "truncated"
    offset, header, width, height, bits, compression = struct.unpack_from("<10xIIii2xHI", data)
    if header < 40 or bits not in (8, 24, 32) or compression:
        return "a BMP that is compressed, old or of few bits; only 8-bit, 24-bit and 32-bit BMP are supported"
    row_bytes = (width * bits // 8 + 3) // 4 * 4
    return "truncated" if offset + row_bytes * abs(height) > len(data) else None


def _webp_problem(data: bytes) -> str | None:
    """Follow the chunks to the end that the first of them states."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        return "truncated (the WebP has no end)"
    position = 12
    while position + 8 <= end:
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        # Chunks of odd length are followed by a byte of padding.
        position += 8 + length + length % 2
    return None if position == end else "damaged (a chunk of the WebP reaches beyond its end)"


def _gif_problem(data: bytes) -> str | None:
    try:
        kinds = [kind for kind, _ in _gif_blocks(data)]
    except IndexError:
        return "truncated (the GIF has no end)"
    return None if kinds[-1] == _GIF_END else f"damaged (the GIF has a block of kind {kinds[-1]})"


def _gif_blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the kind and the position of every block, up to the end or to an unknown kind."""
    position = 13 + _gif_palette_bytes(data[10])
    while True:
        kind = data[position]
        yield kind, position
        if kind == _GIF_EXTENSION:
            position += 2
        elif kind == _GIF_IMAGE:
            # The descriptor, a palette perhaps, and the size of the first code.
            position += 11 + _gif_palette_bytes(data[position + 9])
        else:
            return
        while length := data[position]:
            position += 1 + length
        position += 1


def _gif_palette_bytes(flags: int) -> int:
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0
