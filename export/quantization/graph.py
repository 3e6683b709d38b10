"""A `.tflite` file as a graph that can be read and changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

Array = np.ndarray[Any, Any]

IDENTIFIER = b"TFL3"
ALIGNMENT = 16
KINDS = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
TYPES = {
    schema.TensorType.FLOAT32: np.dtype(np.float32),
    schema.TensorType.FLOAT16: np.dtype(np.float16),
    schema.TensorType.INT32: np.dtype(np.int32),
    schema.TensorType.INT8: np.dtype(np.int8),
    schema.TensorType.UINT8: np.dtype(np.uint8),
    schema.TensorType.INT16: np.dtype(np.int16),
    schema.TensorType.INT64: np.dtype(np.int64),
}
CODES = {dtype: code for code, dtype in TYPES.items()}

#: Of these operations, which input is the kernel, which the bias, and which axis of the kernel the channels that come
#: out are on.
CONVOLUTIONS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation: its kind, its tensors by number, and its record in the file."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    record: Any

    @property
    def activation(self) -> int:
        """The activation that is part of it, of `schema.ActivationFunctionType`."""
        return int(getattr(self.record.builtinOptions, "fusedActivationFunction", 0))


class _AlignedBuffer(schema.BufferT):
    """The bytes of a constant, which the format wants at multiples of 16 and inside of the file's own structure.

    The generated code forgets the first; ai-edge-quantizer puts them behind the structure, which not all readers know.
    """

    def __init__(self, buffer: Any, content: bytes = b"") -> None:
        super().__init__()
        outside = content[buffer.offset : buffer.offset + buffer.size] if buffer.offset > 1 else None
        self.data = buffer.data if outside is None else np.frombuffer(outside, np.uint8)

    def Pack(self, builder: Any) -> int:
        """Write the buffer; return its place."""
        vector = None
        if self.data is not None and len(self.data):
            data = np.asarray(self.data, np.uint8).tobytes()
            builder.StartVector(1, len(data), ALIGNMENT)
            builder.head -= len(data)
            builder.Bytes[builder.head : builder.head + len(data)] = data
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return int(schema.BufferEnd(builder))


class Graph:
    """The one graph of a `.tflite` file.

    Args:
        content: the file.
    """

    def __init__(self, content: bytes) -> None:
        self.model = schema.ModelT.InitFromPackedBuf(bytearray(content))
        self.model.buffers = [_AlignedBuffer(buffer, content) for buffer in self.model.buffers]
        self.subgraph = self.model.subgraphs[0]

    def content(self) -> bytes:
        """Return the file."""
        used = sorted({record.opcodeIndex for record in self.subgraph.operators})
        self.model.operatorCodes = [self.model.operatorCodes[code] for code in used]
        for record in self.subgraph.operators:
            record.opcodeIndex = used.index(record.opcodeIndex)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), file_identifier=IDENTIFIER)
        return bytes(builder.Output())

    def operations(self) -> Iterator[Operation]:
        """Yield the operations in the order in which they run."""
        for record in self.subgraph.operators:
            code = self.model.operatorCodes[record.opcodeIndex]
            kind = KINDS[max(code.builtinCode, code.deprecatedBuiltinCode)]
            yield Operation(kind, tuple(map(int, record.inputs)), tuple(map(int, record.outputs)), record)

    def name(self, tensor: int) -> str:
        """Return a tensor's name."""
        return str(self.subgraph.tensors[tensor].name.decode())

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return a tensor's shape."""
        shape = self.subgraph.tensors[tensor].shape
        return () if shape is None else tuple(map(int, shape))

    def dtype(self, tensor: int) -> np.dtype[Any]:
        """Return the type of a tensor's numbers."""
        return TYPES[self.subgraph.tensors[tensor].type]

    def constant(self, tensor: int) -> Array | None:
        """Return the numbers of a constant; None of a tensor that is computed."""
        if tensor < 0:
            return None
        record = self.subgraph.tensors[tensor]
        data = self.model.buffers[record.buffer].data
        if data is None or len(data) == 0:
            return None
        return np.frombuffer(np.asarray(data, np.uint8).tobytes(), TYPES[record.type]).reshape(self.shape(tensor))

    def add_constant(self, values: Array, name: str) -> int:
        """Add a constant; return its number."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(_AlignedBuffer(buffer))
        return self.add_tensor(values.shape, values.dtype, name, buffer=len(self.model.buffers) - 1)

    def add_tensor(self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str, buffer: int | None = None) -> int:
        """Add a tensor, computed unless it has a buffer; return its number."""
        if buffer is None:
            self.model.buffers.append(_AlignedBuffer(schema.BufferT()))
            buffer = len(self.model.buffers) - 1
        tensor = schema.TensorT()
        tensor.shape = np.asarray(shape, np.int32)
        tensor.type = CODES[np.dtype(dtype)]
        tensor.name = name.encode()
        tensor.buffer = buffer
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def padding(self, operation: Operation, axis: int) -> int:
        """Return how many zeros a convolution adds to its input's height (axis 1) or width (2); it has half before."""
        options = operation.record.builtinOptions
        if options.padding != schema.Padding.SAME:
            return 0
        stride, size = (options.strideH, options.strideW)[axis - 1], self.shape(operation.inputs[1])[axis]
        there, wanted = (self.shape(tensor)[axis] for tensor in (operation.inputs[0], operation.outputs[0]))
        return max((wanted - 1) * stride + size - there, 0)

    def replace_input(self, operation: Operation, place: int, values: Array) -> None:
        """Give an operation, and it alone, another constant as one of its inputs."""
        old = int(operation.record.inputs[place])
        if old >= 0 and values.shape == self.shape(old) and self._times_read(old) == 1:
            self.replace_constant(old, values)
            return
        name = self.name(old) if old >= 0 else f"{self.name(operation.outputs[0])}/bias"
        # The quantiser tells tensors apart by their names.
        operation.record.inputs[place] = self.add_constant(values, f"{name}/{len(self.subgraph.tensors)}")

    def _times_read(self, tensor: int) -> int:
        return sum(int((np.asarray(record.inputs) == tensor).sum()) for record in self.subgraph.operators)

    def replace_constant(self, tensor: int, values: Array) -> None:
        """Give a constant other numbers, of any type; those it had leave the file, unless another has them too."""
        record = self.subgraph.tensors[tensor]
        if sum(other.buffer == record.buffer for other in self.subgraph.tensors) > 1:
            self.model.buffers.append(_AlignedBuffer(schema.BufferT()))
            record.buffer = len(self.model.buffers) - 1
        record.type = CODES[values.dtype]
        self.model.buffers[record.buffer].data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)

    def readers(self) -> dict[int, list[Operation]]:
        """Return, for each tensor that is read, the operations that read it."""
        found: dict[int, list[Operation]] = {}
        for operation in self.operations():
            for tensor in operation.inputs:
                found.setdefault(tensor, []).append(operation)
        return found

    def producers(self) -> dict[int, Operation]:
        """Return, for each tensor that is computed, the operation that computes it."""
        return {tensor: operation for operation in self.operations() for tensor in operation.outputs}

    def signature(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return the numbers of the inputs and the outputs by their names in the signature."""
        (record,) = self.model.signatureDefs
        inputs, outputs = (
            {entry.name.decode(): int(entry.tensorIndex) for entry in entries}
            for entries in (record.inputs, record.outputs)
        )
        return inputs, outputs


def layer_of(tensor_name: str) -> str:
    """Return the name of the Keras layer that a tensor of a converted network belongs to.

    >>> layer_of("efficientnet_b0_1/block1a_dwconv_1/depthwise1")
    'block1a_dwconv'
    """
    # What was fused bears all names; the first is the operation's own.
    parts = tensor_name.split(";")[0].split("/")
    layer = parts[1] if len(parts) > 2 else parts[0]
    stem, _, number = layer.rpartition("_")
    return stem if stem and number.isdigit() else layer
