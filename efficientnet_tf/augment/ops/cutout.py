"""Cutout: a rectangle of the image gives way to one value, or to noise."""

from __future__ import annotations

import tensorflow as tf

from efficientnet_tf.augment.ops.compiled import compiled

Number = tf.Tensor | float | int


def cutout(
    image: tf.Tensor,
    center: tuple[Number, Number],
    half_size: Number | tuple[Number, Number],
    *,
    fill: Number | tf.Tensor = 128,
) -> tf.Tensor:
    """Fill a rectangle about a centre, as far as it lies in the image (official autoaugment.py).

    Args:
        image: uint8 [height, width, 3].
        center: y and x in pixels; the rectangle goes from `center - half_size` to `center + half_size`, the end not
            included.
        half_size: half the side in pixels, of a square, or of height and width; 0 or less leaves the image.
        fill: one value, 0 to 255, or uint8 [height, width, 3] to take values from (see `noise`).

    >>> cutout(tf.zeros([2, 3, 1], tf.uint8), (0, 2), 1)[..., 0].numpy().tolist()
    [[0, 128, 128], [0, 0, 0]]
    """
    image = tf.convert_to_tensor(image, tf.uint8)
    half_y, half_x = half_size if isinstance(half_size, tuple) else (half_size, half_size)
    center, half = (tf.stack([tf.cast(n, tf.int32) for n in pair]) for pair in (center, (half_y, half_x)))
    return fill_rectangle(image, center - half, center + half, fill=fill)


def fill_rectangle(image: tf.Tensor, first: tf.Tensor, end: tf.Tensor, *, fill: Number | tf.Tensor) -> tf.Tensor:
    """Fill a rectangle, as far as it lies in the image.

    Args:
        image: uint8 [height, width, 3].
        first: y and x of the corner, int32 [2]: the first row and column.
        end: the first row and column that are not filled any more, int32 [2].
        fill: as for `cutout`.
    """
    return _filled(tf.convert_to_tensor(image, tf.uint8), tf.concat([first, end], 0), tf.cast(fill, tf.uint8))


@compiled
def _filled(image: tf.Tensor, place: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    """Fill from place[:2] to place[2:]: int32 [4]."""
    first, end = place[:2], place[2:]
    rows, columns = tf.range(tf.shape(image)[0])[:, tf.newaxis], tf.range(tf.shape(image)[1])
    hidden = (rows >= first[0]) & (rows < end[0]) & (columns >= first[1]) & (columns < end[1])
    return tf.where(hidden[..., tf.newaxis], fill, image)


def noise(shape: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return even noise, uint8 0 to 255, to fill a cutout with; seed is int32 or int64 [2].

    >>> noise([2, 2, 3], tf.constant([1, 2])).shape
    TensorShape([2, 2, 3])
    """
    shape = tf.convert_to_tensor(shape, tf.int32)
    count = tf.reduce_prod(shape)
    # Eight bytes of each random word.
    words = tf.random.stateless_uniform([(count + 7) // 8], tf.cast(seed, tf.int64), None, None, tf.uint64, "philox")
    return tf.reshape(tf.reshape(tf.bitcast(words, tf.uint8), [-1])[:count], shape)
