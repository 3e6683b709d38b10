"""The preprocessing of pixels, taken into the integers of the input and the first convolution.

A network normalises each pixel p of 0...255 to a*p + b and convolves the result. With the factors a in the kernel, what
is convolved is p - c, c = -b / a: an integer tensor of scale 1 whose zero point is c, and the bytes of a picture are
that tensor's own numbers. Nothing is rounded, and zero padding stays zero of the normalised picture. Where c differs
between colours, an addition remains.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from efficientnet_tf.exporting.quantization.graph import Array, Graph, Operation

#: What the tensor of pixels less their centre is called, where there is one.
CENTRED = "centred_pixels"
#: How near a centre must be to an integer, in pixels of 0...255.
TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """What was found at the beginning of a network: which operations scale its pixels, and how.

    Attributes:
        operations: these, from the input on.
        convolution: the first.
        image, normalised: the tensors before and after the operations.
        scale, offset: float64 [3], of the colours.
    """

    operations: tuple[Operation, ...]
    convolution: Operation
    image: int
    normalised: int
    scale: Array
    offset: Array


def centre_pixels(content: bytes, *, keep_addition: bool) -> tuple[bytes, int]:
    """Return a network without its preprocessing, and the centre of its pixels.

    Args:
        content: a `.tflite` file in float32 from `image`, pixels of 0...255.
        keep_addition: leave the subtraction of the centre in, for an input that stays in float32.

    Returns:
        The file, and the centre c: its input is p - c. It is 0 where an addition is left, or where the network does not
        begin as it must: then it is the file that was given.
    """
    graph = Graph(content)
    found = _preprocessing(graph)
    if found is None:
        return content, 0
    centre = -found.offset / found.scale
    integer = round(centre[0])
    absorbed = not keep_addition and np.abs(centre - integer).max() < TOLERANCE and 0 <= integer <= 255
    if not absorbed and [operation.kind for operation in found.operations] == ["ADD"]:
        return content, 0  # it begins as it would here
    convolution = found.convolution
    kernel = graph.constant(convolution.inputs[1])
    assert kernel is not None
    graph.replace_input(convolution, 1, (kernel * found.scale).astype(np.float32))
    gone = {id(operation.record) for operation in found.operations}
    if absorbed or not centre.any():
        _read_instead(graph, found.normalised, found.image)
    else:
        addition = next(operation.record for operation in found.operations if operation.kind == "ADD")
        addition.inputs = np.array([found.image, graph.add_constant((-centre).astype(np.float32), "centre")], np.int32)
        addition.outputs = np.array([found.normalised], np.int32)
        graph.subgraph.tensors[found.normalised].name = CENTRED.encode()
        gone.remove(id(addition))
    graph.subgraph.operators = [record for record in graph.subgraph.operators if id(record) not in gone]
    return graph.content(), integer if absorbed else 0


def _preprocessing(graph: Graph) -> Preprocessing | None:
    """Return how a network begins, if it scales each colour and then convolves."""
    inputs, _ = graph.signature()
    image = tensor = inputs["image"]
    readers = graph.readers()
    scale, offset = np.ones(3), np.zeros(3)
    operations = []
    while True:
        after = readers.get(tensor, [])
        if len(after) != 1:
            return None
        (operation,) = after
        factor = next((value for value in map(graph.constant, operation.inputs) if value is not None), None)
        if operation.kind not in ("MUL", "ADD") or factor is None or factor.size not in (1, 3):
            break
        if operation.kind == "MUL":
            scale, offset = scale * factor.ravel(), offset * factor.ravel()
        else:
            offset = offset + factor.ravel()
        operations.append(operation)
        tensor = operation.outputs[0]
    if operation.kind == "PAD":  # of zeros, before a convolution without padding of its own
        (operation,) = readers.get(operation.outputs[0], [])[:1] or [operation]
    if operation.kind != "CONV_2D" or not scale.all():
        return None
    return Preprocessing(tuple(operations), operation, image, tensor, scale, offset)


def _read_instead(graph: Graph, old: int, new: int) -> None:
    """Let all that reads a tensor read another."""
    for record in graph.subgraph.operators:
        record.inputs = np.where(np.asarray(record.inputs) == old, new, record.inputs).astype(np.int32)
