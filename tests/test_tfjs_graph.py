"""Which operations of a graph are fused, which are left alone, and which are refused."""

from __future__ import annotations

import collections
import json
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import graph_pb2

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.exporting import tfjs, tfjs_graph
from efficientnet_tf.exporting.tfjs_ops import OPS

sys.path.insert(0, str(Path(__file__).parent / "golden"))
import make_tfjs_golden

layers = keras.layers
CHANNELS = 4


def _random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _graph(build):
    """Return the graph of `build(x)`, x [N, 6, 6, CHANNELS], its result a node called out."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 6, 6, CHANNELS], name="x")
        tf.identity(build(x), name="out")
    return graph.as_graph_def()


def _conv(x, name="conv"):
    return tf.nn.conv2d(x, tf.constant(_random(1, 1, CHANNELS, CHANNELS)), 1, "SAME", name=name)


def _depthwise(x):
    return tf.nn.depthwise_conv2d(x, tf.constant(_random(3, 3, CHANNELS, 1)), [1, 1, 1, 1], "SAME", name="conv")


def _matmul(x):
    return tf.linalg.matmul(tf.reduce_mean(x, [1, 2]), tf.constant(_random(CHANNELS, 3)), name="conv")


def _fused_kinds(graph):
    return [(node.op, list(node.attr["fused_ops"].list.s)) for node in graph.node if node.attr["num_args"].i]


@pytest.mark.parametrize(
    ("product", "channels", "fused"),
    [
        (_conv, CHANNELS, "_FusedConv2D"),
        (_depthwise, CHANNELS, "FusedDepthwiseConv2dNative"),
        (_matmul, 3, "_FusedMatMul"),
    ],
)
@pytest.mark.parametrize(
    ("activation", "names"),
    [
        (tf.identity, [b"BiasAdd"]),
        (tf.nn.relu6, [b"BiasAdd", b"Relu6"]),
        (tf.sigmoid, [b"BiasAdd", b"Sigmoid"]),
        (tf.nn.silu, [b"BiasAdd"]),
    ],
)
def test_a_bias_and_what_follows_it_are_fused(product, channels, fused, activation, names):
    graph = _graph(lambda x: activation(tf.nn.bias_add(product(x), tf.constant(_random(channels)))))
    assert _fused_kinds(tfjs_graph.fuse(graph, ["out"])) == [(fused, names)]


@pytest.mark.parametrize("order", ["bias last", "bias first"])
def test_an_addition_of_a_constant_vector_is_a_bias(order):
    bias = _random(CHANNELS)
    graph = _graph(lambda x: tf.add(_conv(x), bias) if order == "bias last" else tf.add(bias, _conv(x)))
    fused = tfjs_graph.fuse(graph, ["out"])
    assert _fused_kinds(fused) == [("_FusedConv2D", [b"BiasAdd"])]
    (node,) = [node for node in fused.node if node.op == "_FusedConv2D"]
    nodes = {node.name: node for node in fused.node}
    np.testing.assert_array_equal(tf.make_ndarray(nodes[node.input[2]].attr["value"].tensor), bias)
    assert node.attr["strides"].list.i == [1, 1, 1, 1]
    assert node.attr["padding"].s == b"SAME"


@pytest.mark.parametrize(
    "build",
    [
        lambda x: tf.add(_conv(x), x),
        lambda x: tf.add(x, _conv(x)),
        lambda x: tf.add(_conv(x, "one"), _conv(x, "two")),
        lambda x: tf.add(_conv(x), _random(1, 6, 6, CHANNELS)),
        lambda x: tf.add(_conv(x), _random(1, 1, 1, CHANNELS)),
        lambda x: tf.add(_conv(x), _random(1)),
        lambda x: tf.add(_conv(x), np.float32(2)),
        lambda x: tf.add(tf.nn.conv2d(x, tf.tile(x[:1, :1, :1, :, None], [1, 1, 1, 1, 4])[0], 1, "SAME"), _random(4)),
    ],
    ids=["residual", "residual first", "two branches", "image", "4-D", "length 1", "scalar", "computed kernel"],
)
def test_what_is_not_a_bias_stays_an_addition(build):
    graph = _graph(build)
    assert tfjs_graph.fuse(graph, ["out"]) == graph_pb2.GraphDef(node=graph.node, versions=graph.versions)


def test_what_is_read_twice_or_is_an_output_stays():
    def build(x):
        product = _conv(x)
        return tf.nn.bias_add(product, _random(CHANNELS)) * product

    graph = _graph(build)
    assert _fused_kinds(tfjs_graph.fuse(graph, ["out"])) == []
    graph = _graph(lambda x: tf.nn.bias_add(_conv(x), _random(CHANNELS)))
    assert _fused_kinds(tfjs_graph.fuse(graph, ["out", "conv"])) == []


def _residual_model(first):
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(CHANNELS, 3, 2, "same", bias_initializer="normal")(image)
    for number, (use_bias, bias) in enumerate([(False, "zeros"), (True, "zeros"), (True, "normal")]):
        branch = layers.Conv2D(CHANNELS, 1, use_bias=use_bias, bias_initializer=bias, name=f"project{number}")(x)
        x = layers.Add()([branch, x] if first == "branch" else [x, branch])
    return keras.Model(image, layers.GlobalAveragePooling2D()(x))


@pytest.mark.parametrize("first", ["branch", "shortcut"])
def test_the_residual_additions_of_a_model_are_never_a_bias(first):
    inference = tfjs_graph.inference_graph(_residual_model(first))
    nodes = {node.name: node for node in inference.graph.node}
    counts = collections.Counter(node.op for node in nodes.values())
    # Grappler drops the bias of zeros; the two products that have none then are not fused.
    assert (counts["_FusedConv2D"], counts["Conv2D"]) == (2, 2)
    assert counts["AddV2"] + 2 * counts["AddN"] >= 3
    for node in nodes.values():
        if node.op == "_FusedConv2D":
            bias = nodes[node.input[2]]
            assert bias.op == "Const"
            assert tf.make_ndarray(bias.attr["value"].tensor).shape == (CHANNELS,)


def test_the_graph_of_a_model_has_plain_names_and_no_notes():
    inference = tfjs_graph.inference_graph(_residual_model("branch"))
    assert inference.input_shape == (None, 8, 8, 3)
    assert inference.output_shapes == {"probabilities": (None, CHANNELS)}
    nodes = {node.name: node for node in inference.graph.node}
    assert nodes["image"].op == "Placeholder"
    assert "probabilities" in nodes
    assert not any(node.device or "_input_shapes" in node.attr for node in nodes.values())
    assert {node.op for node in nodes.values()} <= OPS


def test_an_operation_that_tensorflow_js_lacks_is_named():
    image = keras.Input((8, 8, 3), name="image")
    resized = layers.Resizing(4, 4, interpolation="bicubic")(image)
    model = keras.Model(image, layers.GlobalAveragePooling2D()(resized))
    with pytest.raises(EfficientNetError) as caught:
        tfjs_graph.inference_graph(model)
    expected = r"TensorFlow\.js cannot run these operations of the model: ResizeBicubic \(node \S+ResizeBicubic\)\."
    assert re.fullmatch(expected, str(caught.value))


def test_every_missing_operation_is_named_once():
    graph = graph_pb2.GraphDef()
    for op, name in [("While", "loop"), ("Betainc", "b1"), ("Relu", "r"), ("Betainc", "b2")]:
        graph.node.add(op=op, name=name)
    with pytest.raises(EfficientNetError) as caught:
        tfjs_graph.check_operations(graph)
    assert str(caught.value) == (
        "TensorFlow.js cannot run these operations of the model: Betainc (node b1), While (node loop)."
    )


@pytest.mark.parametrize(
    ("shape", "dtype", "name", "received"),
    [
        ((8, 8, 3), "uint8", "image", "image uint8[None, 8, 8, 3]"),
        ((8, 8, 3), "float32", "input", "input float32[None, 8, 8, 3]"),
        ((None, 8, 3), "float32", "image", "image float32[None, None, 8, 3]"),
        ((8,), "float32", "image", "image float32[None, 8]"),
    ],
)
def test_another_input_is_refused(shape, dtype, name, received):
    image = keras.Input(shape, dtype=dtype, name=name)
    model = keras.Model(image, layers.Flatten()(image))
    with pytest.raises(UsageError) as caught:
        tfjs_graph.inference_graph(model)
    assert str(caught.value) == (
        f"A TensorFlow.js export takes a model with one input, image float32[None, height, width, 3], got {received}."
    )


def test_two_outputs_without_names_are_refused():
    image = keras.Input((8, 8, 3), name="image")
    with pytest.raises(UsageError) as caught:
        tfjs_graph.inference_graph(keras.Model(image, [layers.Flatten()(image), layers.ReLU()(image)]))
    assert str(caught.value) == (
        "A TensorFlow.js export takes a model with one output or a dictionary of them, got 2 without names."
    )


# Against TensorFlow.js' own converter

#: What the converter leaves as an operation of its own where this package does not, and why.
#: In squeeze-and-excite, the gate's sigmoid follows its bias at once: TensorFlow.js computes it within the
#: convolution, but grappler, by which the converter fuses, knows no such convolution.
APART = {"b0": 16, "lite0": 0}


def _official(line):
    """Return what a line of our graph is in the converter's: the sigmoid of a gate stands apart there."""
    line = line.replace('"BiasAdd", "Sigmoid"', '"BiasAdd"')
    return line.replace("Mul(Mul, _FusedConv2D)", "Mul(Mul, Sigmoid)")


@pytest.mark.parametrize("variant", ["b0", "lite0"])
def test_the_graph_is_the_official_converter_s_but_for_the_gates(variant):
    golden = json.loads(make_tfjs_golden.GOLDEN.read_text("utf-8"))
    graph = tfjs_graph.inference_graph(make_tfjs_golden.deployed(variant)).graph
    ours = make_tfjs_golden.describe(tfjs.topology(graph))
    expected = collections.Counter(golden["graphs"][variant])
    expected["Sigmoid(_FusedConv2D)"] -= APART[variant]
    found = collections.Counter()
    for line, count in ours.items():
        found[_official(line)] += count
    assert found == +expected
    assert sum(b"Sigmoid" in node.attr["fused_ops"].list.s for node in graph.node) == APART[variant]
    operations = {node.op for node in graph.node}
    assert not {"BiasAdd", "Conv2D", "DepthwiseConv2dNative", "MatMul", "FusedBatchNormV3", "Reshape"} & operations
