"""The largest maps of a network in strips of rows that stay in a processor's cache.

SiLU is two operations in TensorFlow Lite, x and sigmoid(x) multiplied, and each goes over the whole map: in the first
blocks of B0 over up to 4.8 MB, more than the second-level cache of a core holds. Here such a block is computed some
rows at a time, from its expansion through the depthwise convolution to the activation after it, and after its
squeeze-and-excitation from the gate through the projection. Rows that two strips' depthwise convolutions need are
computed twice. Every number is the sum of the same products; only the mean of the squeeze is a mean of means, equal to
rounding.

Networks without SiLU gain nothing: there the activation is part of the convolution before it.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from efficientnet_tf.exporting.quantization.graph import Graph, Operation
from efficientnet_tf.exporting.quantization.operations import (
    concatenation,
    operation,
    rows_of,
    tensor_like,
    with_tensors,
)

#: Bytes of a block's largest map from which strips pay, and of it in one strip: three maps are in use at a time, and
#: the second-level caches of servers hold 2 MiB.
WORTH, STRIP = 1 << 20, 700 << 10
#: The largest part of a strip that may be computed for a second time.
REPEATED = 1 / 4
#: Bytes of a block's kernels up to which strips pay: each strip reads them again.
KERNELS = 128 << 10

WINDOWED = ("CONV_2D", "DEPTHWISE_CONV_2D")

#: Some rows of a map: the first, and the one after the last.
Rows = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Block:
    """A block that can be computed in strips.

    Attributes:
        rows: the operations that work row by row, from the expansion, or where there is none from the depthwise
            convolution, to the map that is squeezed; the network's first convolution is like an expansion.
        mean: the squeeze.
        gate, projection: the multiplication by what excites, and the convolution after it.
    """

    rows: tuple[Operation, ...]
    mean: Operation
    gate: Operation
    projection: Operation


def in_strips(content: bytes) -> bytes:
    """Return a network that computes the blocks with its largest maps in strips.

    Args:
        content: a `.tflite` file in float32 with a fixed batch.

    Returns:
        A file with the same inputs and outputs; the one that was given where no strips pay.
    """
    graph = Graph(content)
    replaced: dict[int, list[schema.OperatorT]] = {}
    for block in blocks(graph):
        count = strips_of(graph, block)
        if count > 1:
            replaced.update(_cut(graph, block, count))
    if not replaced:
        return content
    old = graph.subgraph.operators
    graph.subgraph.operators = [new for record in old for new in replaced.get(id(record), [record])]
    return graph.content()


def strips_of(graph: Graph, block: Block) -> int:
    """Return how many strips a block is best computed in; 1 where its maps are small."""
    largest = max(4 * math.prod(graph.shape(step.outputs[0])) for step in block.rows)
    windowed = [step for step in (*block.rows, block.projection) if step.kind in WINDOWED]
    if largest < WORTH or sum(4 * math.prod(graph.shape(step.inputs[1])) for step in windowed) > KERNELS:
        return 1
    window = next(step for step in block.rows if step.kind == "DEPTHWISE_CONV_2D")
    size, stride = graph.shape(window.inputs[1])[1], window.record.builtinOptions.strideH
    height = graph.shape(window.outputs[0])[1]
    most = int(REPEATED * height * stride / max(size - stride, REPEATED))
    return max(1, min(math.ceil(largest / STRIP), most, height))


def blocks(graph: Graph) -> list[Block]:
    """Return the blocks of a network that have SiLU and squeeze-and-excitation, in its order."""
    found = (_block(graph, step) for step in graph.operations() if step.kind == "MEAN")
    return [block for block in found if block is not None]


def _block(graph: Graph, mean: Operation) -> Block | None:
    """Return the block around a squeeze, if it is one and nothing else reads what is inside."""
    producers, readers = graph.producers(), graph.readers()
    squeezed = tensor = mean.inputs[0]
    rows: list[Operation] = []
    for kind in reversed(WINDOWED):
        activated = _silu(graph, producers, tensor, kind)
        if activated is None:
            break
        rows = [*activated, *rows]
        tensor = rows[0].inputs[0]
    gates = [step for step in readers.get(squeezed, []) if step.kind == "MUL"]
    if not rows or len(gates) != 1 or not _squeezes(graph, mean) or len(graph.shape(squeezed)) != 4:
        return None
    if sorted(graph.shape(tensor)[1] for tensor in gates[0].inputs) != sorted((1, graph.shape(squeezed)[1])):
        return None
    after = readers.get(gates[0].outputs[0], [])
    if [step.kind for step in after] != ["CONV_2D"] or graph.shape(after[0].inputs[1])[1:3] != (1, 1):
        return None
    block = Block(tuple(rows), mean, gates[0], after[0])
    inside = {id(step.record) for step in (*rows, mean, *gates)} | {id(after[0].record)}
    maps = [*(step.outputs[0] for step in rows), gates[0].outputs[0]]
    _, outputs = graph.signature()
    read = all(id(step.record) in inside for each in maps for step in readers[each])
    return block if read and not set(maps) & set(outputs.values()) else None


def _squeezes(graph: Graph, mean: Operation) -> bool:
    """Return whether a mean is that of each channel, and keeps the map's four dimensions."""
    axes = graph.constant(mean.inputs[1])
    return axes is not None and sorted(axes.ravel().tolist()) == [1, 2] and bool(mean.record.builtinOptions.keepDims)


def _silu(graph: Graph, producers: dict[int, Operation], tensor: int, kind: str) -> list[Operation] | None:
    """Return a convolution of a kind, the sigmoid and the product that a map comes from."""
    product = producers.get(tensor)
    if product is None or product.kind != "MUL":
        return None
    sigmoid = next((step for step in map(producers.get, product.inputs) if step and step.kind == "LOGISTIC"), None)
    if sigmoid is None or set(product.inputs) != {*sigmoid.inputs, *sigmoid.outputs}:
        return None
    convolution = producers.get(sigmoid.inputs[0])
    if convolution is None or convolution.kind != kind:
        return None
    options = convolution.record.builtinOptions
    if (options.dilationHFactor, options.dilationWFactor) != (1, 1):
        return None
    return [convolution, sigmoid, product]


def _cut(graph: Graph, block: Block, count: int) -> dict[int, list[schema.OperatorT]]:
    """Return what a block in strips has in the place of each of its operations, by the `id` of its record."""
    squeezed, projected = block.mean.inputs[0], block.projection.outputs[0]
    height = graph.shape(squeezed)[1]
    strips = list(itertools.pairwise(height * number // count for number in range(count + 1)))
    before: list[schema.OperatorT] = []
    after: list[schema.OperatorT] = []
    maps, results = [], []
    for strip in strips:
        found, steps = _strip(graph, block.rows, strip)
        before += steps
        maps.append(found)
        gated = tensor_like(
            graph, block.gate.outputs[0], graph.shape(found), _named(graph, block.gate.outputs[0], strip)
        )
        result = rows_like(graph, projected, strip)
        after.append(with_tensors(block.gate, {squeezed: found, block.gate.outputs[0]: gated}))
        after.append(with_tensors(block.projection, {block.gate.outputs[0]: gated, projected: result}))
        results.append(result)
    before += _mean(graph, block.mean, maps, strips)
    after += concatenation(graph, results, projected)
    gone = {id(step.record): [] for step in (*block.rows, block.gate)}
    return {**gone, id(block.mean.record): before, id(block.projection.record): after}


def _strip(graph: Graph, steps: Sequence[Operation], strip: Rows) -> tuple[int, list[schema.OperatorT]]:
    """Return the tensor and the operations that compute some rows of the last operation's map."""
    needed = {steps[-1].outputs[0]: strip}
    for step in reversed(steps):
        rows = needed[step.outputs[0]]
        for tensor in step.inputs[:1] if step.kind in WINDOWED else step.inputs:
            needed[tensor] = _read_by(graph, step, rows)
    source = steps[0].inputs[0]
    tensors = {tensor: rows_like(graph, tensor, rows) for tensor, rows in needed.items() if tensor != source}
    made = []
    if needed[source] == (0, graph.shape(source)[1]):
        tensors[source] = source
    else:
        tensors[source] = rows_like(graph, source, needed[source], f"{graph.name(steps[0].outputs[0])}/reads")
        made.append(rows_of(graph, source, tensors[source], needed[source][0]))
    for step in steps:
        record = with_tensors(step, tensors)
        if step.kind in WINDOWED:
            made += _padding(graph, step, record, (needed[step.inputs[0]], needed[step.outputs[0]]))
        made.append(record)
    return tensors[steps[-1].outputs[0]], made


def _read_by(graph: Graph, step: Operation, rows: Rows) -> Rows:
    """Return the rows of its input that an operation reads for some rows of its output."""
    if step.kind not in WINDOWED:
        return rows
    size, stride, above = _window(graph, step)
    first, last = rows[0] * stride - above, (rows[1] - 1) * stride - above + size
    return max(first, 0), min(last, graph.shape(step.inputs[0])[1])


def _window(graph: Graph, step: Operation) -> tuple[int, int, int]:
    """Return the rows of a convolution's window, its stride, and the rows of zeros above the map."""
    return graph.shape(step.inputs[1])[1], step.record.builtinOptions.strideH, graph.padding(step, 1) // 2


def _padding(
    graph: Graph, step: Operation, record: schema.OperatorT, rows: tuple[Rows, Rows]
) -> list[schema.OperatorT]:
    """Let a convolution of some rows pad them as the convolution of the whole map does.

    Its own padding cannot: a strip has zeros on one side at most. XNNPACK makes one operation of the two.
    """
    size, stride, above = _window(graph, step)
    (first, last), (first_out, last_out) = rows
    before = max(above - first_out * stride, 0)
    after = max((last_out - 1) * stride - above + size - last, 0)
    across = graph.padding(step, 2)
    if step.record.builtinOptions.padding != schema.Padding.SAME or not (before or after or size > 1 or across):
        return []
    source = int(record.inputs[0])
    shape = graph.shape(source)
    padded = (shape[0], last - first + before + after, shape[2] + across, shape[3])
    target = tensor_like(graph, source, padded, f"{graph.name(int(record.outputs[0]))}/padded")
    zeros = np.array([[0, 0], [before, after], [across // 2, across - across // 2], [0, 0]], np.int32)
    constant = graph.add_constant(zeros, f"{graph.name(target)}/zeros")
    record.inputs[0] = target
    record.builtinOptions = copy.copy(record.builtinOptions)
    record.builtinOptions.padding = schema.Padding.VALID
    return [operation(graph, "PAD", [source, constant], target, options=schema.PadOptionsT())]


def _mean(graph: Graph, mean: Operation, maps: Sequence[int], strips: Sequence[Rows]) -> list[schema.OperatorT]:
    """Return the operations that take the mean of a map that is there in strips."""
    target = mean.outputs[0]
    batch, _, _, channels = graph.shape(mean.inputs[0])
    made, means = [], []
    for found, strip in zip(maps, strips, strict=True):
        means.append(tensor_like(graph, target, graph.shape(target), _named(graph, target, strip)))
        made.append(with_tensors(mean, {mean.inputs[0]: found, target: means[-1]}))
    together = tensor_like(graph, target, (batch, len(maps), 1, channels), f"{graph.name(target)}/strips")
    made += concatenation(graph, means, together)
    counts = np.array([last - first for first, last in strips], np.float32)
    if len(set(counts)) > 1:  # each counts as much as it has rows
        weights = graph.add_constant((counts / counts.mean()).reshape(1, -1, 1, 1), f"{graph.name(target)}/weights")
        weighted = tensor_like(graph, target, graph.shape(together), f"{graph.name(target)}/weighted")
        made.append(operation(graph, "MUL", [together, weights], weighted, options=schema.MulOptionsT()))
        together = weighted
    return [*made, with_tensors(mean, {mean.inputs[0]: together})]


def rows_like(graph: Graph, tensor: int, rows: Rows, name: str | None = None) -> int:
    """Add a tensor for some rows of a map, by default with a name that tells which; return its number."""
    batch, _, *inner = graph.shape(tensor)
    return tensor_like(graph, tensor, (batch, rows[1] - rows[0], *inner), name or _named(graph, tensor, rows))


def _named(graph: Graph, tensor: int, rows: Rows) -> str:
    return f"{graph.name(tensor)}/rows{rows[0]}-{rows[1]}"
