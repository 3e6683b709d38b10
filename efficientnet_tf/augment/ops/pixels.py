"""What all warps share: maps of the plane, and the taking of pixels."""

from __future__ import annotations

import tensorflow as tf

Number = tf.Tensor | float | int

#: x' = a x + b y + c, y' = d x + e y + f, from output to input: (a, b, c, d, e, f).
Affine = tuple[Number, Number, Number, Number, Number, Number]


def take(image: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    """Return the pixels at some places, and a fill where there are none.

    Args:
        image: uint8 [height, width, channels].
        rows: int32 [height, width], any numbers.
        columns: int32 [height, width], any numbers.
        fill: uint8 [].
    """
    height, width = sides(image)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    pixels = tf.reshape(image, [height * width, image.shape[2] or tf.shape(image)[2]])
    moved = tf.gather(pixels, tf.where(inside, rows * width + columns, 0))
    return tf.ensure_shape(tf.where(inside[..., tf.newaxis], moved, fill), image.shape)


def sides(image: tf.Tensor) -> tuple[Number, Number]:
    """Return height and width, as numbers where they are known."""
    image = tf.convert_to_tensor(image, tf.uint8)
    shape = tf.shape(image)
    return tuple(shape[axis] if image.shape[axis] is None else int(image.shape[axis]) for axis in (0, 1))


def double(number: Number) -> tf.Tensor:
    """Return a number as float64."""
    # Not by a cast alone, which would make a float32 of a Python number first.
    return tf.cast(number, tf.float64) if tf.is_tensor(number) else tf.constant(number, tf.float64)
