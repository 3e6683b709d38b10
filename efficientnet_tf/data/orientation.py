"""Turning pictures as a person sees them: the orientation that cameras write into EXIF, read in TensorFlow operations.

Only the marker or chunk headers in front of the pixels are looked at, a few bytes each, so that a file without EXIF
costs nearly nothing. What cannot be understood counts as upright; nothing here raises an error for any bytes.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from efficientnet_tf.data.headers import apart, numbers

#: y, x, height, width: int32 scalars, in pixels.
Window = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]

# The orientations that exchange rows and columns and, after that, reverse the order of rows and that of columns.
_TRANSPOSED = (5, 6, 7, 8)
_ROWS_REVERSED = (3, 4, 7, 8)
_COLUMNS_REVERSED = (2, 3, 6, 7)

# How many blocks are passed over in search of EXIF, and how many entries of EXIF are read.
_MOST_BLOCKS = 64
_MOST_ENTRIES = 256

_TAG_ORIENTATION = 0x0112
_TYPE_SHORT = 3

# Such an entry with a value of 2...8, in either order of bytes, among any bytes.
_TURNED_ENTRY = (
    r"(?s)\C*(\x01\x12\x00\x03\x00\x00\x00\x01\x00[\x02-\x08]|\x12\x01\x03\x00\x01\x00\x00\x00[\x02-\x08]\x00)\C*"
)

_JPEG_COMMENT, _JPEG_APP0, _JPEG_APP15 = 0xFFFE, 0xFFE0, 0xFFEF
_EXIF_SIGNATURE = b"Exif\0\0"

# The names of chunks, as the numbers that their four letters are read as.
_PNG_EXIF, _PNG_PIXELS = (int.from_bytes(name, "big") for name in (b"eXIf", b"IDAT"))
_WEBP_EXIF = int.from_bytes(b"EXIF", "little")


def jpeg_orientation(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return the EXIF orientation of a JPEG: an int32 scalar, 1...8; 1 (upright) if it says none.

    EXIF is looked for among the application segments and comments that come before the first table, where it has to be.

    >>> int(jpeg_orientation(tf.io.encode_jpeg(tf.zeros([8, 8, 3], tf.uint8))))
    1
    """
    length = tf.strings.length(image_bytes)
    jfif = tf.strings.substr(image_bytes, tf.minimum(2, length), 4) == b"\xff\xe0\x00\x10"
    second = tf.where(jfif, 20, 2)
    head = tf.strings.substr(image_bytes, tf.minimum(second, length), 10)

    # The beginnings of nearly all files take no search: EXIF, or none, at once or after JFIF.
    def otherwise() -> tf.Tensor:
        return tf.cond(
            _begins_exif(head),
            lambda: _segment_orientation(image_bytes, second, head),
            lambda: apart(_search_jpeg, image_bytes, length),
        )

    table_follows = tf.strings.substr(head, 0, 2) == b"\xff\xdb"
    return tf.cond(table_follows, lambda: tf.constant(1), otherwise)


def _begins_exif(head: tf.Tensor) -> tf.Tensor:
    # As a pattern, since the head may be too short to take a part of it.
    return (tf.strings.substr(head, 0, 2) == b"\xff\xe1") & tf.strings.regex_full_match(head, r"\C{4}Exif\x00\x00")


def _segment_orientation(image_bytes: tf.Tensor, position: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
    size = numbers(head, tf.uint16, 2, little_endian=False)[1]
    return _tiff_orientation(tf.strings.substr(image_bytes, position + 10, tf.maximum(size - 8, 0)))


def _search_jpeg(image_bytes: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    def head_at(position: tf.Tensor) -> tf.Tensor:
        return tf.strings.substr(image_bytes, position, 10)

    def is_passed_over(_: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
        marker = numbers(head, tf.uint16, 1, little_endian=False)[0]
        passed = ((marker >= _JPEG_APP0) & (marker <= _JPEG_APP15)) | (marker == _JPEG_COMMENT)
        return passed & ~_begins_exif(head)

    def next_segment(position: tf.Tensor, head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        size = numbers(head, tf.uint16, 2, little_endian=False)[1]
        position = tf.minimum(position + 2 + size, length)
        return position, head_at(position)

    first = tf.minimum(2, length)
    position, head = tf.while_loop(
        is_passed_over, next_segment, (first, head_at(first)), maximum_iterations=_MOST_BLOCKS
    )
    return tf.cond(
        _begins_exif(head), lambda: _segment_orientation(image_bytes, position, head), lambda: tf.constant(1)
    )


def png_orientation(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return the EXIF orientation of a PNG, from an `eXIf` chunk before the pixels: int32, 1...8."""
    return _chunk_orientation(
        image_bytes, 8, lambda head: (head[1], head[0], 12), wanted=_PNG_EXIF, last=_PNG_PIXELS, little_endian=False
    )


def webp_orientation(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return the EXIF orientation of a WebP, from an `EXIF` chunk: int32, 1...8."""
    # Chunks of odd length are followed by a byte of padding.
    return _chunk_orientation(
        image_bytes, 12, lambda head: (head[0], head[1] + head[1] % 2, 8), wanted=_WEBP_EXIF, last=0, little_endian=True
    )


def upright_size(height: tf.Tensor, width: tf.Tensor, orientation: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the height and width of the upright picture from those of the stored one."""
    transposed = _is_in(_TRANSPOSED, orientation)
    return tf.where(transposed, width, height), tf.where(transposed, height, width)


def stored_window(window: Window, height: tf.Tensor, width: tf.Tensor, orientation: tf.Tensor) -> Window:
    """Return where a window of the upright picture, of `height` by `width`, lies in the stored picture."""
    y, x, window_height, window_width = window
    y = tf.where(_is_in(_ROWS_REVERSED, orientation), height - y - window_height, y)
    x = tf.where(_is_in(_COLUMNS_REVERSED, orientation), width - x - window_width, x)
    transposed = _is_in(_TRANSPOSED, orientation)
    straight, exchanged = tf.stack([y, x, window_height, window_width]), tf.stack([x, y, window_width, window_height])
    stored = tf.where(transposed, exchanged, straight)
    return stored[0], stored[1], stored[2], stored[3]


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turn a stored picture, [h, w, channels], or a window of it, as its EXIF orientation says.

    >>> stored = tf.reshape(tf.range(6), [2, 3, 1])
    >>> upright(stored, tf.constant(6))[..., 0].numpy()
    array([[3, 0],
           [4, 1],
           [5, 2]], dtype=int32)
    """

    def turned() -> tf.Tensor:
        # Reversals of one axis at a time are copies of whole rows or pixels; by a stride of -1 they take ten times as
        # long.
        picture = tf.cond(_is_in(_TRANSPOSED, orientation), lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
        for axis, orientations in enumerate((_ROWS_REVERSED, _COLUMNS_REVERSED)):
            picture = tf.cond(
                _is_in(orientations, orientation),
                lambda picture=picture, axis=axis: tf.reverse(picture, [axis]),
                lambda picture=picture: picture,
            )
        return picture

    return tf.cond(orientation > 1, turned, lambda: image)


def _is_in(table: tuple[int, ...], orientation: tf.Tensor) -> tf.Tensor:
    return tf.reduce_any(orientation == tf.constant(table))


def _chunk_orientation(
    image_bytes: tf.Tensor,
    start: int,
    read: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, int]],
    *,
    wanted: int,
    last: int,
    little_endian: bool,
) -> tf.Tensor:
    """Look for a chunk of EXIF among the chunks of a PNG or a WebP.

    Args:
        image_bytes: the file.
        start: where its chunks begin.
        read: from the two numbers at the head of a chunk to its name, its length and the bytes that are not counted
            in the length.
        wanted: the name of the chunk of EXIF.
        last: the name of the chunk to stop at.
        little_endian: the order of bytes in the numbers.
    """
    length = tf.strings.length(image_bytes)

    def head(position: tf.Tensor) -> tf.Tensor:
        return numbers(tf.strings.substr(image_bytes, position, 8), tf.int32, 2, little_endian=little_endian)

    def is_passed_over(position: tf.Tensor, pair: tf.Tensor) -> tf.Tensor:
        name, bytes_, _ = read(pair)
        return (position + 8 <= length) & (name != wanted) & (name != last) & (bytes_ >= 0) & (bytes_ < length)

    def next_chunk(position: tf.Tensor, pair: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        _, bytes_, around = read(pair)
        position = tf.minimum(position, length - around - bytes_) + around + bytes_
        return position, head(position)

    first = tf.minimum(tf.constant(start), length)
    position, found = tf.while_loop(is_passed_over, next_chunk, (first, head(first)), maximum_iterations=_MOST_BLOCKS)
    name, bytes_, _ = read(found)

    def orientation() -> tf.Tensor:
        payload = tf.strings.substr(image_bytes, tf.minimum(position + 8, length), tf.maximum(bytes_, 0))
        # Some programs repeat the signature of JPEG here.
        skipped = tf.where(tf.strings.substr(payload, 0, 6) == _EXIF_SIGNATURE, 6, 0)
        return _tiff_orientation(tf.strings.substr(payload, skipped, length))

    return tf.cond(name == wanted, orientation, lambda: tf.constant(1))


def _tiff_orientation(tiff: tf.Tensor) -> tf.Tensor:
    """Return the orientation that the first directory of TIFF data holds, or 1."""
    # To look for the bytes of an entry that is not upright saves reading the directory of most pictures.
    return tf.cond(
        tf.strings.regex_full_match(tiff, _TURNED_ENTRY), lambda: apart(_read_tiff, tiff), lambda: tf.constant(1)
    )


def _read_tiff(tiff: tf.Tensor) -> tf.Tensor:
    def read(magic: bytes, count: tuple[int, int], *, little_endian: bool) -> tf.Tensor:
        start = numbers(tiff, tf.int32, 2, little_endian=little_endian)[1]
        start = tf.clip_by_value(start, 0, tf.strings.length(tiff))
        directory = tf.strings.substr(tiff, start, 2 * (1 + 6 * _MOST_ENTRIES))
        words = numbers(directory, tf.uint16, 1 + 6 * _MOST_ENTRIES, little_endian=little_endian)
        # Of each entry: tag, type, count (two words), value (two words), of which a short takes the first.
        entries = tf.reshape(words[1:], [_MOST_ENTRIES, 6])
        wanted = tf.reduce_all(entries[:, :4] == (_TAG_ORIENTATION, _TYPE_SHORT, *count), axis=1)
        value = tf.reduce_max(tf.where(wanted & (tf.range(_MOST_ENTRIES) < words[0]), entries[:, 4], 0))
        known = (tf.strings.substr(tiff, 0, 4) == magic) & (value >= 1) & (value <= 8)
        return tf.where(known, value, 1)

    return tf.cond(
        tf.strings.substr(tiff, 0, 1) == b"M",
        lambda: read(b"MM\0*", (0, 1), little_endian=False),
        lambda: read(b"II*\0", (1, 0), little_endian=True),
    )
