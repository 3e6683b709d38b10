"""Biases that make up for rounded kernels.

Rounding changes a kernel by D, and what it makes of a map x by D*x. Where x is never negative, as after ReLU6 or nearly
so after SiLU, that is mostly the same for all pictures: D*mean(x), which the bias can take back (Nagel et al. 2019,
Data-Free Quantization Through Weight Equalization and Bias Correction, section 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from efficientnet_tf.exporting.quantization.graph import CONVOLUTIONS, Array, Graph
from efficientnet_tf.exporting.quantization.statistics import Statistics

#: Kernels are symmetric in int8: -127...127, with a scale for each channel that comes out.
LARGEST = 127


def correct_biases(content: bytes, statistics: Mapping[int, Statistics]) -> bytes:
    """Return a network with biases for kernels in int8.

    Args:
        content: a `.tflite` file in float32.
        statistics: of its tensors.
    """
    graph = Graph(content)
    for operation in list(graph.operations()):
        axis = CONVOLUTIONS.get(operation.kind)
        kernel = None if axis is None else graph.constant(operation.inputs[1])
        if axis is None or kernel is None:
            continue
        error = kernel.astype(np.float64) - rounded_kernel(kernel, axis)
        shift = _response(operation.kind, error, statistics[operation.inputs[0]].mean)
        bias = graph.constant(operation.inputs[2]) if len(operation.inputs) > 2 else None
        if bias is not None and shift is not None:
            graph.replace_input(operation, 2, (bias + shift).astype(np.float32))
    return graph.content()


def rounded_kernel(kernel: Array, axis: int) -> Array:
    """Return a kernel as int8 holds it, float64.

    >>> rounded_kernel(np.array([[127.0, 2.4], [1.0, 0.5]]), 0)
    array([[127.        ,   2.        ],
           [  1.        ,   0.50393701]])
    """
    others = tuple(place for place in range(kernel.ndim) if place != axis)
    scale = np.abs(kernel.astype(np.float64)).max(others, keepdims=True) / LARGEST
    scale[scale == 0.0] = 1.0
    return np.asarray(np.round(kernel / scale) * scale)


def _response(kind: str, kernel: Array, mean: Array) -> Array | None:
    """Return what a kernel makes of a map whose channels are constant, of its edges only as an approximation."""
    if kind == "DEPTHWISE_CONV_2D":  # [1, height, width, channels]
        response = kernel.sum((0, 1, 2))
        return response * mean if response.shape == mean.shape else None  # else several channels from each
    if kind == "CONV_2D":  # [channels out, height, width, channels in]
        return np.asarray(kernel.sum((1, 2)) @ mean)
    return np.asarray(kernel @ mean)
