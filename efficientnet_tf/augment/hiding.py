"""Parts of pictures hidden: Cutout over every picture, random erasing over some."""

from __future__ import annotations

import tensorflow as tf

from efficientnet_tf.augment import ops
from efficientnet_tf.augment.drawing import seeds_of, uniform
from efficientnet_tf.augment.policies.grammar import Cutout, Erasing

_GREY = 128


class Hide:
    """Cutout: a square about a random place (DeVries and Taylor, 2017; the official V2 code's `ft`)."""

    def __init__(self, plan: Cutout) -> None:
        self._plan = plan

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        place_seed, noise_seed = seeds_of(seed, 2)
        center, half = self._square(image, place_seed)
        return ops.cutout(image, (center[0], center[1]), half, fill=_fill(self._plan.fill, image, noise_seed))

    def describe(self, image: tf.Tensor, seed: tf.Tensor) -> str:
        return f"Cutout {2 * int(self._square(image, seeds_of(seed, 2)[0])[1])} px"

    def _square(self, image: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        sides = tf.cast(tf.shape(image)[:2], tf.float32)
        half = tf.cast(tf.round(self._plan.size / 2 * tf.reduce_min(sides)), tf.int32)
        return tf.cast(uniform(seed, 2) * sides, tf.int32), half


class Erase:
    """Random erasing: a rectangle of random area and shape, wholly inside the picture, with a probability."""

    def __init__(self, plan: Erasing) -> None:
        self._plan = plan

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        place_seed, noise_seed = seeds_of(seed, 2)
        applied, first, size = self._rectangle(image, place_seed)

        def erased() -> tf.Tensor:
            fill = _fill(self._plan.fill, image, noise_seed)
            return ops.fill_rectangle(image, first, first + size, fill=fill)

        return tf.ensure_shape(tf.cond(applied, erased, lambda: tf.identity(image)), image.shape)

    def describe(self, image: tf.Tensor, seed: tf.Tensor) -> str:
        applied, _, size = self._rectangle(image, seeds_of(seed, 2)[0])
        return f"Erasing {int(size[0])} x {int(size[1])} px" if applied else ""

    def _rectangle(self, image: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return (whether, first corner, size): bool [], int32 [2], int32 [2]."""
        plan, drawn = self._plan, uniform(seed, 5)
        sides = tf.cast(tf.shape(image)[:2], tf.float32)
        area = tf.reduce_prod(sides) * (plan.smallest + drawn[1] * (plan.largest - plan.smallest))
        # As many rectangles stand as lie.
        ratio = tf.exp((2 * drawn[2] - 1) * tf.math.log(1 / plan.aspect))
        size = tf.round(tf.sqrt(tf.stack([area * ratio, area / ratio])))
        size = tf.clip_by_value(size, 1.0, sides)
        first = tf.floor(drawn[3:] * (sides - size + 1))
        return drawn[0] < plan.p, tf.cast(first, tf.int32), tf.cast(size, tf.int32)


def _fill(kind: str, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return ops.noise(tf.shape(image), seed) if kind == "noise" else tf.constant(_GREY, tf.uint8)
