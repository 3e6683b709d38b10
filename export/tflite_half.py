"""Kernels of 16 bits in a network that computes in float32, or in 16 bits where the runtime prefers it.

What is small stays in float32: of a rounded bias every place of a map would have the same error, and in the sum of a
depthwise convolution few errors cancel. Of Lite0 these are half a percent of the bytes, and were five sixths of the
divergence.
"""

from __future__ import annotations

import numpy as np

from efficientnet_tf.exporting.quantization.graph import CONVOLUTIONS, Graph
from efficientnet_tf.exporting.quantization.operations import operation

#: Numbers of a kernel up to which it stays as it is.
SMALL = 4096


def with_half_kernels(content: bytes) -> bytes:
    """Return a network whose large kernels are stored in float16, each followed by the operation that widens it.

    Runtimes widen constants once, when they load the file, or take them as they are.

    Args:
        content: a `.tflite` file in float32.
    """
    graph = Graph(content)
    widened: dict[int, int] = {}
    made = []
    for step in list(graph.operations()):
        kernel = graph.constant(step.inputs[1]) if step.kind in CONVOLUTIONS else None
        if kernel is not None and kernel.size > SMALL:
            stored = step.inputs[1]
            if stored not in widened:
                widened[stored] = graph.add_tensor(kernel.shape, kernel.dtype, f"{graph.name(stored)}/float32")
                graph.replace_constant(stored, kernel.astype(np.float16))
                made.append(operation(graph, "DEQUANTIZE", [stored], widened[stored]))
            step.record.inputs[1] = widened[stored]
        made.append(step.record)
    graph.subgraph.operators = made
    return graph.content()
