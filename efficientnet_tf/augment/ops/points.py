"""Operations on each value by itself: Invert, Posterize, Solarize, SolarizeAdd."""

from __future__ import annotations

import tensorflow as tf

from efficientnet_tf.augment.ops.compiled import compiled

Number = tf.Tensor | float | int


def invert(image: tf.Tensor) -> tf.Tensor:
    """Return 255 - image, as `PIL.ImageOps.invert`.

    Args:
        image: uint8 [height, width, 3]; the same for all operations of this module.

    >>> invert(tf.constant([[[0, 100, 255]]], tf.uint8)).numpy().tolist()
    [[[255, 155, 0]]]
    """
    return 255 - tf.convert_to_tensor(image, tf.uint8)


def posterize(image: tf.Tensor, bits: Number, *, legacy: bool = False) -> tf.Tensor:
    """Keep the upper bits of every value, as `PIL.ImageOps.posterize`.

    Args:
        image: uint8 [height, width, 3].
        bits: how many are kept, a whole number from 0 (black) to 8 (the image itself); what lies outside is brought
            inside.
        legacy: as the official code, whose shift of bytes by 8 - bits is one by 7 where it is 8, and where it is
            negative, which a byte cannot be, too: then a single bit is left.

    >>> posterize(tf.constant([[[0, 100, 255]]], tf.uint8), 2).numpy().tolist()
    [[[0, 64, 192]]]
    """
    bits = tf.cast(bits, tf.int32)
    kept = tf.where((bits < 1) | (bits > 8), 1, bits) if legacy else tf.clip_by_value(bits, 0, 8)
    mask = tf.cast(tf.bitwise.left_shift(255, 8 - kept) & 255, tf.uint8)
    return tf.bitwise.bitwise_and(tf.convert_to_tensor(image, tf.uint8), mask)


def solarize(image: tf.Tensor, threshold: Number, *, legacy: bool = False) -> tf.Tensor:
    """Invert the values that are `threshold` or more, as `PIL.ImageOps.solarize`.

    Args:
        image: uint8 [height, width, 3].
        threshold: a whole number from 0 (all are inverted) to 256 (none is); what lies outside is brought inside.
        legacy: as the official code, whose threshold is a byte: 256 is 0, and everything is inverted.

    >>> solarize(tf.constant([[[0, 100, 255]]], tf.uint8), 100).numpy().tolist()
    [[[0, 155, 0]]]
    """
    threshold = tf.cast(threshold, tf.int32)
    limit = tf.math.floormod(threshold, 256) if legacy else tf.clip_by_value(threshold, 0, 256)
    return _solarize(tf.convert_to_tensor(image, tf.uint8), limit)


def solarize_add(image: tf.Tensor, addition: Number, threshold: Number = 128) -> tf.Tensor:
    """Add to the values that are below `threshold`, within 0 to 255 (official autoaugment.py).

    Args:
        image: uint8 [height, width, 3].
        addition: a whole number.
        threshold: a whole number.

    >>> solarize_add(tf.constant([[[0, 100, 200]]], tf.uint8), 50).numpy().tolist()
    [[[50, 150, 200]]]
    """
    image = tf.convert_to_tensor(image, tf.uint8)
    return _solarize_add(image, tf.cast(addition, tf.int32), tf.cast(threshold, tf.int32))


@compiled
def _solarize(image: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.cast(image, tf.int32) < threshold, image, 255 - image)


@compiled
def _solarize_add(image: tf.Tensor, addition: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    values = tf.cast(image, tf.int32)
    added = tf.clip_by_value(values + addition, 0, 255)
    return tf.cast(tf.where(values < threshold, added, values), tf.uint8)
