"""What Coral's Edge TPU would leave to the processor, on files of single operations and on a converted network."""

from __future__ import annotations

import pytest
from ai_edge_litert import schema_py_generated as schema
from small_tflite import convert, of_operations, tensor

from efficientnet_tf.exporting import edgetpu
from efficientnet_tf.exporting.edgetpu import LIMITS, SUPPORTED, Unmapped, unmapped

MAP = (1, 4, 4, 8)


def options(name, **values):
    made = getattr(schema, f"{name}T")()
    for key, value in values.items():
        setattr(made, key, value)
    return made


def ints(*values):
    return tensor([len(values)], "INT32", value=values)


def reasons(*operations):
    return [(row.index, row.operation, row.reason) for row in unmapped(of_operations(*operations))]


FUSED = {"fusedActivationFunction": schema.ActivationFunctionType.RELU6}
UNEVEN = {"dilationHFactor": 2, "dilationWFactor": 1}
CONV = [tensor(MAP), tensor((8, 1, 1, 8), value=[0] * 64), tensor((8,), "INT32", value=[0] * 8)]
REFUSED = {
    "no-such-operation": ("HARD_SWISH", None, [tensor(MAP)], tensor(MAP), "the Edge TPU has no such operation"),
    "float32": ("RELU", None, [tensor(MAP, "FLOAT32")], tensor(MAP, "FLOAT32"), "float32 is not an 8-bit type"),
    "int16": ("MUL", None, [tensor(MAP, "INT16")] * 2, tensor(MAP, "INT16"), "int16 is not an 8-bit type"),
    "no-scale": ("RELU", None, [tensor(MAP, scale=False)], tensor(MAP), "a tensor of 8 bits has no scale"),
    "dynamic": (
        "RELU",
        None,
        [tensor(MAP, signature=[-1, 4, 4, 8])],
        tensor(MAP),
        "a size is known only at run time",
    ),
    "batch": (
        "RELU",
        None,
        [tensor((2, 4, 4, 8))],
        tensor((2, 4, 4, 8)),
        "more than 3 dimensions are above 1: 2 x 4 x 4 x 8",
    ),
    "pool": (
        "AVERAGE_POOL_2D",
        options("Pool2DOptions", **FUSED),
        [tensor(MAP)],
        tensor(MAP),
        "an activation is fused into it",
    ),
    "concatenation": (
        "CONCATENATION",
        options("ConcatenationOptions", axis=3),
        [tensor(MAP), tensor(MAP, value=[1] * 128)],
        tensor((1, 4, 4, 16)),
        "what it appends is a constant other than zeros",
    ),
    "dilation": (
        "CONV_2D",
        options("Conv2DOptions", **UNEVEN),
        CONV,
        tensor(MAP),
        "its dilation differs between height and width",
    ),
    "shuffled": (
        "FULLY_CONNECTED",
        options("FullyConnectedOptions", weightsFormat=1),
        [tensor((1, 8)), tensor((2, 8), value=[0] * 16)],
        tensor((1, 2)),
        "its weights are in a shuffled order",
    ),
    "matrix-out": (
        "FULLY_CONNECTED",
        options("FullyConnectedOptions"),
        [tensor((3, 8)), tensor((2, 8), value=[0] * 16)],
        tensor((3, 2)),
        "its output has more than one dimension",
    ),
    "softmax-of-a-map": ("SOFTMAX", None, [tensor(MAP)], tensor(MAP), "its input has more than one dimension"),
    "large-softmax": (
        "SOFTMAX",
        None,
        [tensor((1, 16_001))],
        tensor((1, 16_001)),
        "its input has more than 16000 values",
    ),
    "mean-of-the-batch": ("MEAN", None, [tensor(MAP), ints(0)], tensor((4, 4, 8)), "it reduces the batch"),
    "mean-of-odd-depth": (
        "MEAN",
        None,
        [tensor((1, 4, 4, 3)), ints(-1)],
        tensor((1, 4, 4)),
        "it reduces a depth that is no multiple of 4",
    ),
    "pack": (
        "PACK",
        options("PackOptions", axis=0, valuesCount=1),
        [tensor((4, 4, 8))],
        tensor(MAP),
        "it packs the batch",
    ),
    "split": (
        "SPLIT",
        options("SplitOptions", numSplits=1),
        [ints(0), tensor(MAP)],
        tensor(MAP),
        "it splits the batch",
    ),
    "pad": (
        "PAD",
        None,
        [tensor((1, 4, 4, 8)), tensor((4, 2), "INT32", value=[0, 1, 0, 0, 0, 0, 0, 0])],
        tensor((2, 1, 4, 8)),
        "it pads the batch",
    ),
    "prelu": (
        "PRELU",
        None,
        [tensor(MAP), tensor((4, 4, 8), value=[0] * 128)],
        tensor(MAP),
        "its slopes have more than one dimension",
    ),
    "strides": (
        "STRIDED_SLICE",
        options("StridedSliceOptions"),
        [tensor(MAP), ints(0, 0, 0, 0), ints(1, 4, 4, 8), ints(1, 2, 2, 1)],
        tensor((1, 2, 2, 8)),
        "its strides are not all 1, or it adds an axis",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    name, chosen, inputs, output, reason = REFUSED[case]
    if case == "pad":
        output = tensor((2, 4, 4, 8))
        # The batch of the output is refused before its padding is looked at, unless it stays one.
        output.shape = [1, 4, 4, 8]
    assert reasons((name, chosen, inputs, output)) == [(0, name, reason)]


def test_every_limit_is_tried():
    assert {reason for *_, reason in REFUSED.values()} >= set(LIMITS)
    assert set(LIMITS) == {limit for limits in SUPPORTED.values() for limit in limits}


ALLOWED = {
    "pool": ("AVERAGE_POOL_2D", options("Pool2DOptions"), [tensor(MAP)], tensor(MAP)),
    "zeros-appended": (
        "CONCATENATION",
        options("ConcatenationOptions", axis=3),
        [tensor(MAP), tensor(MAP, value=[0] * 128)],
        tensor((1, 4, 4, 16)),
    ),
    "convolution": ("CONV_2D", options("Conv2DOptions", **FUSED), CONV, tensor(MAP)),
    "mean-over-the-map": ("MEAN", None, [tensor(MAP), ints(1, 2)], tensor((1, 1, 1, 8))),
    "mean-of-depth": ("MEAN", None, [tensor(MAP), ints(3)], tensor((1, 4, 4))),
    "padding": (
        "PAD",
        None,
        [tensor(MAP), tensor((4, 2), "INT32", value=[0, 0, 0, 1, 0, 1, 0, 0])],
        tensor((1, 5, 5, 8)),
    ),
    "softmax": ("SOFTMAX", None, [tensor((1, 16_000), "UINT8")], tensor((1, 16_000), "UINT8")),
    "slice": (
        "STRIDED_SLICE",
        options("StridedSliceOptions"),
        [tensor(MAP), ints(0, 0, 0, 0), ints(1, 2, 2, 8), ints(1, 1, 1, 1)],
        tensor((1, 2, 2, 8)),
    ),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_allowed(case):
    assert reasons(ALLOWED[case]) == []


def test_what_follows_is_left_behind_too():
    image, first, second, third, aside = (tensor(MAP) for _ in range(5))
    found = unmapped(
        of_operations(
            ("RELU", None, [image], first),
            ("HARD_SWISH", None, [first], second),
            ("LOGISTIC", None, [first], aside),
            ("MUL", None, [second, aside], third),
            ("RELU", None, [third], tensor(MAP)),
        )
    )
    follows = "it follows operation 1, HARD_SWISH, which is left to the processor"
    assert found == [
        Unmapped(1, "HARD_SWISH", "tensor 2", "the Edge TPU has no such operation"),
        Unmapped(3, "MUL", "tensor 4", follows),
        Unmapped(4, "RELU", "tensor 5", follows),
    ]


def test_converted_network():
    assert unmapped(convert("uint8")) == []
    # With float32 at both ends, only the two conversions are left behind.
    assert [(row.operation, row.reason) for row in unmapped(convert("float32 around int8"))] == [
        ("QUANTIZE", "float32 is not an 8-bit type"),
        ("DEQUANTIZE", "the Edge TPU has no such operation"),
    ]
    left = unmapped(convert())
    assert {row.reason for row in left} == {"float32 is not an 8-bit type"}
    assert [row.operation for row in left][-2:] == ["MUL", "SOFTMAX"]


def test_says_that_the_compiler_was_not_asked():
    assert "Google's compiler is not part of this program" in edgetpu.__doc__
