"""Examples by their number: what they are read from, and in which order and with which seeds they come."""

from __future__ import annotations

import os
from collections.abc import Callable

import tensorflow as tf

from efficientnet_tf.data.sharding import Plan
from efficientnet_tf.data.sources import Examples

#: From an encoded image, or a picture, and its seed, int64 [2], to a picture: uint8 [height, width, 3].
Seeded = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class Indexed:
    """One worker's part of some examples, in memory if they are small.

    Args:
        examples: all of them.
        plan: which of them.
        classes: the length of a label.
        cache_bytes: the largest size of all files together at which they are kept in memory.
        passed_over: examples left out at the beginning of each epoch of training.
    """

    def __init__(
        self, examples: Examples, plan: Plan, classes: int, *, cache_bytes: float, passed_over: int = 0
    ) -> None:
        self._plan, self._classes, self._count = plan, classes, len(examples)
        self._passed_over = passed_over
        self._labels = tf.constant(examples.labels, tf.int32)
        self._in_memory = examples.contents is not None or sum(map(os.path.getsize, examples.paths)) <= cache_bytes
        if self._in_memory:
            self._strings = tf.constant([examples.read(number) for number in range(len(examples))])
        else:
            # fsencode, since a file name need not be valid UTF-8.
            self._strings = tf.constant([os.fsencode(path) for path in examples.paths])

    def training(self, epochs: tf.data.Dataset, decode: Seeded, finish: Seeded) -> tf.data.Dataset:
        """Return (picture, label, seed of the epoch) of one epoch at each pass, as many as the smallest worker has."""

        def load(index: tf.Tensor, seed: tf.Tensor, epoch_seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return finish(decode(self._read(index), seed), seed), self._label(index), epoch_seed

        left = self._plan.least - self._passed_over
        dataset = epochs.flat_map(self._shuffled).apply(tf.data.experimental.assert_cardinality(left))
        return dataset.map(load, tf.data.AUTOTUNE, deterministic=True)

    def evaluation(self, decode: Callable[[tf.Tensor], tf.Tensor]) -> tf.data.Dataset:
        """Return (picture, label, True) of every example, in order."""

        def load(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return decode(self._read(index)), self._label(index), tf.constant(True)

        numbers = tf.data.Dataset.range(self._plan.begin, self._count, self._plan.step)
        return numbers.map(load, tf.data.AUTOTUNE, deterministic=True)

    def _shuffled(self, epoch_seed: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(self._count, dtype=tf.int64), epoch_seed)
        own = order[self._plan.begin :: self._plan.step][self._passed_over : self._plan.least]
        numbers = tf.data.Dataset.from_tensor_slices(own)
        return numbers.map(lambda index: (index, tf.random.fold_in(epoch_seed, index), epoch_seed))

    def _read(self, index: tf.Tensor) -> tf.Tensor:
        string = self._strings[index]
        return string if self._in_memory else tf.io.read_file(string)

    def _label(self, index: tf.Tensor) -> tf.Tensor:
        return tf.one_hot(self._labels[index], self._classes)


def epoch_seeds(seed: int, first_epoch: int, epoch: tf.Variable | None = None) -> tf.data.Dataset:
    """Return a dataset that yields the seed of an epoch, int64 [2], at every pass.

    It is that of another epoch each time, counted from `first_epoch`, or of the one that a variable holds.
    """
    if epoch is not None:
        return tf.data.Dataset.from_tensors(tf.constant(seed, tf.int64)).map(
            lambda own: tf.stack([own, _number(tf.stack([own, epoch.read_value()]))])
        )
    # One number for each pass, and every order and seed of the pass from it.
    numbers = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
    for _ in range(first_epoch):
        next(iter(numbers))
    return numbers.map(lambda epoch: tf.stack([tf.cast(seed, tf.int64), epoch]))


def _number(seed: tf.Tensor) -> tf.Tensor:
    """Return a number, int64, that looks nothing like its neighbours'."""
    return tf.random.stateless_uniform([], seed, minval=None, maxval=None, dtype=tf.int64)
