"""The official TensorFlow code's augmentation as a graph, so that its speed can be measured beside ours.

Written from a description of the EfficientNet code and of the TensorFlow Model Garden, on the same primitives and with
the same branches: one `tf.cond` for each sub-policy of AutoAugment and for each operation of RandAugment, single
pictures, float32 between bytes and bytes. Numbers that are known when the graph is made are Python's; what is drawn is
stateful. For training, use `augment`, whose `legacy` gives the same pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import tensorflow as tf

from efficientnet_tf.augment.policies.levels import SPACES
from efficientnet_tf.augment.policies.tables import POLICIES, RANDAUGMENT

Number = tf.Tensor | float
Operation = Callable[[tf.Tensor, Number], tf.Tensor]

_GREY = 128


def autoaugment(image: tf.Tensor) -> tf.Tensor:
    """Return the picture, uint8 [h, w, 3], after a drawn sub-policy of AutoAugment's v0."""
    policy = POLICIES["v0"]
    chosen = tf.random.uniform([], maxval=len(policy), dtype=tf.int32)
    for number, row in enumerate(policy):
        image = tf.cond(
            tf.equal(chosen, number),
            lambda row=row, image=image: _sub_policy(image, row),  # type: ignore[misc]
            lambda image=image: image,
        )
    return image


def randaugment(image: tf.Tensor, layers: int = 2, level: float = 10) -> tf.Tensor:
    """Return the picture, uint8 [h, w, 3], after drawn operations, all at one level."""
    for _ in range(layers):
        chosen = tf.random.uniform([], maxval=len(RANDAUGMENT), dtype=tf.int32)
        for number, name in enumerate(RANDAUGMENT):
            image = tf.cond(
                tf.equal(chosen, number),
                lambda name=name, image=image: apply(image, name, level, "legacy_randaugment"),  # type: ignore[misc]
                lambda image=image: image,
            )
    return image


def apply(image: tf.Tensor, name: str, level: float, space: str = "legacy") -> tf.Tensor:
    """Return the picture after an operation at a level; what has two directions goes either way."""
    ramp = SPACES[space][name]
    argument: Number = ramp.at(level)
    if ramp.signed:
        kept = tf.cast(tf.floor(tf.random.uniform([]) + 0.5), tf.bool)
        argument = tf.cond(kept, lambda: argument, lambda: -argument)
    return OPERATIONS[name](image, argument)


def _sub_policy(image: tf.Tensor, row: Sequence[tuple[str, float, int]]) -> tf.Tensor:
    for name, probability, level in row:
        applied = tf.cast(tf.floor(tf.random.uniform([]) + probability), tf.bool)
        image = tf.cond(
            applied,
            lambda name=name, level=level, image=image: apply(image, name, level),  # type: ignore[misc]
            lambda image=image: image,
        )
    return image


def _blend(plain: tf.Tensor, image: tf.Tensor, factor: float) -> tf.Tensor:
    if factor in (0.0, 1.0):
        return image if factor else plain
    low = tf.cast(plain, tf.float32)
    mixed = low + factor * (tf.cast(image, tf.float32) - low)
    return tf.cast(mixed if 0 < factor < 1 else tf.clip_by_value(mixed, 0.0, 255.0), tf.uint8)


def _color(image: tf.Tensor, factor: float) -> tf.Tensor:
    return _blend(tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(image)), image, factor)


def _contrast(image: tf.Tensor, factor: float) -> tf.Tensor:
    grey = tf.cast(tf.image.rgb_to_grayscale(image), tf.int32)
    counts = tf.cast(tf.histogram_fixed_width(grey, [0, 255], nbins=256), tf.float32)
    mean = tf.clip_by_value(tf.reduce_sum(counts) / 256.0, 0.0, 255.0)
    plain = tf.ones_like(grey, tf.float32) * mean
    return _blend(tf.image.grayscale_to_rgb(tf.cast(plain, tf.uint8)), image, factor)


def _sharpness(image: tf.Tensor, factor: float) -> tf.Tensor:
    kernel = tf.constant([[1, 1, 1], [1, 5, 1], [1, 1, 1]], tf.float32)[..., tf.newaxis, tf.newaxis] / 13.0
    kernel = tf.tile(kernel, [1, 1, 3, 1])
    batch = tf.cast(image, tf.float32)[tf.newaxis]
    smooth = tf.nn.depthwise_conv2d(batch, kernel, [1, 1, 1, 1], "VALID")
    smooth = tf.squeeze(tf.cast(tf.clip_by_value(smooth, 0.0, 255.0), tf.uint8), [0])
    border = [[1, 1], [1, 1], [0, 0]]
    plain = tf.where(tf.equal(tf.pad(tf.ones_like(smooth), border), 1), tf.pad(smooth, border), image)
    return _blend(plain, image, factor)


def _auto_contrast(image: tf.Tensor, _: Number) -> tf.Tensor:
    def stretched(channel: tf.Tensor) -> tf.Tensor:
        low, high = (tf.cast(bound(channel), tf.float32) for bound in (tf.reduce_min, tf.reduce_max))

        def values() -> tf.Tensor:
            scale = 255.0 / (high - low)
            scaled = tf.cast(channel, tf.float32) * scale - low * scale
            return tf.cast(tf.clip_by_value(scaled, 0.0, 255.0), tf.uint8)

        return tf.cond(high > low, values, lambda: channel)

    return _by_channel(image, stretched)


def _equalize(image: tf.Tensor, _: Number) -> tf.Tensor:
    def equalized(channel: tf.Tensor) -> tf.Tensor:
        values = tf.cast(channel, tf.int32)
        counts = tf.histogram_fixed_width(values, [0, 255], nbins=256)
        present = tf.reshape(tf.gather(counts, tf.where(tf.not_equal(counts, 0))), [-1])
        step = (tf.reduce_sum(present) - present[-1]) // 255

        def spread() -> tf.Tensor:
            table = tf.concat([[0], ((tf.cumsum(counts) + step // 2) // step)[:-1]], 0)
            return tf.gather(tf.clip_by_value(table, 0, 255), values)

        return tf.cast(tf.cond(tf.equal(step, 0), lambda: values, spread), tf.uint8)

    return _by_channel(image, equalized)


def _posterize(image: tf.Tensor, bits: float) -> tf.Tensor:
    shift = tf.cast(8 - int(bits), image.dtype)
    return tf.bitwise.left_shift(tf.bitwise.right_shift(image, shift), shift)


def _solarize(image: tf.Tensor, threshold: float) -> tf.Tensor:
    return tf.where(image < tf.cast(int(threshold) % 256, tf.uint8), image, 255 - image)


def _solarize_add(image: tf.Tensor, addition: float) -> tf.Tensor:
    added = tf.cast(tf.clip_by_value(tf.cast(image, tf.int64) + int(addition), 0, 255), tf.uint8)
    return tf.where(image < 128, added, image)


def _cutout(image: tf.Tensor, half: float) -> tf.Tensor:
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    row = tf.random.uniform([], maxval=height, dtype=tf.int32)
    column = tf.random.uniform([], maxval=width, dtype=tf.int32)
    side = int(half)
    above, below = tf.maximum(0, row - side), tf.maximum(0, height - row - side)
    left, right = tf.maximum(0, column - side), tf.maximum(0, width - column - side)
    hole = tf.zeros(tf.stack([height - above - below, width - left - right]), image.dtype)
    mask = tf.pad(hole, [[above, below], [left, right]], constant_values=1)
    mask = tf.tile(mask[..., tf.newaxis], [1, 1, 3])
    return tf.where(tf.equal(mask, 0), tf.ones_like(image) * _GREY, image)


def _rotate(image: tf.Tensor, degrees: Number) -> tf.Tensor:
    angle = tf.cast(degrees * (math.pi / 180), tf.float32)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    bottom, right = (tf.cast(side - 1, tf.float32) for side in tf.unstack(tf.shape(image)[:2]))
    across = (right - (cosine * right - sine * bottom)) / 2
    down = (bottom - (sine * right + cosine * bottom)) / 2
    return _transformed(image, cosine, -sine, across, sine, cosine, down)


def _transformed(image: tf.Tensor, *matrix: Number) -> tf.Tensor:
    present = tf.concat([image, tf.ones_like(image[..., :1])], -1)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=present[tf.newaxis],
        transforms=tf.stack([tf.cast(value, tf.float32) for value in (*matrix, 0.0, 0.0)])[tf.newaxis],
        output_shape=tf.shape(image)[:2],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )[0]
    pixels = tf.reshape(moved, [-1, 4])
    grey = tf.constant([_GREY] * 3 + [1], tf.uint8)
    filled = tf.where(tf.equal(pixels[:, 3:], 0), tf.ones_like(pixels) * grey, pixels)
    return tf.reshape(filled, tf.shape(moved))[..., :3]


def _by_channel(image: tf.Tensor, function: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    return tf.stack([function(image[..., channel]) for channel in range(3)], 2)


OPERATIONS: dict[str, Operation] = {
    "AutoContrast": _auto_contrast,
    "Equalize": _equalize,
    "Invert": lambda image, _: 255 - image,
    "Posterize": _posterize,
    "Solarize": _solarize,
    "SolarizeAdd": _solarize_add,
    "Color": _color,
    "Contrast": _contrast,
    "Brightness": lambda image, factor: _blend(tf.zeros_like(image), image, factor),
    "Sharpness": _sharpness,
    "Rotate": _rotate,
    "ShearX": lambda image, shear: _transformed(image, 1.0, shear, 0.0, 0.0, 1.0, 0.0),
    "ShearY": lambda image, shear: _transformed(image, 1.0, 0.0, 0.0, shear, 1.0, 0.0),
    "TranslateX": lambda image, pixels: _transformed(image, 1.0, 0.0, pixels, 0.0, 1.0, 0.0),
    "TranslateY": lambda image, pixels: _transformed(image, 1.0, 0.0, 0.0, 0.0, 1.0, pixels),
    "Cutout": _cutout,
}
