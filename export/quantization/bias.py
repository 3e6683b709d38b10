"""Biases that make up for rounded kernels.

Rounding changes a kernel by D, and what it makes of a map x by D*x. Where x is never negative, as after ReLU6 or nearly
so after SiLU, that is mostly the same for all pictures: D*mean(x), which the bias can take back (Nagel et al. 2019,
Data-Free Quantization Through Weight Equalization and Bias Correction, section 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from efficientnet_tf.exporting.quantization.graph import CONVOLUTIONS, Array, Graph
from efficientnet_tf.exporting.quantization.rounding import rounded_kernel
from efficientnet_tf.exporting.quantization.statistics import Statistics


def correct_biases(content: bytes, statistics: Mapping[int, Statistics], *, original: bytes) -> bytes:
    """Return a network with biases for kernels in int8.

    Args:
        content: a `.tflite` file in float32.
        statistics: of its tensors.
        original: the same network with the kernels that it should have had.
    """
    graph, wanted = Graph(content), Graph(original)
    for operation, exact in zip(list(graph.operations()), list(wanted.operations()), strict=True):
        axis = CONVOLUTIONS.get(operation.kind)
        if axis is None:
            continue
        kernel, exact_kernel = graph.constant(operation.inputs[1]), wanted.constant(exact.inputs[1])
        if kernel is None or exact_kernel is None:
            continue
        error = exact_kernel.astype(np.float64) - rounded_kernel(kernel, axis)
        shift = _response(operation.kind, error, statistics[operation.inputs[0]].mean)
        bias = graph.constant(operation.inputs[2]) if len(operation.inputs) > 2 else None
        if bias is not None and shift is not None:
            graph.replace_input(operation, 2, (bias + shift).astype(np.float32))
    return graph.content()


def _response(kind: str, kernel: Array, mean: Array) -> Array | None:
    """Return what a kernel makes of a map whose channels are constant, of its edges only as an approximation."""
    if kind == "DEPTHWISE_CONV_2D":  # [1, height, width, channels]
        response = kernel.sum((0, 1, 2))
        return response * mean if response.shape == mean.shape else None  # else several channels from each
    if kind == "CONV_2D":  # [channels out, height, width, channels in]
        return np.asarray(kernel.sum((1, 2)) @ mean)
    return np.asarray(kernel @ mean)
