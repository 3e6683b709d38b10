"""MixUp and CutMix: every picture of a batch with another of it, and its label likewise."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from efficientnet_tf.augment.drawing import beta, seeds_of
from efficientnet_tf.augment.policies.grammar import Mix, MixUp


class BatchMixer:
    """Mixes each picture of a batch with the one at the same place from the end.

    With both kinds, each picture is mixed by one of them, drawn evenly. Every picture has its own weight, and its label
    has the weight that its pixels really have.

    >>> mixer = BatchMixer([MixUp(alpha=0.2)])
    >>> images, labels = mixer(tf.zeros([4, 8, 8, 3], tf.uint8), tf.eye(4), tf.constant([1, 2]))
    >>> images.shape, float(tf.reduce_sum(labels))
    (TensorShape([4, 8, 8, 3]), 4.0)
    """

    def __init__(self, mixes: Sequence[Mix]) -> None:
        self.mixes = tuple(mixes)

    def __call__(self, images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return mixed pictures and labels.

        Args:
            images: uint8 [batch, height, width, 3].
            labels: float32 [batch, classes].
            seed: int32 or int64 [2].
        """
        seeds = seeds_of(seed, 3)
        partners = tf.reverse(images, [0])
        count = tf.shape(images)[0]
        results = []
        for mix, key in zip(self.mixes, seeds, strict=False):
            change = _mix_up if isinstance(mix, MixUp) else _cut_mix
            results.append(change(images, partners, key, mix.alpha))
        if len(results) == 1:
            mixed, own = results[0]
        else:
            first = tf.random.stateless_uniform([count], seeds[2]) < 0.5
            (one, one_own), (other, other_own) = results
            mixed = tf.where(first[:, tf.newaxis, tf.newaxis, tf.newaxis], one, other)
            own = tf.where(first, one_own, other_own)
        own = own[:, tf.newaxis]
        labels = own * labels + (1 - own) * tf.reverse(labels, [0])
        return tf.ensure_shape(mixed, images.shape), labels


def _mix_up(images: tf.Tensor, partners: tf.Tensor, seed: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Return weighted means, and the weight of each picture's own pixels: float32 [batch]."""
    own = tf.cast(beta(seed, tf.shape(images)[0], alpha), tf.float32)
    weight = own[:, tf.newaxis, tf.newaxis, tf.newaxis]
    mixed = weight * tf.cast(images, tf.float32) + (1 - weight) * tf.cast(partners, tf.float32)
    return tf.cast(tf.clip_by_value(tf.round(mixed), 0.0, 255.0), tf.uint8), own


def _cut_mix(images: tf.Tensor, partners: tf.Tensor, seed: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Return pictures with a rectangle of their partners, and the share of their own pixels: float32 [batch].

    The rectangle has the picture's shape and the drawn area about an even centre; what lies outside is lost.
    """
    area_seed, place_seed = seeds_of(seed, 2)
    shape = tf.shape(images)
    sides = tf.cast(shape[1:3], tf.float32)
    area = 1 - tf.cast(beta(area_seed, shape[0], alpha), tf.float32)
    half = tf.sqrt(area)[:, tf.newaxis] * sides / 2
    center = tf.random.stateless_uniform([shape[0], 2], place_seed) * sides
    first = tf.clip_by_value(tf.round(center - half), 0.0, sides)
    end = tf.clip_by_value(tf.round(center + half), 0.0, sides)
    rows, columns = (_between(first[:, axis], end[:, axis], shape[1 + axis]) for axis in (0, 1))
    pasted = rows[:, :, tf.newaxis] & columns[:, tf.newaxis, :]
    own = 1 - tf.reduce_prod((end - first) / sides, axis=1)
    return tf.where(pasted[..., tf.newaxis], partners, images), own


def _between(first: tf.Tensor, end: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    position = tf.cast(tf.range(side), tf.float32)
    return (position >= first[:, tf.newaxis]) & (position < end[:, tf.newaxis])
