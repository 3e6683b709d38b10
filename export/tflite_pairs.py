"""Two pixels at a time in the small convolutions of a network of integers.

Processors multiply integers in tiles, of 64 bytes of the channels that come in by up to 64 channels that come out where
they are largest. The first layers of an EfficientNet have 3 to 32 channels, and fill them in part. What lies in memory
as [height, width, channels] is as well [height, width / 2, 2 * channels], and a kernel in which the weights stand once
for the even pixels and once for the odd ones, with zeros elsewhere, computes two pixels at once. The answers are the
same integers; the multiplications by zero cost less than the empty part of a tile did.
"""

from __future__ import annotations

import copy
import dataclasses
import math

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from efficientnet_tf.exporting.quantization.graph import Array, Graph, Operation
from efficientnet_tf.exporting.quantization.operations import reshape, tensor_like, with_tensors

#: Numbers of a kernel up to which it pays, and pixels of the map that comes out from which it does.
SMALL_KERNEL, MANY_PIXELS = 2048, 2048


def in_pairs(content: bytes) -> bytes:
    """Return a network that computes its small convolutions for two neighbouring pixels at once.

    Args:
        content: a `.tflite` file with a fixed batch.

    Returns:
        A file with the same inputs, outputs and answers; the one that was given where no convolution of int8 is small.
    """
    graph = Graph(content)
    records = []
    for step in list(graph.operations()):
        found = _pair(graph, step)
        records += [step.record] if found is None else _paired(graph, step, found)
    if len(records) == len(graph.subgraph.operators):
        return content
    graph.subgraph.operators = records
    return graph.content()


@dataclasses.dataclass(frozen=True)
class _Pair:
    """What a convolution becomes: its kernel, and how many pixels side by side become one, in and out."""

    kernel: Array
    pixels_in: int
    pixels_out: int = 2


def _pair(graph: Graph, step: Operation) -> _Pair | None:
    """Return what a convolution of two pixels at once is, if that is possible and pays."""
    if step.kind != "CONV_2D" or len(step.inputs) < 3 or graph.dtype(step.inputs[0]) != np.int8:
        return None
    kernel = graph.constant(step.inputs[1])
    (_, _, width, channels), (_, height_out, width_out, _) = (graph.shape(step.inputs[0]), graph.shape(step.outputs[0]))
    if (
        kernel is None
        or kernel.size > SMALL_KERNEL
        or height_out * width_out < MANY_PIXELS
        or kernel.shape[3] != channels
    ):
        return None
    options = step.record.builtinOptions
    pair = _Pair(paired_kernel(kernel, options.strideW), 2 * options.strideW)
    fits = width % pair.pixels_in == 0 and width_out % pair.pixels_out == 0 and options.dilationWFactor == 1
    # All zeros that the map is padded with must be to the right of it, where the paired kernel has its own.
    padded = kernel.shape[2] == 1 or (options.padding == schema.Padding.SAME and graph.padding(step, 2) <= 1)
    return pair if fits and padded else None


def paired_kernel(kernel: Array, stride: int) -> Array:
    """Return the kernel that computes two neighbouring pixels at once.

    Args:
        kernel: [channels out, height, width, channels in].
        stride: of the convolution, along the width.

    Returns:
        [2 * channels out, height, pairs, 2 * stride * channels in], for a stride of 1.

    >>> paired_kernel(np.array([[[[1]]], [[[2]]]]), 1).tolist()
    [[[[1, 0]]], [[[2, 0]]], [[[0, 1]]], [[[0, 2]]]]
    """
    out, height, width, channels = kernel.shape
    pixels = 2 * stride
    taps = math.ceil((width + stride) / pixels)
    paired = np.zeros((2, out, height, taps * pixels, channels), kernel.dtype)
    for place in range(2):
        paired[place, :, :, place * stride : place * stride + width] = kernel
    return paired.reshape(2 * out, height, taps, pixels * channels)


def _paired(graph: Graph, step: Operation, pair: _Pair) -> list[schema.OperatorT]:
    """Return the operations that compute a convolution for two pixels at once."""
    source, old_kernel, old_bias = step.inputs
    target = step.outputs[0]
    bias = graph.constant(old_bias)
    assert bias is not None
    shapes = []
    for tensor, pixels in ((source, pair.pixels_in), (target, pair.pixels_out)):
        batch, height, width, channels = graph.shape(tensor)
        shapes.append((batch, height, width // pixels, pixels * channels))
    name = f"{graph.name(target)}/pairs"
    grouped = tensor_like(graph, source, shapes[0], f"{name}/in")
    result = tensor_like(graph, target, shapes[1], f"{name}/out")
    kernel = _constant_like(graph, old_kernel, pair.kernel, f"{name}/kernel")
    doubled = _constant_like(graph, old_bias, np.tile(bias, 2), f"{name}/bias")
    record = with_tensors(step, {source: grouped, old_kernel: kernel, old_bias: doubled, target: result})
    record.builtinOptions = copy.copy(record.builtinOptions)
    record.builtinOptions.strideW = 1
    return [reshape(graph, source, grouped), record, reshape(graph, result, target)]


def _constant_like(graph: Graph, old: int, values: Array, name: str) -> int:
    """Add a constant with the scales of another, twice if they are those of the channels that come out."""
    new = graph.add_constant(values, name)
    quantization = copy.deepcopy(graph.subgraph.tensors[old].quantization)
    if len(quantization.scale) > 1:
        quantization.scale = np.tile(quantization.scale, 2)
        quantization.zeroPoint = np.tile(quantization.zeroPoint, 2)
    graph.subgraph.tensors[new].quantization = quantization
    return new
