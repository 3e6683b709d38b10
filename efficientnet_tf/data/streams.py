"""Records one after another, from files that are larger than memory: in which order, and with which seeds."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from efficientnet_tf.data.damage import Damage, surviving
from efficientnet_tf.data.indexed import Seeded
from efficientnet_tf.data.sharding import Plan
from efficientnet_tf.data.sources import Records

#: How many files are read at a time.
OPEN_FILES = 16

# Records that are taken from a file before the next file's turn.
_BLOCK = 16


class Stream:
    """One worker's part of some records.

    Args:
        records: all of them.
        plan: which of them.
        classes: the length of a label.
        damage: is told of those that cannot be decoded.
        size: height and width of the decoded pictures, in pixels.
        shuffle_buffer: among how many records the next one is drawn in training.
        passed_over: examples left out at the beginning of each epoch of training. They are decoded all the same, since
            one that is damaged would not have counted.
    """

    def __init__(
        self,
        records: Records,
        plan: Plan,
        *,
        classes: int,
        damage: Damage,
        size: tuple[int, int],
        shuffle_buffer: int,
        passed_over: int = 0,
    ) -> None:
        self._records, self._plan, self._classes = records, plan, classes
        self._damage, self._size, self._shuffle_buffer = damage, size, shuffle_buffer
        self._passed_over = passed_over
        self._columns = part_table(records)
        self._own = tf.constant([row in plan.files for row in range(len(records.parts))])

    def training(self, epochs: tf.data.Dataset, decode: Seeded, finish: Seeded) -> tf.data.Dataset:
        """Return (picture, label, seed of the epoch) of one epoch at each pass, as many as the smallest worker has.

        The files come in an order of the epoch, sixteen at a time, and their records through a buffer in which they
        are shuffled. In place of damaged records, the first of the epoch come again.
        """
        dataset = epochs.flat_map(lambda epoch_seed: self._one_epoch(epoch_seed, decode))
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self._plan.least - self._passed_over))
        return dataset.map(
            lambda picture, label, seed, epoch_seed: (finish(picture, seed), self._one_hot(label), epoch_seed),
            tf.data.AUTOTUNE,
            deterministic=True,
        )

    def evaluation(self, decode: Callable[[tf.Tensor], tf.Tensor]) -> tf.data.Dataset:
        """Return (picture, label, whether it counts) of every record, in order; a damaged one is black."""

        def fill(number: tf.Tensor, picture: tf.Tensor, label: tf.Tensor, lost: tf.Tensor) -> tuple[tf.Tensor, ...]:
            """Put back the places of what was lost before this record, and of the end nothing else."""
            own = tf.cast(number >= 0, tf.int64)
            usable = tf.concat([tf.zeros([lost], tf.bool), tf.ones([own], tf.bool)], 0)
            pictures = tf.cond(
                tf.size(usable) == 1,
                lambda: picture[tf.newaxis],
                lambda: tf.concat([tf.zeros([lost, *self._size, 3], tf.uint8), picture[tf.newaxis][:own]], 0),
            )
            pictures = tf.ensure_shape(pictures, [None, *self._size, 3])
            return pictures, self._one_hot(tf.concat([tf.fill([lost], -1), tf.fill([own], label)], 0)), usable

        dataset = self._share(numbered(self._records, self._columns, tf.constant(self._plan.files)))
        dataset = self._surviving(dataset, lambda number, image: decode(image))
        dataset = dataset.map(fill).unbatch()
        return dataset.apply(tf.data.experimental.assert_cardinality(self._plan.own))

    def _one_epoch(self, epoch_seed: tf.Tensor, decode: Seeded) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(len(self._records.parts)), epoch_seed)
        order = tf.boolean_mask(order, tf.gather(self._own, order))
        dataset = numbered(self._records, self._columns, order, min(OPEN_FILES, len(self._plan.files)))
        if self._shuffle_buffer > 1:
            # Of this function's graph alone: beside a global seed of 0, TensorFlow takes no tensor for a seed.
            tf.compat.v1.set_random_seed(1)
            dataset = dataset.shuffle(self._shuffle_buffer, seed=epoch_seed[1], reshuffle_each_iteration=False)

        def seed_of(number: tf.Tensor) -> tf.Tensor:
            return tf.random.fold_in(epoch_seed, number)

        dataset = self._surviving(self._share(dataset), lambda number, image: decode(image, seed_of(number)))
        dataset = dataset.filter(lambda number, picture, label, lost: number >= 0)
        dataset = dataset.map(lambda number, picture, label, lost: (picture, label, seed_of(number), epoch_seed))
        return dataset.repeat().take(self._plan.least).skip(self._passed_over)

    def _surviving(
        self, dataset: tf.data.Dataset, decode: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    ) -> tf.data.Dataset:
        def load(number: tf.Tensor, raw: Any) -> tuple[tf.Tensor, tf.Tensor]:
            image, label = self._records.parse(raw)
            return tf.ensure_shape(decode(number, image), [*self._size, 3]), label

        nothing = (tf.zeros([*self._size, 3], tf.uint8), tf.constant(0))
        return surviving(dataset, load, nothing, self._damage)

    def _share(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        return dataset.shard(self._plan.step, self._plan.begin) if self._plan.step > 1 else dataset

    def _one_hot(self, label: tf.Tensor) -> tf.Tensor:
        return tf.one_hot(label, self._classes)


def part_table(records: Records) -> tuple[tf.Tensor, ...]:
    """Return the file, skip, take, and number of the first record of each part, as columns."""
    return (
        tf.constant([os.fsencode(part.file) for part in records.parts]),
        tf.constant([part.skip for part in records.parts], tf.int64),
        tf.constant([part.take for part in records.parts], tf.int64),
        tf.constant(records.offsets, tf.int64),
    )


def numbered(records: Records, columns: tuple[tf.Tensor, ...], rows: tf.Tensor, open_files: int = 1) -> tf.data.Dataset:
    """Return (number, record) of all records of some parts.

    Args:
        records: the source.
        columns: its `part_table`.
        rows: positions of the parts in it, in the order in which they are read.
        open_files: how many are read in turns; one after the other if it is 1.
    """
    parts = tf.data.Dataset.from_tensor_slices(tuple(tf.gather(column, rows) for column in columns))

    def read(file: tf.Tensor, skip: tf.Tensor, take: tf.Tensor, offset: tf.Tensor) -> tf.data.Dataset:
        return records.open(file).skip(skip).take(take).enumerate(offset)

    if open_files == 1:
        return parts.flat_map(read)
    return parts.interleave(
        read,
        cycle_length=open_files,
        block_length=_BLOCK,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def all_records(records: Records) -> tf.data.Dataset:
    """Return (encoded image, label) of every record in order, nothing decoded."""
    dataset = numbered(records, part_table(records), tf.range(len(records.parts)))
    return dataset.map(lambda number, raw: records.parse(raw))
