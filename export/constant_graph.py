"""A deployed network as one graph that holds its weights itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.grappler import tf_optimizer

from efficientnet_tf.exporting.outputs import INPUT, answers, output_names

#: Twice, since folding and rewriting open the way for each other.
GRAPPLER_PASSES = ("pruning", "constfold", "arithmetic", "dependency") * 2


def constant_graph(model: keras.Model, batch: int | None = None) -> graph_pb2.GraphDef:
    """Return the graph of a network with its weights as constants, optimised by TensorFlow.

    Args:
        model: a deployed network.
        batch: how many pictures it takes; None for any number.

    Returns:
        A graph whose input is the node `image`, float32 [N, height, width, 3], and whose outputs are the nodes of their
        names.

    >>> from keras import layers
    >>> image = keras.Input((8, 8, 3), name="image")
    >>> model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(image)))
    >>> [node.op for node in constant_graph(model).node if node.op != "Const"]
    ['Placeholder', 'Mean', 'MatMul', 'Identity']
    """
    values = [(variable, variable.numpy()) for variable in model.variables]

    def network(image: tf.Tensor) -> list[tf.Tensor]:
        constants = [(variable, tf.constant(value)) for variable, value in values]
        with keras.StatelessScope(state_mapping=constants):
            return [tf.identity(answer, name=name) for name, answer in answers(model, image).items()]

    spec = tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32, name=INPUT)
    traced = tf.function(network, input_signature=[spec], autograph=False).get_concrete_function()
    return _cleaned(_optimized(traced.graph, output_names(model)))


def constant_function(model: keras.Model, batch: int | None = None) -> Any:
    """Return `constant_graph` as a function, traced; whoever calls it from several functions has its weights once.

    Returns:
        A `ConcreteFunction` from `image`, float32 [N, height, width, 3], to the network's outputs by their names.

    >>> from keras import layers
    >>> image = keras.Input((8, 8, 3), name="image")
    >>> function = constant_function(keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(image))))
    >>> function.captured_inputs, function(tf.ones((1, 8, 8, 3)))["probabilities"].shape
    ([], TensorShape([1, 2]))
    """
    graph, names = constant_graph(model, batch), output_names(model)

    def network(image: tf.Tensor) -> dict[str, tf.Tensor]:
        found = tf.graph_util.import_graph_def(graph, {INPUT: image}, [f"{name}:0" for name in names], name="")
        return dict(zip(names, found, strict=True))

    spec = tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32, name=INPUT)
    return tf.function(network, input_signature=[spec], autograph=False).get_concrete_function()


def _optimized(graph: tf.Graph, outputs: Iterable[str]) -> graph_pb2.GraphDef:
    """Return a graph through grappler, TensorFlow's own optimiser, without what `outputs` do not need."""
    meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=graph.as_graph_def(), graph=graph)
    # Grappler keeps what this collection names.
    meta_graph.collection_def["train_op"].node_list.value.extend(outputs)
    config = config_pb2.ConfigProto()
    config.graph_options.rewrite_options.optimizers.extend(GRAPPLER_PASSES)
    return tf_optimizer.OptimizeGraph(config, meta_graph)


def _cleaned(graph: graph_pb2.GraphDef) -> graph_pb2.GraphDef:
    """Return a graph without devices and without grappler's notes on shapes."""
    cleaned = graph_pb2.GraphDef()
    cleaned.CopyFrom(graph)
    for node in cleaned.node:
        node.device = ""
        node.attr.pop("_input_shapes", None)
    return cleaned
