"""Operations that move an image towards a plainer one, or away from it: Color, Contrast, Brightness, Sharpness.

All take a factor: 0 gives the plainer image, 1 the image itself, and what is larger exaggerates the difference. The
arithmetic is that of Pillow's C code, rounding by rounding (see `_mixed`).
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from efficientnet_tf.augment.ops.compiled import compiled

Number = tf.Tensor | float | int

# What each value of red, green and blue adds to TensorFlow's grey, of 0 to 1: float32 [3, 256].
_LEGACY_SHARES = np.outer(np.float32([0.2989, 0.587, 0.114]), np.arange(256, dtype=np.float32) * np.float32(1 / 255))


def color(image: tf.Tensor, factor: Number, *, legacy: bool = False) -> tf.Tensor:
    """Take colour away or add to it, as `PIL.ImageEnhance.Color`.

    Args:
        image: uint8 [height, width, 3]; the same for all operations of this module.
        factor: 0 (grey) or more.
        legacy: the grey of `tf.image.rgb_to_grayscale`, as in the official code.

    >>> color(tf.constant([[[200, 100, 0]]], tf.uint8), 0.5).numpy().tolist()
    [[[159, 109, 59]]]
    """
    return (_legacy_color if legacy else _color)(_bytes(image), _exact(factor))


def contrast(image: tf.Tensor, factor: Number, *, legacy: bool = False) -> tf.Tensor:
    """Move values towards the mean luminance of the image, or away from it, as `PIL.ImageEnhance.Contrast`.

    Args:
        image: uint8 [height, width, 3].
        factor: 0 (all alike) or more.
        legacy: in place of the mean, the number of pixels over 256, up to 255, which is what the official code takes
            for it: 196 for every image of 224 x 224.

    >>> contrast(tf.constant([[[0, 0, 0]], [[200, 200, 200]]], tf.uint8), 0.5).numpy().tolist()
    [[[50, 50, 50]], [[150, 150, 150]]]
    """
    return (_legacy_contrast if legacy else _contrast)(_bytes(image), _exact(factor))


def brightness(image: tf.Tensor, factor: Number) -> tf.Tensor:
    """Multiply every value, as `PIL.ImageEnhance.Brightness`.

    Args:
        image: uint8 [height, width, 3].
        factor: 0 (black) or more.

    >>> brightness(tf.constant([[[0, 100, 200]]], tf.uint8), 1.5).numpy().tolist()
    [[[0, 150, 255]]]
    """
    return _brightness(_bytes(image), _exact(factor))


def sharpness(image: tf.Tensor, factor: Number, *, legacy: bool = False) -> tf.Tensor:
    """Smooth the image or sharpen it, as `PIL.ImageEnhance.Sharpness`.

    Args:
        image: uint8 [height, width, 3].
        factor: 0 (smoothed by a kernel of 3 x 3: 5/13 in its middle, 1/13 around) or more. The outermost pixels stay,
            and so do images that are smaller than the kernel.
        legacy: the smoothed values are truncated, as in the official code, not rounded.

    >>> spot = tf.constant([[[0]] * 3, [[0], [130], [0]], [[0]] * 3], tf.uint8)
    >>> sharpness(spot, 0.0).numpy()[1, 1].tolist()
    [50]
    """
    return (_legacy_sharpness if legacy else _sharpness)(_bytes(image), _exact(factor))


@compiled
def _color(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    return _mixed(_luminance(image)[..., tf.newaxis], image, factor)


@compiled
def _legacy_color(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    return _mixed(_legacy_luminance(image)[..., tf.newaxis], image, factor)


@compiled
def _contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    luminance = tf.cast(_luminance(image), tf.int64)
    mean = tf.reduce_sum(luminance) / tf.size(luminance, tf.int64)
    return _mixed(tf.cast(tf.floor(mean + 0.5), tf.int32), image, factor)


@compiled
def _legacy_contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    pixels = tf.size(image) // tf.shape(image)[2]
    return _mixed(tf.minimum(pixels // 256, 255), image, factor)


@compiled
def _brightness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    return _mixed(tf.zeros([], tf.int32), image, factor)


def _sharpness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    # Pillow's smoothed value, rounded: never halfway between two, since 13 is odd.
    return _sharpened(image, _rows_summed(image), factor, tf.constant(13))


def _legacy_sharpness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    return _sharpened(image, _rows_summed(image), factor, tf.constant(0))


@compiled
def _rows_summed(image: tf.Tensor) -> tf.Tensor:
    """Return the sums of three rows: uint16 [height - 2, width, channels]; a kernel of its own, or XLA sums again."""
    values = tf.cast(image, tf.uint16)
    return values[:-2] + values[1:-1] + values[2:]


@compiled
def _sharpened(image: tf.Tensor, rows: tf.Tensor, factor: tf.Tensor, half: tf.Tensor) -> tf.Tensor:
    rows, center = tf.cast(rows, tf.int32), image[1:-1, 1:-1]
    total = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4 * tf.cast(center, tf.int32)
    # (2 total + half) // 26 without a division: equal for all sums of thirteen bytes.
    smooth = tf.bitwise.right_shift((2 * total + half) * 40330, 20)
    # `[1:][-1:]`: the last row or column, and none where it is the first as well.
    sides = image[1:-1]
    middle = tf.concat([sides[:, :1], _mixed(smooth, center, factor), sides[:, 1:][:, -1:]], 1)
    return tf.ensure_shape(tf.concat([image[:1], middle, image[1:][-1:]], 0), image.shape)


def _luminance(image: tf.Tensor) -> tf.Tensor:
    """Return Pillow's luminance (ITU-R 601, in units of 1/65536): int32 [height, width]."""
    red, green, blue = tf.unstack(tf.cast(image, tf.int32), axis=-1)
    return tf.bitwise.right_shift(19595 * red + 38470 * green + 7471 * blue + 32768, 16)


def _legacy_luminance(image: tf.Tensor) -> tf.Tensor:
    """Return `tf.image.rgb_to_grayscale`, rounding by rounding: int32 [height, width]."""
    values = tf.cast(image, tf.int32)
    red, green, blue = (tf.gather(_LEGACY_SHARES[channel], values[..., channel]) for channel in range(3))
    return tf.cast((red + green + blue) * 255.5, tf.int32)


def _mixed(plain: tf.Tensor, image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Return plain + factor * (image - plain) within 0 to 255, uint8, with the two roundings of Pillow's float32.

    The product of a float32 and a byte is exact in float64, and its conversion is the first rounding. A product in
    float32 would be one machine instruction with the sum, and not rounded, where the machine has one.
    """
    difference = tf.cast(tf.cast(image, tf.int32) - plain, tf.float64)
    mixed = tf.cast(plain, tf.float32) + tf.cast(factor * difference, tf.float32)
    return tf.cast(tf.clip_by_value(mixed, 0.0, 255.0), tf.uint8)


def _bytes(image: tf.Tensor) -> tf.Tensor:
    return tf.convert_to_tensor(image, tf.uint8)


def _exact(factor: Number) -> tf.Tensor:
    """Return a factor as float64, rounded to float32 as Pillow does."""
    return tf.cast(tf.cast(factor, tf.float32), tf.float64)
