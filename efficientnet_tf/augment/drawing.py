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


def beta(seed: tf.Tensor, count: int | tf.Tensor, alpha: float) -> tf.Tensor:
    """Return numbers of the distribution Beta(alpha, alpha): float64 [count].

    As a ratio of two Gamma variables. In float64, since with a small alpha most of them are tiny; where both are zero
    all the same, the number is 0 or 1, as nearly all are with such an alpha.

    >>> bool(tf.reduce_all(beta(tf.constant([1, 2]), 1000, 0.001) <= 1.0))
    True
    """
    seeds = tf.unstack(tf.random.split(tf.cast(seed, tf.int64), 3))
    one, other = (tf.random.stateless_gamma([count], key, alpha, dtype=tf.float64) for key in seeds[:2])
    coin = tf.random.stateless_uniform([count], seeds[2], dtype=tf.float64)
    total = one + other
    return tf.where(total > 0, tf.math.divide_no_nan(one, total), tf.floor(coin * 2))


def seeds_of(seed: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Return seeds that are independent of each other: each int64 [2]."""
    return tf.unstack(tf.random.split(tf.cast(seed, tf.int64), count))
