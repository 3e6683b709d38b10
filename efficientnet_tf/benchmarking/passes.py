"""Passes over datasets: what is counted, and how pictures in memory become one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from efficientnet_tf.benchmarking.rates import Pass, processor_seconds

#: From a picture or an encoded photograph, and a seed, int64 [2], to a picture.
Function = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_SEED = 20190511


class Passes:
    """A dataset of batches that ends, gone through from its first batch to its last in each pass.

    A pass begins when the dataset is ready to give its first batch, and ends with the last: nothing is made ahead of
    its beginning, and nothing that is made is not counted. What it takes to get ready is in `start_seconds`.
    """

    def __init__(self, make: Callable[[], tf.data.Dataset]) -> None:
        self._dataset = make()
        next(iter(self._dataset))

    def run(self) -> Pass:
        start = time.perf_counter()
        iterator = iter(self._dataset)
        begin, worked, made = time.perf_counter(), processor_seconds(), 0
        for batch in iterator:
            made += int(tf.nest.flatten(batch)[0].shape[0])
        return Pass(made, time.perf_counter() - begin, processor_seconds() - worked, begin - start)

    def close(self) -> None:
        del self._dataset


def augmented(
    pixels: np.ndarray[Any, Any], function: Function, count: int, batch_size: int, *, batched: bool = False
) -> tf.data.Dataset:
    """Return batches of augmented pictures.

    Args:
        pixels: uint8 [n, height, width, 3]; the n pictures come in turn.
        function: of a picture and its seed; or, if `batched`, of a batch and the seed of its first picture.
        count: of pictures.
        batch_size: pictures per batch.
        batched: whether whole batches are given to the function.
    """
    with tf.device("CPU:0"):
        held = tf.constant(pixels)
    numbers = tf.data.Dataset.range(count)

    def picture(number: tf.Tensor) -> tf.Tensor:
        return held[number % len(pixels)]

    if batched:
        batches = numbers.map(lambda number: (picture(number), _seed(number)), tf.data.AUTOTUNE).batch(batch_size)
        dataset = batches.map(lambda pictures, seeds: function(pictures, seeds[0]), tf.data.AUTOTUNE)
    else:
        dataset = numbers.map(lambda number: function(picture(number), _seed(number)), tf.data.AUTOTUNE)
        dataset = dataset.batch(batch_size)
    return dataset.prefetch(tf.data.AUTOTUNE)


def in_batches(photographs: tuple[bytes, ...], function: Function, count: int, batch_size: int) -> tf.data.Dataset:
    """Return batches of what a function makes of encoded photographs, string [], and their seeds."""
    return encoded(photographs, count).map(function, tf.data.AUTOTUNE).batch(batch_size).prefetch(tf.data.AUTOTUNE)


def encoded(photographs: tuple[bytes, ...], count: int) -> tf.data.Dataset:
    """Return so many (encoded photograph, seed), string [] and int64 [2]; the photographs come in turn."""
    with tf.device("CPU:0"):
        held = tf.constant(photographs)
    return tf.data.Dataset.range(count).map(lambda number: (held[number % len(photographs)], _seed(number)))


def _seed(number: tf.Tensor) -> tf.Tensor:
    return tf.stack([tf.constant(_SEED, tf.int64), number])
