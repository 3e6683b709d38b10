"""Operations that move pixels: Rotate, ShearX, ShearY, TranslateX, TranslateY; all are one warp.

Each output pixel takes the value of the nearest input pixel, as in the official code. Where it comes from is computed
as Pillow computes it, in whole numbers of 1/65536 pixel, so that images are equal to Pillow's to the last pixel.
"""

from __future__ import annotations

import math

import tensorflow as tf

from efficientnet_tf.augment.ops.compiled import compiled

Number = tf.Tensor | float | int

#: Where a warp finds no pixel: the official grey.
FILL = 128

_FRACTION_BITS = 16
_ONE = 1 << _FRACTION_BITS

#: x' = a x + b y + c, y' = d x + e y + f, from output to input: six float64 scalars.
Affine = tuple[Number, Number, Number, Number, Number, Number]


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
    height, width = _sides(image)
    if legacy:
        return warp(image, rotation(degrees, height - 1, width - 1), fill=fill, centred=False)
    return warp(image, rotation(degrees, height, width), fill=fill)


def shear_x(image: tf.Tensor, shear: Number, *, fill: Number = FILL, legacy: bool = False) -> tf.Tensor:
    """Move every row to the left by `shear` times its y.

    >>> shear_x(tf.constant([[[1], [2]], [[3], [4]]], tf.uint8), 1.0)[..., 0].numpy().tolist()
    [[2, 128], [128, 128]]
    """
    return warp(image, (1.0, shear, 0.0, 0.0, 1.0, 0.0), fill=fill, centred=not legacy)


def shear_y(image: tf.Tensor, shear: Number, *, fill: Number = FILL, legacy: bool = False) -> tf.Tensor:
    """Move every column up by `shear` times its x; see `shear_x`."""
    return warp(image, (1.0, 0.0, 0.0, shear, 1.0, 0.0), fill=fill, centred=not legacy)


def translate_x(image: tf.Tensor, pixels: Number, *, fill: Number = FILL, legacy: bool = False) -> tf.Tensor:
    """Move the image to the left by a number of pixels.

    >>> translate_x(tf.constant([[[1], [2], [3]]], tf.uint8), 1)[..., 0].numpy().tolist()
    [[2, 3, 128]]
    """
    return warp(image, (1.0, 0.0, pixels, 0.0, 1.0, 0.0), fill=fill, centred=not legacy)


def translate_y(image: tf.Tensor, pixels: Number, *, fill: Number = FILL, legacy: bool = False) -> tf.Tensor:
    """Move the image up by a number of pixels; see `translate_x`."""
    return warp(image, (1.0, 0.0, 0.0, 0.0, 1.0, pixels), fill=fill, centred=not legacy)


def rotation(degrees: Number, height: Number, width: Number) -> Affine:
    """Return the map of a rotation about the centre of an image."""
    angle = tf.cast(degrees, tf.float64) * (-math.pi / 180)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    middle_x, middle_y = tf.cast(width, tf.float64) / 2, tf.cast(height, tf.float64) / 2
    offset_x = middle_x - cosine * middle_x - sine * middle_y
    offset_y = middle_y + sine * middle_x - cosine * middle_y
    return cosine, sine, offset_x, -sine, cosine, offset_y


def warp(image: tf.Tensor, affine: Affine, *, fill: Number = FILL, centred: bool = True) -> tf.Tensor:
    """Return the image under an affine map, as `PIL.Image.transform` by `AFFINE` and `NEAREST`.

    Args:
        image: uint8 [height, width, channels], sides below 32,768.
        affine: from output to input.
        fill: value of what comes from outside.
        centred: the map is one of points, where the centre of the first pixel is (1/2, 1/2), as in Pillow; otherwise
            one of the numbers of pixels, as in TensorFlow, and so in the official code.
    """
    image = tf.convert_to_tensor(image, tf.uint8)
    a, b, c, d, e, f = (tf.cast(number, tf.float64) for number in affine)
    half = 0.5 * tf.stack([a + b, d + e]) if centred else tf.constant([0.5, 0.5], tf.float64)
    fixed = tf.concat([tf.stack([a, b, d, e]), tf.stack([c, f]) + half], 0)
    fixed = tf.cast(tf.floor(fixed * _ONE + 0.5), tf.int32)
    return _moved(image, fixed, tf.cast(fill, tf.uint8))


@compiled
def _moved(image: tf.Tensor, fixed: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    """Return the image with each pixel from where `fixed` says.

    Args:
        image: uint8 [height, width, channels].
        fixed: a, b, d, e, c, f in units of 1/65536, with half a pixel in c and f: int32 [6].
        fill: uint8 [].
    """
    height, width = _sides(image)
    columns, rows = tf.range(width)[tf.newaxis], tf.range(height)[:, tf.newaxis]
    x = _whole(columns * fixed[0] + (rows * fixed[1] + fixed[4]))
    y = _whole(columns * fixed[2] + (rows * fixed[3] + fixed[5]))
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    pixels = tf.reshape(image, [height * width, image.shape[2] or tf.shape(image)[2]])
    moved = tf.gather(pixels, tf.where(inside, y * width + x, 0))
    return tf.ensure_shape(tf.where(inside[..., tf.newaxis], moved, fill), image.shape)


def _whole(numbers: tf.Tensor) -> tf.Tensor:
    return tf.bitwise.right_shift(numbers, _FRACTION_BITS)


def _sides(image: tf.Tensor) -> tuple[Number, Number]:
    """Return height and width, as numbers where they are known."""
    image = tf.convert_to_tensor(image, tf.uint8)
    shape = tf.shape(image)
    return tuple(shape[axis] if image.shape[axis] is None else int(image.shape[axis]) for axis in (0, 1))
