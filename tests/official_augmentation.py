"""The augmentation of the official TensorFlow code, as TensorFlow computes it: the reference of `legacy=True`.

Written from a description of that code's arithmetic, on the same primitives, defects included; arguments are what the
official levels give. Functions take and return uint8 [H, W, 3]; Python numbers are arguments, and geometric ones
become float32, as they do there when a random sign is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import tensorflow as tf

FILL = 128
IMAGE_AND_PRESENCE = 4  # channels: red, green, blue, and 1 wherever there is a pixel


def blend(degenerate: tf.Tensor, image: tf.Tensor, factor: float) -> tf.Tensor:
    """Return degenerate + factor * (image - degenerate) in float32, cut off after the point; clipped beyond 0...1."""
    if factor == 0:
        return degenerate
    if factor == 1:
        return image
    low, high = tf.cast(degenerate, tf.float32), tf.cast(image, tf.float32)
    mixed = low + factor * (high - low)
    if 0 < factor < 1:
        return tf.cast(mixed, tf.uint8)
    return tf.cast(tf.clip_by_value(mixed, 0, 255), tf.uint8)


def color(image: tf.Tensor, factor: float) -> tf.Tensor:
    return blend(tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(image)), image, factor)


def contrast(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Blend with what is meant to be the mean: the number of pixels over 256, at most 255, whatever their values."""
    counts = tf.histogram_fixed_width(tf.cast(tf.image.rgb_to_grayscale(image), tf.int32), [0, 255], nbins=256)
    mean = tf.clip_by_value(tf.reduce_sum(tf.cast(counts, tf.float32)) / 256, 0, 255)
    return blend(tf.fill(tf.shape(image), tf.cast(mean, tf.uint8)), image, factor)


def brightness(image: tf.Tensor, factor: float) -> tf.Tensor:
    return blend(tf.zeros_like(image), image, factor)


def sharpness(image: tf.Tensor, factor: float) -> tf.Tensor:
    """Blend with a smoothed picture, cut off after the point; a picture of fewer than 3 rows or columns is an error."""
    kernel = tf.constant([[1, 1, 1], [1, 5, 1], [1, 1, 1]], tf.float32) / 13
    kernel = tf.tile(kernel[:, :, None, None], [1, 1, 3, 1])
    smooth = tf.nn.depthwise_conv2d(tf.cast(image, tf.float32)[None], kernel, [1, 1, 1, 1], "VALID")[0]
    smooth = tf.cast(tf.clip_by_value(smooth, 0, 255), tf.uint8)
    border = [[1, 1], [1, 1], [0, 0]]
    inside = tf.pad(tf.ones_like(smooth), border) == 1
    return blend(tf.where(inside, tf.pad(smooth, border), image), image, factor)


def auto_contrast(image: tf.Tensor) -> tf.Tensor:
    def stretched(channel: tf.Tensor) -> tf.Tensor:
        low, high = (tf.cast(bound(channel), tf.float32) for bound in (tf.reduce_min, tf.reduce_max))
        if not high > low:
            return channel
        scale = 255 / (high - low)
        values = tf.cast(channel, tf.float32) * scale + -low * scale
        return tf.cast(tf.clip_by_value(values, 0, 255), tf.uint8)

    return _by_channel(stretched, image)


def equalize(image: tf.Tensor) -> tf.Tensor:
    def equalized(channel: tf.Tensor) -> tf.Tensor:
        counts = tf.histogram_fixed_width(tf.cast(channel, tf.int32), [0, 255], nbins=256)
        last = tf.boolean_mask(counts, counts != 0)[-1]
        step = (tf.reduce_sum(counts) - last) // 255
        if step == 0:
            return channel
        table = tf.clip_by_value((tf.cumsum(counts, exclusive=True) + step // 2) // step, 0, 255)
        # The first entry is 0 there, not step // 2 // step, which is 0 as well.
        return tf.cast(tf.gather(table, tf.cast(channel, tf.int32)), tf.uint8)

    return _by_channel(equalized, image)


def invert(image: tf.Tensor) -> tf.Tensor:
    return 255 - image


def posterize(image: tf.Tensor, bits: int) -> tf.Tensor:
    """Shift right and back by 8 - bits, whatever TensorFlow makes of a shift below 0 or above 7."""
    shift = tf.cast(8 - bits, tf.uint8)
    return tf.bitwise.left_shift(tf.bitwise.right_shift(image, shift), shift)


def solarize(image: tf.Tensor, threshold: int) -> tf.Tensor:
    """Invert what is not below the threshold, whatever becomes of a threshold above 255 in uint8."""
    return tf.where(image < threshold, image, 255 - image)


def solarize_add(image: tf.Tensor, addition: int) -> tf.Tensor:
    added = tf.clip_by_value(tf.cast(image, tf.int64) + addition, 0, 255)
    return tf.where(image < 128, tf.cast(added, tf.uint8), image)


def rotate(image: tf.Tensor, degrees: float) -> tf.Tensor:
    """Turn counter-clockwise about the middle of the outermost pixels' centres."""
    angle = tf.constant(degrees, tf.float32) * (math.pi / 180)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    bottom, right = (tf.cast(side - 1, tf.float32) for side in image.shape[:2])
    across = (right - (cosine * right - sine * bottom)) / 2
    down = (bottom - (sine * right + cosine * bottom)) / 2
    return _transformed(image, [cosine, -sine, across, sine, cosine, down])


def shear_x(image: tf.Tensor, shear: float) -> tf.Tensor:
    return _transformed(image, [1, shear, 0, 0, 1, 0])


def shear_y(image: tf.Tensor, shear: float) -> tf.Tensor:
    return _transformed(image, [1, 0, 0, shear, 1, 0])


def translate_x(image: tf.Tensor, pixels: float) -> tf.Tensor:
    return _transformed(image, [1, 0, pixels, 0, 1, 0])


def translate_y(image: tf.Tensor, pixels: float) -> tf.Tensor:
    return _transformed(image, [1, 0, 0, 0, 1, pixels])


def cutout(image: tf.Tensor, center: tuple[int, int], half_size: int, fill: int = FILL) -> tf.Tensor:
    """Paint over the square about a centre (row, column), as far as it lies inside."""
    height, width = image.shape[:2]
    (row, column), side = center, half_size
    margins = [
        [max(0, row - side), max(0, height - row - side)],
        [max(0, column - side), max(0, width - column - side)],
    ]
    hole = tf.zeros([height - sum(margins[0]), width - sum(margins[1])], tf.uint8)
    mask = tf.pad(hole, margins, constant_values=1)[..., None]
    return tf.where(mask == 0, tf.ones_like(image) * fill, image)


def _by_channel(function: Callable[[tf.Tensor], tf.Tensor], image: tf.Tensor) -> tf.Tensor:
    return tf.stack([function(image[..., channel]) for channel in range(3)], axis=-1)


def _transformed(image: tf.Tensor, matrix: list[float | tf.Tensor]) -> tf.Tensor:
    """Take each pixel from where the matrix points, nearest neighbour, and fill where that is outside."""
    present = tf.concat([image, tf.ones_like(image[..., :1])], axis=-1)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=present[None],
        transforms=tf.stack([tf.cast(value, tf.float32) for value in [*matrix, 0, 0]])[None],
        output_shape=image.shape[:2],
        fill_value=0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )[0]
    return tf.where(moved[..., IMAGE_AND_PRESENCE - 1 :] == 0, tf.cast(FILL, tf.uint8), moved[..., :3])


OFFICIAL: Mapping[str, Callable[..., tf.Tensor]] = {
    function.__name__: function
    for function in (
        *(auto_contrast, equalize, invert, posterize, solarize, solarize_add, color, contrast, brightness, sharpness),
        *(rotate, shear_x, shear_y, translate_x, translate_y, cutout),
    )
}
