"""AugMix: chains of operations, mixed with each other and with the picture (Hendrycks et al., ICLR 2020)."""

from __future__ import annotations

import tensorflow as tf

from efficientnet_tf.augment.choosing import Arguments, picture_sides
from efficientnet_tf.augment.dispatch import dispatcher
from efficientnet_tf.augment.drawing import beta, log_gamma, seeds_of, uniform
from efficientnet_tf.augment.policies.grammar import AugMix
from efficientnet_tf.augment.policies.tables import AUGMIX
from efficientnet_tf.augment.stages import words_for

_LOWEST_LEVEL = 0.1
_DEEPEST = 3


class Mixture:
    """`width` chains of one to three operations; their weighted mean, and that with the picture.

    Unlike the paper's code, degrees and pixels keep their fractions, and what moves takes the nearest pixel.
    """

    def __init__(self, plan: AugMix) -> None:
        self._plan = plan
        self._dispatch = dispatcher(AUGMIX)
        self._arguments = Arguments(self._dispatch.names, "augmix")
        self._depth = plan.depth or _DEEPEST

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        operations, arguments, weights, share = self._choose(image, seed)
        mixed = tf.zeros(tf.shape(image), tf.float32)
        # No operation of AugMix needs a place.
        place = tf.zeros([2])
        for chain in range(self._plan.width):
            changed = image
            for step in range(self._depth):
                changed = self._dispatch(changed, operations[chain, step], arguments[chain, step], place)
            mixed += weights[chain] * tf.cast(changed, tf.float32)
        mixed = (1 - share) * tf.cast(image, tf.float32) + share * mixed
        return tf.cast(tf.clip_by_value(tf.round(mixed), 0, 255), tf.uint8)

    def describe(self, image: tf.Tensor, seed: tf.Tensor) -> str:
        operations, arguments, weights, share = self._choose(image, seed)
        chains = []
        for chain in range(self._plan.width):
            pairs = zip(operations[chain].numpy(), arguments[chain].numpy(), strict=True)
            words = [words_for(self._dispatch.names[number], argument) for number, argument in pairs]
            chains.append(f"{float(share * weights[chain]):.2f} ({', '.join(word for word in words if word)})")
        return " + ".join([f"{1 - float(share):.2f} original", *chains])

    def _choose(self, image: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return operations and arguments, [width, depth], the weight of each chain and the share of all chains."""
        drawing, weighing, sharing = seeds_of(seed, 3)
        width, depth = self._plan.width, self._depth
        count = width * depth
        drawn = uniform(drawing, 3 * count + width)
        operations = 1 + tf.cast(drawn[:count] * len(AUGMIX), tf.int32)
        operations = tf.minimum(operations, len(AUGMIX))
        levels = _LOWEST_LEVEL + tf.cast(drawn[count : 2 * count], tf.float64) * (self._plan.severity - _LOWEST_LEVEL)
        signs = drawn[2 * count : 3 * count] < 0.5
        arguments = self._arguments.at(operations, levels, signs, picture_sides(image))
        lengths = depth if self._plan.depth else 1 + tf.cast(drawn[3 * count :, tf.newaxis] * depth, tf.int32)
        used = tf.range(depth)[tf.newaxis] < lengths
        operations = tf.where(used, tf.reshape(operations, [width, depth]), 0)
        # Dirichlet: independent Gamma variables over their sum.
        weights = tf.cast(tf.nn.softmax(log_gamma(weighing, width, self._plan.alpha)), tf.float32)
        share = tf.cast(beta(sharing, 1, self._plan.alpha)[0], tf.float32)
        return operations, tf.reshape(arguments, [width, depth]), weights, share
