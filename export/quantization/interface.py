"""The types in which a `.tflite` file takes its picture and gives its answers."""

from __future__ import annotations

import itertools

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from efficientnet_tf.exporting.quantization.graph import Array, Graph
from efficientnet_tf.exporting.quantization.operations import operation

#: Scale and zero point of pixels as integers: each stands for itself.
PIXELS = {"uint8": (1.0, 0), "int8": (1.0, -128)}


def set_interface(content: bytes, *, image: str, centre: int, outputs: str) -> bytes:
    """Return a file whose picture and whose answers are of other types.

    Args:
        content: the file; its picture is a tensor of integers, or of float32 pixels of 0...255.
        image: uint8, int8 (pixels less 128) or float32, of which only the last must be what the picture is already.
        centre: where the picture is integers, what of 0...255 they call zero.
        outputs: uint8, int8 or float32. What is in float32 already stays so.
    """
    graph = Graph(content)
    inputs, answers = graph.signature()
    if image != str(graph.dtype(inputs["image"])):
        _set_image(graph, inputs["image"], image, centre)
    for tensor in set(answers.values()):
        if str(graph.dtype(tensor)) not in ("float32", outputs):
            _set_output(graph, tensor, outputs)
    return graph.content()


def _set_image(graph: Graph, tensor: int, image: str, centre: int) -> None:
    """Put an operation before the graph that makes the picture of another type."""
    record = graph.subgraph.tensors[tensor]
    dtype = graph.dtype(tensor)
    scale, zero_point = PIXELS[image]
    zero_point += centre * (dtype != np.float32)
    new = _integers_like(graph, tensor, image, scale, zero_point)
    graph.subgraph.tensors[new].name, record.name = record.name, record.name + b"/converted"
    chain = [new, tensor]
    if dtype == np.int16 and image == "uint8":  # there is no operation from uint8 to int16
        chain.insert(1, _integers_like(graph, tensor, "int8", scale, zero_point - 128))
    kind = "DEQUANTIZE" if dtype == np.float32 else "QUANTIZE"
    made = [operation(graph, kind, [old], next_) for old, next_ in itertools.pairwise(chain)]
    graph.subgraph.operators = [*made, *graph.subgraph.operators]
    _rename(graph, tensor, new)


def _set_output(graph: Graph, tensor: int, outputs: str) -> None:
    """Put an operation after the graph that makes an answer of another type."""
    quantization = graph.subgraph.tensors[tensor].quantization
    scale, zero_point = float(quantization.scale[0]), int(quantization.zeroPoint[0])
    if outputs == "float32":
        new = graph.add_tensor(graph.shape(tensor), np.dtype(np.float32), "")
        made = operation(graph, "DEQUANTIZE", [tensor], new)
    else:
        shift = 128 * (outputs == "uint8")
        new = _integers_like(graph, tensor, outputs, scale, zero_point + shift)
        made = operation(graph, "QUANTIZE", [tensor], new)
    record = graph.subgraph.tensors[tensor]
    graph.subgraph.tensors[new].name, record.name = record.name + b"/converted", record.name
    graph.subgraph.operators = [*graph.subgraph.operators, made]
    _rename(graph, tensor, new)


def _integers_like(graph: Graph, tensor: int, dtype: str, scale: float, zero_point: int) -> int:
    """Add a tensor of another type than one that there is; return its number."""
    new = graph.add_tensor(graph.shape(tensor), np.dtype(dtype), f"{graph.name(tensor)}/{dtype}")
    record = graph.subgraph.tensors[new]
    record.shapeSignature = graph.subgraph.tensors[tensor].shapeSignature
    record.quantization = schema.QuantizationParametersT()
    record.quantization.scale = np.array([scale], np.float32)
    record.quantization.zeroPoint = np.array([zero_point], np.int64)
    return new


def _rename(graph: Graph, old: int, new: int) -> None:
    """Let a tensor take another's place at the border of the graph, and in its signature."""
    for ends in ("inputs", "outputs"):
        numbers: Array = np.asarray(getattr(graph.subgraph, ends))
        setattr(graph.subgraph, ends, np.where(numbers == old, new, numbers).astype(np.int32))
    for entry in [*graph.model.signatureDefs[0].inputs, *graph.model.signatureDefs[0].outputs]:
        if entry.tensorIndex == old:
            entry.tensorIndex = new
