"""Operations that look at how often each value occurs: Equalize and AutoContrast."""

from __future__ import annotations

import tensorflow as tf

from efficientnet_tf.augment.ops.compiled import compiled

_LEVELS = 256


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Make all values of a channel about equally frequent, as `PIL.ImageOps.equalize`.

    Args:
        image: uint8 [height, width, 3], of one pixel or more; the same for all operations of this module.

    Returns:
        uint8 of the same shape. A channel of a single value, or so few pixels that there is nothing to spread, stays.

    >>> equalize(tf.constant([[[10, 0, 7]], [[20, 0, 7]]], tf.uint8)).numpy().tolist()
    [[[10, 0, 7]], [[20, 0, 7]]]
    """
    image = tf.convert_to_tensor(image, tf.uint8)
    return _apply_table(image, _equalize_table(_histogram(image)))


def auto_contrast(image: tf.Tensor) -> tf.Tensor:
    """Stretch every channel over 0 to 255, as `PIL.ImageOps.autocontrast`.

    >>> auto_contrast(tf.constant([[[10, 0, 7]], [[20, 255, 7]]], tf.uint8)).numpy().tolist()
    [[[0, 0, 7]], [[255, 255, 7]]]
    """
    image = tf.convert_to_tensor(image, tf.uint8)
    return _apply_table(image, _auto_contrast_table(_extremes(image)))


def _histogram(image: tf.Tensor) -> tf.Tensor:
    """Return how often each value occurs in each channel: int32 [3, 256]."""
    # The op behind tf.math.bincount, without its checks: bytes cannot be out of range.
    counts = tf.raw_ops.DenseBincount(
        input=_numbered(image), size=2 * 3 * _LEVELS, weights=tf.zeros([0], tf.int32), binary_output=False
    )
    return tf.reduce_sum(tf.reshape(counts, [2, 3, _LEVELS]), 0)


@compiled
def _numbered(image: tf.Tensor) -> tf.Tensor:
    """Return values so that each channel has its own, those of the odd pixels of a row others: int32 [values].

    To count one number twice in a row takes longer than two numbers, and neighbours are often alike.
    """
    offsets = tf.reshape(tf.range(0, 2 * 3 * _LEVELS, _LEVELS), [2, 3])
    odd = tf.range(tf.shape(image)[1]) % 2
    return tf.reshape(tf.cast(image, tf.int32) + tf.gather(offsets, odd), [-1])


@compiled
def _extremes(image: tf.Tensor) -> tf.Tensor:
    """Return the lowest and the highest value of each channel: uint8 [2, 3]."""
    height, width, channels = image.shape if image.shape.is_fully_defined() else tf.unstack(tf.shape(image))
    # Along whole rows first, many values at once.
    rows = tf.reshape(image, [height, width * channels])
    ends = [reduce(rows, 0) for reduce in (tf.reduce_min, tf.reduce_max)]
    low, high = (tf.reshape(end, [width, channels]) for end in ends)
    return tf.stack([tf.reduce_min(low, 0), tf.reduce_max(high, 0)])


def _equalize_table(counts: tf.Tensor) -> tf.Tensor:
    """Return the new value for each value of each channel: int32 [3, 256] to int32 [3, 256]."""
    values = tf.range(_LEVELS)
    last = tf.reduce_max(tf.where(counts > 0, values, 0), axis=1, keepdims=True)
    step = (tf.reduce_sum(counts, 1, keepdims=True) - tf.gather(counts, last, batch_dims=1)) // (_LEVELS - 1)
    spread = (step // 2 + tf.cumsum(counts, axis=1, exclusive=True)) // tf.maximum(step, 1)
    return tf.where(step > 0, tf.minimum(spread, _LEVELS - 1), values)


def _auto_contrast_table(extremes: tf.Tensor) -> tf.Tensor:
    """Return the new value for each value of each channel: uint8 [2, 3] to int32 [3, 256]."""
    values = tf.range(_LEVELS)
    low, high = tf.unstack(tf.cast(extremes, tf.int32)[..., tf.newaxis])
    # In float64, as Python computes it: float32 would round some values to their neighbours.
    scale = 255.0 / tf.cast(tf.maximum(high - low, 1), tf.float64)
    stretched = tf.cast(values, tf.float64) * scale - tf.cast(low, tf.float64) * scale
    stretched = tf.cast(tf.clip_by_value(stretched, 0.0, 255.0), tf.int32)
    return tf.where(high > low, stretched, values)


@compiled
def _look_up(image: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    # Channel by channel: as one lookup in a table of 768 it takes twice as long.
    channels = [tf.gather(table[channel], tf.cast(image[..., channel], tf.int32)) for channel in range(3)]
    return tf.stack(channels, -1)


def _apply_table(image: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """Replace every value by the table's: uint8 [height, width, 3], int32 [3, 256]."""
    return _look_up(tf.convert_to_tensor(image, tf.uint8), tf.cast(table, tf.uint8))
