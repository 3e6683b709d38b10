"""Warps as the official code has them, from TensorFlow's ImageProjectiveTransform, rounding by rounding.

Its maps are of the numbers of pixels, so that the first is at (0, 0), and are computed in float32. Nearest is what
`std::round` says: halves go away from zero.
"""

from __future__ import annotations

import math

import tensorflow as tf

from efficientnet_tf.augment.ops.compiled import compiled
from efficientnet_tf.augment.ops.pixels import Affine, Number, double, sides, take


def official_rotation(degrees: Number, height: Number, width: Number) -> Affine:
    """Return the map of a rotation, counter-clockwise, about the middle of the outermost pixels' centres."""
    angle = tf.cast(degrees, tf.float32) * (math.pi / 180)
    cosine, sine = double(tf.cos(angle)), double(tf.sin(angle))
    bottom, right = double(height - 1), double(width - 1)
    across = _single(right - _single(_single(cosine * right) - _single(sine * bottom))) / 2
    down = _single(bottom - _single(_single(sine * right) + _single(cosine * bottom))) / 2
    return cosine, -sine, across, sine, cosine, down


def _single(number: tf.Tensor) -> tf.Tensor:
    """Round a float64 to float32.

    In float32 itself TensorFlow's optimizer would put the sums of a graph into an order of its own.
    """
    return tf.cast(tf.cast(number, tf.float32), tf.float64)


def official_warp(image: tf.Tensor, affine: Affine, *, fill: Number) -> tf.Tensor:
    """Return the image under an affine map; see `geometry.warp`."""
    numbers = tf.stack([_single(double(number)) for number in affine])
    return _moved(tf.convert_to_tensor(image, tf.uint8), numbers, tf.cast(fill, tf.uint8))


@compiled
def _moved(image: tf.Tensor, numbers: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    height, width = sides(image)
    columns = tf.cast(tf.range(width), tf.float64)[tf.newaxis]
    rows = tf.cast(tf.range(height), tf.float64)[:, tf.newaxis]

    def source(a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) -> tf.Tensor:
        # Products rounded one by one, as in `blends`: never joined with their sum in one machine instruction.
        place = _single(_single(_single(a * columns) + _single(b * rows)) + c)
        away = tf.floor(tf.abs(place) + 0.5)
        return tf.cast(tf.where(place < 0, -away, away), tf.int32)

    a, b, c, d, e, f = tf.unstack(numbers)
    return take(image, source(d, e, f), source(a, b, c), fill)
