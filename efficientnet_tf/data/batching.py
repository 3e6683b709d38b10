"""From single pictures to batches: mixed in training, filled up or cleared of what is damaged in evaluation."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

#: From pictures, uint8 [batch, height, width, 3], labels, float32 [batch, classes], and a seed, int32 [2], to both.
Mix = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

# In place of the number of an example, for seeds that belong to none: numbers begin at 0.
_BATCHES, _AUGMENTATION = -1, -2


def augmentation_seed(seed: tf.Tensor) -> tf.Tensor:
    """Return the seed of an example's augmentation, int32 [2], which its crop does not use."""
    return _as_int32(tf.random.fold_in(seed, tf.constant(_AUGMENTATION, seed.dtype)))


def mixing_seed(epoch_seed: tf.Tensor, batch: tf.Tensor, shard: int) -> tf.Tensor:
    """Return the seed of a batch, int32 [2], another for each epoch, batch and shard."""
    for number in (_BATCHES, batch, shard):
        epoch_seed = tf.random.fold_in(epoch_seed, tf.cast(number, tf.int64))
    return _as_int32(epoch_seed)


def training_batches(
    pictures: tf.data.Dataset,
    batch_size: int,
    *,
    drop_remainder: bool,
    mix: Mix | None,
    shard: int,
    first_batch: int = 0,
) -> tf.data.Dataset:
    """Return batches of (images, labels) from (picture, label, seed of the epoch), numbered from `first_batch`."""
    if mix is None:
        pictures = pictures.map(lambda picture, label, _: (picture, label))
        return pictures.batch(batch_size, drop_remainder=drop_remainder)

    def mixed(number: tf.Tensor, batch: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels, epoch_seeds = batch
        new_images, new_labels = mix(images, labels, mixing_seed(epoch_seeds[0], number, shard))
        return tf.ensure_shape(new_images, images.shape), tf.ensure_shape(new_labels, labels.shape)

    batches = pictures.batch(batch_size, drop_remainder=drop_remainder).enumerate(first_batch)
    return batches.map(lambda number, batch: mixed(number, batch), tf.data.AUTOTUNE, deterministic=True)


def padded_batches(pictures: tf.data.Dataset, batch_size: int, total: int) -> tf.data.Dataset:
    """Return full batches of (images, labels, weights) from (picture, label, whether it counts).

    Args:
        pictures: of known number.
        batch_size: images per batch.
        total: how many pictures the batches hold, black ones among them: a multiple of `batch_size`.
    """
    missing = total - int(pictures.cardinality())
    nothing = tuple(tf.zeros(part.shape, part.dtype) for part in pictures.element_spec)
    pictures = pictures.concatenate(tf.data.Dataset.from_tensors(nothing).repeat(missing))
    pictures = pictures.map(lambda picture, label, usable: (picture, label, tf.cast(usable, tf.float32)))
    return pictures.batch(batch_size, drop_remainder=True)


def cleared_batches(pictures: tf.data.Dataset, batch_size: int) -> tf.data.Dataset:
    """Return batches of (images, labels) from (picture, label, whether it counts), smaller where one does not."""

    def clear(images: tf.Tensor, labels: tf.Tensor, usable: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.cond(
            tf.reduce_all(usable),
            lambda: (images, labels),
            lambda: (tf.boolean_mask(images, usable), tf.boolean_mask(labels, usable)),
        )

    batches = pictures.batch(batch_size).map(clear, tf.data.AUTOTUNE, deterministic=True)
    # Nothing may be left of a batch, of the last one above all.
    return batches.filter(lambda images, labels: tf.shape(labels)[0] > 0)


def _as_int32(seed: tf.Tensor) -> tf.Tensor:
    # As a draw, not a cast: of the two halves of a folded seed one is a plain number.
    return tf.random.stateless_uniform([2], seed, minval=None, maxval=None, dtype=tf.int32)
