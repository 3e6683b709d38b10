"""Which operations of a network Coral's Edge TPU would leave to the processor.

Google's compiler is not part of this program, and runs on Linux for x86-64 alone. What it maps is told from Coral's
published table of supported operations (coral.ai/docs/edgetpu/models-intro, for compiler 16 and runtime 14) and its
general rules: 8-bit tensors, sizes that are known, no more than three dimensions, and one piece of the graph. The
table leaves some things open, which are not judged here: large reshapes and resizings that would lose precision, the
memory of the chip, and the newest version of each operation that the compiler reads.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

#: Each supported operation, with what it is refused for, by the names of `LIMITS`.
SUPPORTED: Mapping[str, tuple[str, ...]] = {
    "ADD": (),
    "AVERAGE_POOL_2D": ("an activation is fused into it",),
    "CONCATENATION": ("an activation is fused into it", "what it appends is a constant other than zeros"),
    "CONV_2D": ("its dilation differs between height and width",),
    "DEPTHWISE_CONV_2D": ("its dilation differs between height and width",),
    "EXPAND_DIMS": (),
    "FULLY_CONNECTED": ("its weights are in a shuffled order", "its output has more than one dimension"),
    "L2_NORMALIZATION": (),
    "LOGISTIC": (),
    "MAXIMUM": (),
    "MAX_POOL_2D": ("an activation is fused into it",),
    "MEAN": ("it reduces the batch", "it reduces a depth that is no multiple of 4"),
    "MINIMUM": (),
    "MUL": (),
    "PACK": ("it packs the batch",),
    "PAD": ("it pads the batch",),
    "PRELU": ("its slopes have more than one dimension",),
    "QUANTIZE": (),
    "REDUCE_MAX": ("it reduces the batch",),
    "REDUCE_MIN": ("it reduces the batch",),
    "RELU": (),
    "RELU6": (),
    "RELU_N1_TO_1": (),
    "RESHAPE": (),
    "RESIZE_BILINEAR": (),
    "RESIZE_NEAREST_NEIGHBOR": (),
    "RSQRT": (),
    "SLICE": (),
    "SOFTMAX": ("its input has more than one dimension", "its input has more than 16000 values"),
    "SPACE_TO_DEPTH": (),
    "SPLIT": ("it splits the batch",),
    "SQUARED_DIFFERENCE": (),
    "SQUEEZE": (),
    "STRIDED_SLICE": ("its strides are not all 1, or it adds an axis",),
    "SUB": (),
    "SUM": ("it reduces the batch",),
    "TANH": (),
    "TRANSPOSE": (),
    "TRANSPOSE_CONV": (),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (),
}

EIGHT_BIT = ("INT8", "UINT8")
#: What else a constant may be: a bias, or a list of axes, sizes or places.
CONSTANTS = (*EIGHT_BIT, "INT32", "INT64")
LARGEST_SOFTMAX = 16_000
MOST_DIMENSIONS = 3


@dataclasses.dataclass(frozen=True)
class Unmapped:
    """An operation that is left to the processor.

    Attributes:
        index: of the operation in the graph, from 0.
        operation: its name in TensorFlow Lite.
        output: the name of the tensor that it makes.
        reason: why.
    """

    index: int
    operation: str
    output: str
    reason: str


def unmapped(content: bytes) -> list[Unmapped]:
    """Return the operations of a `.tflite` file that the Edge TPU compiler would leave to the processor.

    Told from the published table, without the compiler. The compiler maps one piece of the graph: what takes its
    values from an operation that is left behind is left behind with it, whatever it is. That the values of the input
    are quantised before that piece costs nothing else.

    Args:
        content: of a file that can be run.

    Returns:
        In the order of the graph; empty where all of it runs on the Edge TPU.
    """
    graph = _Graph(content)
    found: list[Unmapped] = []
    followed: dict[int, str] = {}
    for index, node in enumerate(graph.nodes()):
        reason = _reason(node)
        cause = next((followed[tensor] for tensor in node.inputs if tensor in followed), None)
        if reason is None and cause is not None:
            reason = f"it follows {cause}, which is left to the processor"
        if reason is None:
            continue
        found.append(Unmapped(index, node.name, graph.name(node.outputs[0]), reason))
        if node.name != "QUANTIZE" or not set(node.inputs) <= graph.inputs:
            followed.update(dict.fromkeys(node.outputs, cause or f"operation {index}, {node.name}"))
    return found


@dataclasses.dataclass(frozen=True)
class _Node:
    """An operation: its name, its options as a table of the schema, the numbers of its tensors, and the graph."""

    name: str
    options: Any
    inputs: list[int]
    outputs: list[int]
    graph: _Graph


class _Graph:
    """The first graph of a `.tflite` file."""

    def __init__(self, content: bytes) -> None:
        self._model = schema.Model.GetRootAs(content)
        self._graph = self._model.Subgraphs(0)
        self.inputs = {self._graph.Inputs(row) for row in range(self._graph.InputsLength())}

    def nodes(self) -> Iterator[_Node]:
        for row in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(row)
            code = self._model.OperatorCodes(operator.OpcodeIndex())
            # The older of the two fields holds what fits in seven bits.
            name = _OPERATIONS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            yield _Node(
                name=name if name != "CUSTOM" else f"CUSTOM {(code.CustomCode() or b'').decode()}",
                options=_options(operator),
                inputs=[number for number in _listed(operator.Inputs, operator.InputsLength()) if number >= 0],
                outputs=_listed(operator.Outputs, operator.OutputsLength()),
                graph=self,
            )

    def name(self, number: int) -> str:
        return (self._graph.Tensors(number).Name() or b"").decode()

    def type(self, number: int) -> str:
        return _TYPES[self._graph.Tensors(number).Type()]

    def shape(self, number: int) -> list[int]:
        """Return a tensor's sizes; -1 for one that is known only at run time."""
        tensor = self._graph.Tensors(number)
        if tensor.ShapeSignatureLength():
            return _listed(tensor.ShapeSignature, tensor.ShapeSignatureLength())
        return _listed(tensor.Shape, tensor.ShapeLength())

    def is_quantised(self, number: int) -> bool:
        quantisation = self._graph.Tensors(number).Quantization()
        return quantisation is not None and quantisation.ScaleLength() > 0

    def value(self, number: int) -> np.ndarray[Any, Any] | None:
        """Return the values of a constant, None of any other tensor."""
        tensor = self._graph.Tensors(number)
        buffer = self._model.Buffers(tensor.Buffer())
        if not buffer.DataLength():
            return None
        kinds = {"INT8": np.int8, "UINT8": np.uint8, "INT32": np.int32, "INT64": np.int64}
        return np.asarray(buffer.DataAsNumpy()).view(kinds.get(self.type(number), np.uint8))


def _listed(get: Callable[[int], int], count: int) -> list[int]:
    return [int(get(row)) for row in range(count)]


def _options(operator: Any) -> Any:
    """Return an operation's options as the table of the schema that they are, or None."""
    raw = operator.BuiltinOptions()
    kind = getattr(schema, _OPTIONS.get(operator.BuiltinOptionsType(), ""), None)
    if raw is None or kind is None:
        return None
    options = kind()
    options.Init(raw.Bytes, raw.Pos)
    return options


def _names(constants: type) -> dict[int, str]:
    return {value: name for name, value in vars(constants).items() if isinstance(value, int)}


_OPERATIONS = _names(schema.BuiltinOperator)
_OPTIONS = _names(schema.BuiltinOptions)
_TYPES = _names(schema.TensorType)


def _reason(node: _Node) -> str | None:
    """Return why an operation would not be mapped whatever stands before it, or None."""
    if node.name not in SUPPORTED:
        return "the Edge TPU has no such operation"
    return _refused_tensor(node) or next((limit for limit in SUPPORTED[node.name] if LIMITS[limit](node)), None)


def _refused_tensor(node: _Node) -> str | None:
    graph = node.graph
    for number in (*node.inputs, *node.outputs):
        kind, constant = graph.type(number), graph.value(number) is not None
        if kind not in (CONSTANTS if constant else EIGHT_BIT):
            return f"{kind.lower()} is not an 8-bit type"
        if not constant and not graph.is_quantised(number):
            return "a tensor of 8 bits has no scale"
        if constant:
            continue
        shape = graph.shape(number)
        if -1 in shape:
            return "a size is known only at run time"
        if math.prod(shape[:-MOST_DIMENSIONS]) > 1:
            return f"more than {MOST_DIMENSIONS} dimensions are above 1: {' x '.join(map(str, shape))}"
    return None


def _axes(node: _Node, place: int) -> set[int]:
    """Return the axes of which an input is a list, as an operation on its first input counts them."""
    value = node.graph.value(node.inputs[place])
    rank = len(node.graph.shape(node.inputs[1 - place]))
    return set() if value is None else {int(axis) % max(rank, 1) for axis in value.ravel()}


def _is_batch(node: _Node, axes: set[int]) -> bool:
    # A tensor of three dimensions or fewer may lack the batch; of four, it is the first.
    return len(node.graph.shape(node.outputs[0])) > MOST_DIMENSIONS and 0 in axes


def _has(node: _Node, option: str) -> bool:
    return node.options is not None and getattr(node.options, option)() != 0


def _appends_values(node: _Node) -> bool:
    values = [value for value in map(node.graph.value, node.inputs) if value is not None]
    return bool(values) and (len(node.inputs) != 2 or bool(values[0].any()))


def _has_uneven_dilation(node: _Node) -> bool:
    return node.options is not None and node.options.DilationHFactor() != node.options.DilationWFactor()


def _reduces_odd_depth(node: _Node) -> bool:
    shape = node.graph.shape(node.inputs[0])
    return len(shape) - 1 in _axes(node, 1) and shape[-1] % 4 != 0


def _pads_the_batch(node: _Node) -> bool:
    padding = node.graph.value(node.inputs[1])
    return padding is not None and len(padding) > 2 * MOST_DIMENSIONS and bool(padding[:2].any())


def _strides(node: _Node) -> bool:
    strides = node.graph.value(node.inputs[3])
    return (
        _has(node, "EllipsisMask") or _has(node, "NewAxisMask") or (strides is not None and bool((strides != 1).any()))
    )


def _is_vector(shape: list[int]) -> bool:
    return math.prod(shape[:-1]) == 1


#: What a supported operation is refused for, and whether it is so.
LIMITS: Mapping[str, Callable[[_Node], bool]] = {
    "an activation is fused into it": lambda node: _has(node, "FusedActivationFunction"),
    "what it appends is a constant other than zeros": _appends_values,
    "its dilation differs between height and width": _has_uneven_dilation,
    "its weights are in a shuffled order": lambda node: _has(node, "WeightsFormat"),
    "its output has more than one dimension": lambda node: not _is_vector(node.graph.shape(node.outputs[0])),
    "its input has more than one dimension": lambda node: not _is_vector(node.graph.shape(node.inputs[0])),
    "its input has more than 16000 values": lambda node: math.prod(node.graph.shape(node.inputs[0])) > LARGEST_SOFTMAX,
    "it reduces the batch": lambda node: len(node.graph.shape(node.inputs[0])) > 1 and 0 in _axes(node, 1),
    "it packs the batch": lambda node: _is_batch(node, {node.options.Axis() if node.options else 0}),
    "it splits the batch": lambda node: _is_batch(node, _axes(node, 0)),
    "it pads the batch": _pads_the_batch,
    "it reduces a depth that is no multiple of 4": _reduces_odd_depth,
    "its slopes have more than one dimension": lambda node: not _is_vector(node.graph.shape(node.inputs[1])),
    "its strides are not all 1, or it adds an axis": _strides,
}
