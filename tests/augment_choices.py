"""What an augmentation chooses for many seeds, without a picture being changed, and how to judge its frequencies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import tensorflow as tf

from efficientnet_tf.augment import augmenter
from efficientnet_tf.augment.choosing import picture_sides
from efficientnet_tf.augment.drawing import uniform
from efficientnet_tf.augment.stages import Chosen

Array = np.ndarray[Any, Any]

#: Of Kolmogorov's distribution: what the distance times the root of the number exceeds once in 1,000 times.
KOLMOGOROV = 1.95


def seeds(count: int, second: int = 0) -> tf.Tensor:
    """Return seeds: int64 [count, 2]."""
    return tf.stack([tf.range(count, dtype=tf.int64), tf.fill([count], tf.constant(second, tf.int64))], 1)


def chosen_step(text: str) -> Chosen:
    """Return the only step of an augmentation that chooses operations."""
    (step,) = augmenter(text).steps
    return cast(Chosen, step)


def drawn_by(step: Chosen, seed: tf.Tensor, sides: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return numbers of operations [n], their arguments [n] and places [n, 2], from the numbers that `Chosen` draws."""
    count = step._count
    drawn = uniform(seed, 1 + 4 * count)
    numbers, arguments = step.choose(drawn[: 1 + 2 * count], tf.cast(seed, tf.int64), sides)
    return numbers, arguments, tf.reshape(drawn[1 + 2 * count :], [count, 2])


def choices(step: Chosen, count: int, height: int = 1, width: int = 1) -> tuple[Array, Array, Array]:
    """Return what is chosen by each of `count` seeds: names [count, n], arguments [count, n], places [count, n, 2]."""
    sides = picture_sides(tf.zeros([height, width, 3], tf.uint8))
    dataset = tf.data.Dataset.from_tensor_slices(seeds(count)).map(lambda seed: drawn_by(step, seed, sides))
    numbers, arguments, places = next(iter(dataset.batch(count).as_numpy_iterator()))
    return np.array(step.names)[numbers], arguments, places


def assert_frequencies(counts: Mapping[Any, int], shares: Mapping[Any, float]) -> None:
    """Hold counts against the shares they should have of their sum, by Pearson's chi-square.

    Rare ones are taken together. The bound is five standard deviations beyond what chance gives.
    """
    assert set(counts) <= {key for key, share in shares.items() if share > 0}
    total = sum(counts.values())
    assert abs(sum(shares.values()) - 1) < 1e-9
    found, expected = [0], [0.0]
    for key, share in shares.items():
        if share * total < 5:
            found[0] += counts.get(key, 0)
            expected[0] += share * total
        else:
            found.append(counts.get(key, 0))
            expected.append(share * total)
    pairs = [(count, mean) for count, mean in zip(found, expected, strict=True) if mean > 0]
    square = sum((count - mean) ** 2 / mean for count, mean in pairs)
    freedom = len(pairs) - 1
    assert square < freedom + 5 * (2 * freedom) ** 0.5, f"chi-square {square:.0f} with {freedom} degrees of freedom"


def assert_distributed(values: Array, cumulative: Array) -> None:
    """Hold values against a distribution by Kolmogorov's distance; `cumulative` is the distribution's at each value."""
    shares = np.sort(cumulative)
    steps = np.arange(len(values) + 1) / len(values)
    distance = max(np.max(steps[1:] - shares), np.max(shares - steps[:-1]))
    assert distance * len(values) ** 0.5 < KOLMOGOROV, f"distance {distance:.4f} of {len(values)}"
