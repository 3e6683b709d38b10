"""How large the numbers of every inner map get while a network looks at pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from efficientnet_tf.exporting.quantization.graph import Array, Graph
from efficientnet_tf.exporting.quantization.observing import observe

#: Numbers of each map that are kept of each picture, spread evenly over it.
SAMPLED = 1024


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What was seen in one tensor.

    Attributes:
        sample: float32 [pictures, n], some of its numbers of each picture.
        lowest, highest: float32 [channels], of all of its numbers.
        mean: float64 [channels].
    """

    sample: Array
    lowest: Array
    highest: Array
    mean: Array


def gather(
    content: bytes, images: Array, *, watch: Callable[[Mapping[int, Array]], None] | None = None
) -> dict[int, Statistics]:
    """Return the statistics of every tensor that a network computes, and of its input, by number.

    Args:
        content: a `.tflite` file in float32 with a batch of one.
        images: its input, [N, height, width, 3], in any type.
        watch: is given the maps of each picture too, by number.
    """
    graph = Graph(content)
    inputs, _ = graph.signature()
    tensors = [*inputs.values(), *graph.producers()]
    tensors = [tensor for tensor in tensors if graph.dtype(tensor) == np.float32]
    samples: dict[int, list[Array]] = {tensor: [] for tensor in tensors}
    lowest: dict[int, list[Array]] = {tensor: [] for tensor in tensors}
    highest: dict[int, list[Array]] = {tensor: [] for tensor in tensors}
    means: dict[int, list[Array]] = {tensor: [] for tensor in tensors}
    for number, maps in enumerate(observe(content, images, tensors)):
        if watch is not None:
            watch(maps)
        for tensor, values in maps.items():
            rows = values.reshape(-1, values.shape[-1])
            lowest[tensor].append(rows.min(0))
            highest[tensor].append(rows.max(0))
            means[tensor].append(rows.mean(0, dtype=np.float64))
            # From another place in each picture, so that every channel and place has its turn.
            step = max(1, values.size // SAMPLED) | 1
            kept = max(1, values.size // step)
            samples[tensor].append(values.ravel()[number % step :: step][:kept].copy())
    return {
        tensor: Statistics(
            np.stack(samples[tensor]),
            np.min(lowest[tensor], 0),
            np.max(highest[tensor], 0),
            np.mean(means[tensor], 0),
        )
        for tensor in tensors
    }
