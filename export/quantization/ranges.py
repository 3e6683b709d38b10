"""Which range of a map's numbers its integers stand for.

A wide range costs resolution, a narrow one clips. What is least is the error of a picture relative to that picture's
own signal, on average over the pictures: of the plain mean square, the few pictures with the largest numbers would be
most, and they are those that are clear anyway. Where the network takes the SiLU of a map, the error is counted after
it: far below zero nothing is left of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from efficientnet_tf.exporting.quantization.graph import Array, Graph
from efficientnet_tf.exporting.quantization.statistics import Statistics

LEVELS = 255
#: Which parts of the seen bounds are tried.
PARTS = np.geomspace(1.0, 0.02, 40)
#: The least signal of a picture, relative to the usual one: an empty map has no signal to be relative to.
LEAST_SIGNAL = 1e-4

Activation = Callable[[Array], Array]


def identity(values: Array) -> Array:
    """Return numbers as they are."""
    return values


def silu(values: Array) -> Array:
    """Return x * sigmoid(x).

    >>> silu(np.array([-80.0, 0.0, 80.0])).round(6)
    array([-0.,  0., 80.])
    """
    return np.asarray(values / (1.0 + np.exp(-np.clip(values, -80.0, 80.0))))


def choose_ranges(content: bytes, statistics: Mapping[int, Statistics]) -> dict[int, tuple[float, float]]:
    """Return the lower and the upper bound of each tensor, by its number.

    Args:
        content: a `.tflite` file in float32.
        statistics: of its tensors.
    """
    activated = _read_by_silu(Graph(content))
    return {
        tensor: choose_range(seen, after=silu if tensor in activated else identity)
        for tensor, seen in statistics.items()
    }


def choose_range(seen: Statistics, *, after: Activation = identity) -> tuple[float, float]:
    """Return the lower and the upper bound of int8 that lose least of a map.

    Args:
        seen: the map's numbers.
        after: what is made of them before the error is counted.
    """
    lowest, highest = min(0.0, float(seen.lowest.min())), max(0.0, float(seen.highest.max()))
    expected = after(seen.sample)
    signal = np.square(expected).mean(1)
    weights = 1.0 / np.maximum(signal, LEAST_SIGNAL * np.median(signal) + np.finfo(np.float32).tiny)

    def loss(low: float, high: float) -> float:
        errors = np.square(after(rounded(seen.sample, low, high)) - expected).mean(1)
        return float((errors * weights).mean())

    low, high = lowest, highest
    for _ in range(2):  # each bound given the other; more rounds change nothing
        if highest > 0.0:
            high = min((part * highest for part in PARTS), key=lambda bound: loss(low, bound))
        if lowest < 0.0:
            low = min((part * lowest for part in PARTS), key=lambda bound: loss(bound, high))
    return low, high


def rounded(values: Array, low: float, high: float) -> Array:
    """Return numbers as int8 over a range holds them.

    >>> rounded(np.array([-1.0, 0.4, 300.0]), 0.0, 255.0)
    array([  0.,   0., 255.])
    """
    scale = (high - low) / LEVELS or 1.0
    zero = np.round(-low / scale)
    return np.asarray((np.clip(np.round(values / scale) + zero, 0, LEVELS) - zero) * scale)


def _read_by_silu(graph: Graph) -> set[int]:
    """Return the tensors of which a network takes the SiLU and nothing else: a sigmoid, and the product with it."""
    return {
        tensor
        for tensor, operations in graph.readers().items()
        if [operation.kind for operation in operations] == ["LOGISTIC", "MUL"]
        and operations[0].outputs[0] in operations[1].inputs
    }
