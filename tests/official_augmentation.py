"""The augmentation of the official TensorFlow code, as TensorFlow computes it: the reference of `legacy=True`.

The arithmetic is that of `benchmarking/official_augment.py`, whose speed is measured; here an operation is called
alone, and what TensorFlow makes of numbers that no byte can hold is left to it. Functions take and return uint8
[H, W, 3].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from efficientnet_tf.benchmarking.official_augment import OPERATIONS

FILL = 128

NAMES = {
    "auto_contrast": "AutoContrast",
    "equalize": "Equalize",
    "invert": "Invert",
    "solarize_add": "SolarizeAdd",
    "color": "Color",
    "contrast": "Contrast",
    "brightness": "Brightness",
    "sharpness": "Sharpness",
}
#: Whose arguments are tensors in the official code too, since their sign is drawn.
SIGNED = {
    "rotate": "Rotate",
    "shear_x": "ShearX",
    "shear_y": "ShearY",
    "translate_x": "TranslateX",
    "translate_y": "TranslateY",
}


def posterize(image: tf.Tensor, bits: int) -> tf.Tensor:
    """Shift right and back by 8 - bits, whatever TensorFlow makes of a shift below 0 or above 7."""
    shift = tf.cast(8 - bits, tf.uint8)
    return tf.bitwise.left_shift(tf.bitwise.right_shift(image, shift), shift)


def solarize(image: tf.Tensor, threshold: int) -> tf.Tensor:
    """Invert what is not below the threshold, whatever becomes of a threshold above 255 in uint8."""
    return tf.where(image < threshold, image, 255 - image)


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


def _by_number(name: str) -> Callable[..., tf.Tensor]:
    return lambda image, argument=0: OPERATIONS[name](image, argument)


def _by_tensor(name: str) -> Callable[..., tf.Tensor]:
    return lambda image, argument: OPERATIONS[name](image, tf.constant(argument, tf.float32))


OFFICIAL: Mapping[str, Callable[..., tf.Tensor]] = {
    **{ours: _by_number(name) for ours, name in NAMES.items()},
    "posterize": posterize,
    "solarize": solarize,
    **{ours: _by_tensor(name) for ours, name in SIGNED.items()},
    "cutout": cutout,
}
