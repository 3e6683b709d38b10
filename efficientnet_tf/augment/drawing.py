"""Random numbers that follow from a seed alone, the same on every machine and in every order of work."""

from __future__ import annotations

import tensorflow as tf

_PHILOX = 1


def uniform(seed: tf.Tensor, count: int) -> tf.Tensor:
    """Return even random numbers from 0 to below 1: float32 [count].

    Args:
        seed: int32 or int64 [2]; both give the same numbers.
        count: how many.

    >>> uniform(tf.constant([1, 2]), 3).shape
    TensorShape([3])
    """
    # The ops behind tf.random.stateless_uniform without its scaling, always by the one algorithm: every op counts here.
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=tf.cast(seed, tf.int64))
    return tf.raw_ops.StatelessRandomUniformV2(shape=[count], key=key, counter=counter, alg=_PHILOX)


def normal(seed: tf.Tensor) -> tf.Tensor:
    """Return one number of the standard normal distribution: float32 []."""
    return tf.random.stateless_normal([], tf.cast(seed, tf.int64), alg="philox")


def log_gamma(seed: tf.Tensor, count: int | tf.Tensor, alpha: float) -> tf.Tensor:
    """Return logarithms of numbers of the distribution Gamma(alpha, 1): float64 [count].

    Not the numbers themselves, most of which are too small to be told from 0 with a small alpha: one of
    Gamma(alpha) is one of Gamma(alpha + 1) times an even random number to the power of 1 / alpha.
    """
    of_gamma, of_power = seeds_of(seed, 2)
    gamma = tf.random.stateless_gamma([count], of_gamma, alpha + 1, dtype=tf.float64)
    even = 1 - tf.random.stateless_uniform([count], of_power, dtype=tf.float64)
    return tf.math.log(gamma) + tf.math.log(even) / alpha


def beta(seed: tf.Tensor, count: int | tf.Tensor, alpha: float) -> tf.Tensor:
    """Return numbers of the distribution Beta(alpha, alpha): float64 [count].

    The share that one of two Gamma variables has in their sum.

    >>> bool(tf.reduce_all(beta(tf.constant([1, 2]), 1000, 0.001) <= 1.0))
    True
    """
    one, other = (log_gamma(key, count, alpha) for key in seeds_of(seed, 2))
    return tf.sigmoid(one - other)


def seeds_of(seed: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Return seeds that are independent of each other: each int64 [2]."""
    return tf.unstack(tf.random.split(tf.cast(seed, tf.int64), count))
