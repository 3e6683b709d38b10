"""A batch divided into parts, one after the other: sums that are those of the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

#: From a nested structure of tensors [n, ...] to means over their n examples.
Means = Callable[[Any], list[tf.Tensor]]


def mean_over_parts(
    means: Means, batch: Any, parts: int, *, zeros: list[tf.Tensor], in_loop: bool = True
) -> list[tf.Tensor]:
    """Return the means over a batch from those over its parts, in which each part counts by its examples.

    The parts are as even as can be, the larger ones first, and there are no more of them than examples. Each is done
    with before the next begins, so that memory holds the intermediate values of one.

    Args:
        means: what is computed of a part, such as gradients of a mean loss.
        batch: a nested structure of tensors [n, ...], some of which may be None.
        parts: into how many to divide.
        zeros: tensors of the shapes and types of the means.
        in_loop: trace `means` for each size of a part. Otherwise it is traced for each part, for which n must be known.

    Raises:
        ValueError: not `in_loop`, and n is unknown.

    >>> mean_over_parts(lambda part: [tf.reduce_mean(part)], tf.constant([1.0, 2, 3, 4, 10]), 2, zeros=[tf.zeros(())])
    [<tf.Tensor: shape=(), dtype=float32, numpy=4.0>]
    """
    if parts == 1:
        return means(batch)
    batch = tf.nest.map_structure(lambda whole: None if whole is None else tf.convert_to_tensor(whole), batch)
    first = tf.nest.flatten(batch)[0]
    total = tf.shape(first)[0] if first.shape[0] is None else int(first.shape[0])
    small, larger = total // parts, total % parts
    if isinstance(total, int):
        smaller = parts - larger if small else 0
    elif in_loop:
        # No part is empty: the statistics of nothing are no numbers.
        smaller = tf.where(small > 0, parts - larger, 0)
    else:
        raise ValueError("The number of examples in a batch must be known: give its dataset drop_remainder.")
    sums = zeros
    for size, count, begin in ((small + 1, larger, 0), (small, smaller, larger * (small + 1))):
        if isinstance(count, int) and count == 0:
            continue
        share = tf.cast(size, tf.float32) / tf.cast(total, tf.float32)

        def add(number: Any, sums: list[tf.Tensor], size: Any = size, begin: Any = begin, share: Any = share) -> Any:
            own = tf.nest.map_structure(lambda whole: _cut(whole, begin + number * size, size), batch)
            return number + 1, [a + b * tf.cast(share, b.dtype) for a, b in zip(sums, means(own), strict=True)]

        if in_loop:
            _, sums = tf.while_loop(lambda number, _, n=count: number < n, add, (0, sums), parallel_iterations=1)
        else:
            for number in range(count):
                with tf.control_dependencies(sums):
                    after_the_last = tf.identity(number)
                _, sums = add(after_the_last, sums)
    return sums


def _cut(whole: tf.Tensor | None, begin: Any, size: Any) -> tf.Tensor | None:
    if whole is None:
        return None
    rest = whole.shape.rank - 1
    part = tf.slice(whole, [begin, *[0] * rest], [size, *[-1] * rest])
    return tf.ensure_shape(part, [size if isinstance(size, int) else None, *whole.shape[1:]])
