"""The first bytes of image files, in TensorFlow operations: what format it is, and how large the picture will be."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from efficientnet_tf.data.structure import MAX_PIXELS

#: The formats besides JPEG, in the order of the numbers that `kind_of` returns.
KINDS = ("PNG", "GIF", "BMP", "WEBP")
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")

# As many as the longest of the headers below takes.
_HEADER_BYTES = 54


def numbers(data: tf.Tensor, kind: tf.DType, count: int, *, little_endian: bool = True) -> tf.Tensor:
    """Return the first `count` numbers of a string, as int32 [count]; zeros where the string is shorter.

    >>> numbers(tf.constant(b"\\1\\2\\3"), tf.uint16, 2).numpy()
    array([513,   3], dtype=int32)
    """
    decoded = tf.io.decode_raw(data, kind, little_endian=little_endian, fixed_length=count * kind.size)
    return tf.cast(decoded, tf.int32)


def header_of(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return the first 54 bytes of a file, as int32 [54]; zeros where it is shorter."""
    return numbers(image_bytes, tf.uint8, _HEADER_BYTES)


def kind_of(image_bytes: tf.Tensor) -> tf.Tensor:
    """Return what a file that is no JPEG is, by its first bytes: an index into `KINDS`, or their number for none."""
    length = tf.strings.length(image_bytes)
    found = [tf.strings.substr(image_bytes, 0, len(signature)) == signature for signature in _SIGNATURES]
    webp = tf.strings.substr(image_bytes, tf.minimum(8, length), 4) == b"WEBP"
    found += [webp & (tf.strings.substr(image_bytes, 0, 4) == b"RIFF"), tf.constant(True)]
    return tf.argmax(tf.stack(found), output_type=tf.int32)


def little(header: tf.Tensor, start: int, count: int) -> tf.Tensor:
    """Return the number of `count` bytes, the lowest first, at `start` of a header: an int64 scalar."""
    weights = tf.constant([256**power for power in range(count)], tf.int64)
    return tf.reduce_sum(tf.cast(header[start : start + count], tf.int64) * weights)


def png_size(header: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return height and width that a PNG states, as int64 scalars."""
    backwards = header[23:15:-1]
    return little(backwards, 0, 4), little(backwards, 4, 4)


def bmp_size(header: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return height and width that a BMP states; a negative height says that the rows begin at the top."""
    height = little(header, 22, 4)
    return tf.minimum(height, 2**32 - height), little(header, 18, 4)


def webp_size(header: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return height and width that a WebP states, in the form of its first chunk."""
    # The last letter of VP8X, VP8L or VP8 and a space.
    form = header[15]
    extended = little(header, 27, 3) + 1, little(header, 24, 3) + 1
    packed = little(header, 21, 4)
    lossless = packed // 2**14 % 2**14 + 1, packed % 2**14 + 1
    lossy = little(header, 28, 2) % 2**14, little(header, 26, 2) % 2**14
    sizes = tf.where(form == ord("X"), extended, tf.where(form == ord("L"), lossless, lossy))
    return sizes[0], sizes[1]


def bounded(data: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Return `data`, to be decoded, if a picture of `height` by `width` pixels is not too large to be.

    Raises:
        tf.errors.InvalidArgumentError: it has more than `MAX_PIXELS` pixels.
    """
    message = f"the image has more than {MAX_PIXELS} pixels; its height and width:"
    return demanded(data, height <= MAX_PIXELS // tf.maximum(width, 1), message, height, width)


def demanded(data: tf.Tensor, condition: tf.Tensor | bool, message: str, *values: tf.Tensor) -> tf.Tensor:
    """Return `data`, or raise `tf.errors.InvalidArgumentError` with the message and the values."""
    # Of strings and of numbers of 32 bits the assertion is one operation; of others, a branch with many.
    shown = [tf.cast(value, tf.int32) for value in values]
    with tf.control_dependencies([tf.debugging.Assert(condition, [message, *shown])]):
        return tf.identity(data)


def apart(function: Callable[..., Any], *arguments: tf.Tensor) -> Any:
    """Return what a function gives, and keep its operations out of the graph that calls it.

    A branch that is not taken costs something for each of its operations all the same; for a call, next to nothing.
    So this is for what is rarely taken and long.

    A function of a module, which holds no values of its caller, is traced once for all datasets: to trace the decoders
    of all formats takes seconds.
    """
    if tf.executing_eagerly():
        return function(*arguments)
    return (_traced_apart if function.__closure__ else _traced_once)(function)(*arguments)


def _traced_apart(function: Callable[..., Any]) -> Callable[..., Any]:
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


_traced_once = functools.cache(_traced_apart)
