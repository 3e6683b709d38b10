"""Operations that move pixels: Rotate, ShearX, ShearY, TranslateX, TranslateY; all are one warp.

Each output pixel takes the value of the nearest input pixel, as in the official code. Where it comes from is computed
as Pillow computes it, in whole numbers of 1/65536 pixel, so that images are equal to Pillow's to the last pixel.
"""

from __future__ import annotations

import math

import tensorflow as tf

from efficientnet_tf.augment.ops.compiled import compiled
from efficientnet_tf.augment.ops.official_geometry import official_rotation, official_warp
from efficientnet_tf.augment.ops.pixels import Affine, Number, double, sides, take

#: Where a warp finds no pixel: the official grey.
FILL = 128

_FRACTION_BITS = 16
_ONE = 1 << _FRACTION_BITS


def rotate(image: tf.Tensor, degrees: Number, *, fill: Number = FILL, legacy: bool = False) -> tf.Tensor:
    """Rotate counter-clockwise about the centre, as `PIL.Image.rotate`.

    Args:
        image: uint8 [height, width, 3], sides below 32,768; the same for all operations of this module.
        degrees: any number.
        fill: value of what comes from outside the image, 0 to 255.
        legacy: as the official code, where the first pixel, not its upper left corner, is at (0, 0): other pixels are
            the nearest, here and there.

    >>> rotate(tf.constant([[[1], [2]], [[3], [4]]], tf.uint8), 90)[..., 0].numpy().tolist()
    [[2, 4], [1, 3]]
    """
    height, width = sides(image)
    turn = official_rotation if legacy else rotation
    return _warp(image, turn(degrees, height, width), fill, legacy)


def shear_x(image: tf.Tensor, shear: Number, *, fill: Number = FILL, legacy: bool = False) -> tf.Tensor:
    """Move every row to the left by `shear` times its y.

    >>> shear_x(tf.constant([[[1], [2]], [[3], [4]]], tf.uint8), 1.0)[..., 0].numpy().tolist()
    [[2, 128], [128, 128]]
    """
    return _warp(image, (1.0, shear, 0.0, 0.0, 1.0, 0.0), fill, legacy)


def shear_y(image: tf.Tensor, shear: Number, *, fill: Number = FILL, legacy: bool = False) -> tf.Tensor:
    """Move every column up by `shear` times its x; see `shear_x`."""
    return _warp(image, (1.0, 0.0, 0.0, shear, 1.0, 0.0), fill, legacy)


def translate_x(image: tf.Tensor, pixels: Number, *, fill: Number = FILL, legacy: bool = False) -> tf.Tensor:
    """Move the image to the left by a number of pixels.

    >>> translate_x(tf.constant([[[1], [2], [3]]], tf.uint8), 1)[..., 0].numpy().tolist()
    [[2, 3, 128]]
    """
    return _warp(image, (1.0, 0.0, pixels, 0.0, 1.0, 0.0), fill, legacy)


def translate_y(image: tf.Tensor, pixels: Number, *, fill: Number = FILL, legacy: bool = False) -> tf.Tensor:
    """Move the image up by a number of pixels; see `translate_x`."""
    return _warp(image, (1.0, 0.0, 0.0, 0.0, 1.0, pixels), fill, legacy)


def rotation(degrees: Number, height: Number, width: Number) -> Affine:
    """Return the map of a rotation about the centre of an image."""
    angle = double(degrees) * (-math.pi / 180)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    middle_x, middle_y = tf.cast(width, tf.float64) / 2, tf.cast(height, tf.float64) / 2
    offset_x = middle_x - cosine * middle_x - sine * middle_y
    offset_y = middle_y + sine * middle_x - cosine * middle_y
    return cosine, sine, offset_x, -sine, cosine, offset_y


def warp(image: tf.Tensor, affine: Affine, *, fill: Number = FILL) -> tf.Tensor:
    """Return the image under an affine map, as `PIL.Image.transform` by `AFFINE` and `NEAREST`.

    Args:
        image: uint8 [height, width, channels], sides below 32,768.
        affine: from points of the output to points of the input; the centre of the first pixel is (1/2, 1/2).
        fill: value of what comes from outside.
    """
    a, b, c, d, e, f = (double(number) for number in affine)
    # Where the centre of the first pixel comes from; of a mere translation Pillow rounds it to whole pixels.
    first = tf.stack([c + 0.5 * (a + b), f + 0.5 * (d + e)])
    moved_alone = (a == 1) & (b == 0) & (d == 0) & (e == 1)
    first = tf.where(moved_alone, tf.floor(first), first)
    fixed = tf.concat([tf.stack([a, b, d, e]), first], 0)
    fixed = tf.cast(tf.floor(fixed * _ONE + 0.5), tf.int32)
    return _moved(tf.convert_to_tensor(image, tf.uint8), fixed, tf.cast(fill, tf.uint8))


def _warp(image: tf.Tensor, affine: Affine, fill: Number, legacy: bool) -> tf.Tensor:
    return official_warp(image, affine, fill=fill) if legacy else warp(image, affine, fill=fill)


@compiled
def _moved(image: tf.Tensor, fixed: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    """Return the image with each pixel from where `fixed` says.

    Args:
        image: uint8 [height, width, channels].
        fixed: a, b, d, e, and where the centre of the first pixel comes from, in units of 1/65536: int32 [6].
        fill: uint8 [].
    """
    height, width = sides(image)
    columns, rows = tf.range(width)[tf.newaxis], tf.range(height)[:, tf.newaxis]
    x = tf.bitwise.right_shift(columns * fixed[0] + (rows * fixed[1] + fixed[4]), _FRACTION_BITS)
    y = tf.bitwise.right_shift(columns * fixed[2] + (rows * fixed[3] + fixed[5]), _FRACTION_BITS)
    return take(image, y, x, fill)
