"""Operations and tensors that are added to the graph of a `.tflite` file."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from efficientnet_tf.exporting.quantization.graph import Graph, Operation

#: The version in which each operation is written, where it is not 1.
VERSIONS = {"QUANTIZE": 2, "DEQUANTIZE": 3}
#: Inputs of one concatenation: XNNPACK, LiteRT's library for processors, leaves larger ones to slower code.
CONCATENATED = 5


def operation(
    graph: Graph, kind: str, inputs: Sequence[int], output: int, *, options: Any | None = None
) -> schema.OperatorT:
    """Return a new operation, which the caller puts in its place among the others.

    Args:
        graph: whose table of operation codes gets the kind, if it has not got it.
        kind: a builtin operation, such as RESHAPE.
        inputs, output: its tensors.
        options: a table of the schema, such as `schema.ReshapeOptionsT()`.
    """
    code = getattr(schema.BuiltinOperator, kind)
    codes = [max(record.builtinCode, record.deprecatedBuiltinCode) for record in graph.model.operatorCodes]
    if code not in codes:
        record = schema.OperatorCodeT()
        record.builtinCode = record.deprecatedBuiltinCode = code
        record.version = VERSIONS.get(kind, 1)
        graph.model.operatorCodes.append(record)
        codes.append(code)
    made = schema.OperatorT()
    made.opcodeIndex = codes.index(code)
    made.inputs, made.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
    if options is not None:
        made.builtinOptions = options
        made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    return made


def tensor_like(graph: Graph, tensor: int, shape: Sequence[int], name: str) -> int:
    """Add a tensor of another shape and name than one that there is, of the same type, scale and zero point.

    Returns:
        Its number.
    """
    new = graph.add_tensor(tuple(shape), graph.dtype(tensor), name)
    graph.subgraph.tensors[new].quantization = copy.deepcopy(graph.subgraph.tensors[tensor].quantization)
    return new


def reshape(graph: Graph, source: int, target: int) -> schema.OperatorT:
    """Return an operation that gives a tensor the shape of another, of as many numbers."""
    shape = np.array(graph.shape(target), np.int32)
    options = schema.ReshapeOptionsT()
    options.newShape = shape
    constant = graph.add_constant(shape, f"{graph.name(target)}/shape")
    return operation(graph, "RESHAPE", [source, constant], target, options=options)


def rows_of(graph: Graph, source: int, target: int, first: int) -> schema.OperatorT:
    """Return an operation that takes rows of a map, from `first` on, as many as its target has."""
    name = graph.name(target)
    begin = graph.add_constant(np.array([0, first, 0, 0], np.int32), f"{name}/begin")
    size = graph.add_constant(np.array(graph.shape(target), np.int32), f"{name}/size")
    return operation(graph, "SLICE", [source, begin, size], target, options=schema.SliceOptionsT())


def concatenation(graph: Graph, parts: Sequence[int], target: int) -> list[schema.OperatorT]:
    """Return the operations that put maps below each other, `CONCATENATED` at a time."""
    made = []
    for level in itertools.count():
        if len(parts) <= CONCATENATED:
            break
        # As equal as can be: XNNPACK leaves the concatenation of a single map, too.
        count = -(-len(parts) // CONCATENATED)
        bounds = itertools.pairwise(len(parts) * number // count for number in range(count + 1))
        groups = [parts[first:last] for first, last in bounds]
        parts = []
        for number, group in enumerate(groups):
            batch, _, *inner = graph.shape(target)
            rows = sum(graph.shape(part)[1] for part in group)
            parts.append(tensor_like(graph, target, (batch, rows, *inner), f"{graph.name(target)}/{level}_{number}"))
            made.append(_concatenated(graph, group, parts[-1]))
    return [*made, _concatenated(graph, parts, target)]


def _concatenated(graph: Graph, parts: Sequence[int], target: int) -> schema.OperatorT:
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    return operation(graph, "CONCATENATION", parts, target, options=options)


def with_tensors(step: Operation, tensors: Mapping[int, int]) -> schema.OperatorT:
    """Return a copy of an operation with other tensors in the place of some of its own."""
    record = copy.copy(step.record)
    record.inputs = np.array([tensors.get(tensor, tensor) for tensor in step.inputs], np.int32)
    record.outputs = np.array([tensors.get(tensor, tensor) for tensor in step.outputs], np.int32)
    return record
