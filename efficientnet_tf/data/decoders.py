"""Decoding whole PNG, GIF, BMP and WebP files to RGB, where TensorFlow's decoders alone would not give Pillow's pixels.

No more memory is taken than a picture of `MAX_PIXELS` needs: sizes are read from the header before anything is decoded.
"""

from __future__ import annotations

import tensorflow as tf

from efficientnet_tf.data.gif import decode_first_frame
from efficientnet_tf.data.headers import (
    KINDS,
    bmp_size,
    bounded,
    demanded,
    header_of,
    kind_of,
    little,
    numbers,
    png_size,
    webp_size,
)
from efficientnet_tf.data.orientation import png_orientation, webp_orientation
from efficientnet_tf.data.structure import WEBP_TENSORFLOW

#: Whether the decoders of this TensorFlow know WebP.
DECODES_WEBP = hasattr(tf.raw_ops, "DecodeWebP")

_WEBP_ANIMATED, _WEBP_ALPHA = 0x02, 0x10
_WEBP_FLAGS = 20

_BYTES = [bytes([number]) for number in range(256)]

# A picture, uint8 [h, w, 3], and its orientation, int32.
_Decoded = tuple[tf.Tensor, tf.Tensor]


def decode_whole(image_bytes: tf.Tensor) -> _Decoded:
    """Decode an image file that is no JPEG, and read its EXIF orientation.

    Alpha is dropped. Of 16 bits, the upper eight are kept. Of an animation the first frame is decoded.

    Args:
        image_bytes: a PNG, GIF, BMP (8 bits with a palette, 24 or 32 bits) or WebP file: a string scalar.

    Returns:
        The picture as it is stored, RGB, uint8 [height, width, 3]; and its orientation, 1...8.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are not such an image, or it is too large.

    >>> picture, orientation = decode_whole(tf.io.encode_png(tf.zeros([4, 6, 3], tf.uint8)))
    >>> picture.shape, int(orientation)
    (TensorShape([4, 6, 3]), 1)
    """
    image_bytes = tf.convert_to_tensor(image_bytes)
    decoders = {"PNG": _decode_png, "GIF": _decode_gif, "BMP": _decode_bmp, "WEBP": _decode_webp}
    branches = [lambda decode=decoders[kind]: decode(image_bytes) for kind in KINDS]
    image, orientation = tf.switch_case(kind_of(image_bytes), [*branches, lambda: _refuse(image_bytes)])
    return image, orientation


def _decode(image_bytes: tf.Tensor, channels: int) -> tf.Tensor:
    return tf.io.decode_image(image_bytes, channels=channels, expand_animations=False)


def _refuse(image_bytes: tf.Tensor) -> _Decoded:
    # Whatever else TensorFlow's decoder takes has no bound.
    refused = demanded(image_bytes, False, "the bytes are not a JPEG, PNG, BMP, GIF or WebP image")
    return _decode(refused, 3), tf.constant(1)


def _decode_png(image_bytes: tf.Tensor) -> _Decoded:
    checked = bounded(image_bytes, *png_size(header_of(image_bytes)))
    return _decode(checked, 3), png_orientation(image_bytes)


def _decode_gif(image_bytes: tf.Tensor) -> _Decoded:
    return decode_first_frame(image_bytes), tf.constant(1)


def _decode_bmp(image_bytes: tf.Tensor) -> _Decoded:
    header = header_of(image_bytes)
    height, width = bmp_size(header)
    checked = bounded(image_bytes, height, width)
    length, bits = tf.cast(tf.strings.length(image_bytes), tf.int64), little(header, 28, 2)
    # The decoder refuses bytes behind the last row, which some programs write.
    end = little(header, 10, 4) + (width * bits // 8 + 3) // 4 * 4 * height
    checked = tf.strings.substr(checked, tf.constant(0, tf.int64), tf.minimum(end, length))

    def with_palette() -> tf.Tensor:
        # The decoder takes indices for grey levels. The palette, of four bytes to a colour, follows the header.
        stated = little(header, 46, 4)
        colors = tf.where((stated > 0) & (stated < 256), stated, 256)
        start = tf.minimum(14 + little(header, 14, 4), length)
        palette = numbers(tf.strings.substr(image_bytes, start, 4 * colors), tf.uint8, 4 * 256)
        palette = tf.cast(tf.reshape(palette, [256, 4])[:, 2::-1], tf.uint8)
        return tf.gather(palette, tf.cast(_decode(checked, 0)[..., 0], tf.int32))

    return tf.cond(bits == 8, with_palette, lambda: _decode(checked, 3)), tf.constant(1)


def _decode_webp(image_bytes: tf.Tensor) -> _Decoded:
    header = header_of(image_bytes)
    checked = bounded(image_bytes, *webp_size(header))
    if not DECODES_WEBP:
        needed = ".".join(map(str, WEBP_TENSORFLOW))
        checked = demanded(checked, False, f"WebP files need TensorFlow {needed} or newer")
    flags = tf.where(header[15] == ord("X"), header[_WEBP_FLAGS], 0)

    def with_alpha() -> tf.Tensor:
        # The decoder of animations writes four channels whatever the header says, beyond the end of three.
        start = tf.strings.substr(checked, 0, _WEBP_FLAGS)
        rest = tf.strings.substr(checked, _WEBP_FLAGS + 1, tf.strings.length(checked))
        return tf.strings.join([start, tf.gather(_BYTES, tf.bitwise.bitwise_or(flags, _WEBP_ALPHA)), rest])

    animated = tf.bitwise.bitwise_and(flags, _WEBP_ANIMATED) > 0
    image = _decode(tf.cond(animated, with_alpha, lambda: checked), 0)
    return image[..., :3], webp_orientation(image_bytes)
