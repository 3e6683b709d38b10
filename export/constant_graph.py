"""A deployed network as one graph that holds its weights itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from tensorflow.core.framework import graph_pb2

from efficientnet_tf.exporting.deploy import INPUT, PROBABILITIES, answers, output_names
from efficientnet_tf.exporting.tfjs_graph import clean, optimize


def output_tensors(model: keras.Model) -> dict[str, Any]:
    """Return a deployed network's outputs, Keras tensors, by their names.

    >>> image = keras.Input((8,), name="image")
    >>> output_tensors(keras.Model(image, {"b": image, "a": image})).keys()
    dict_keys(['b', 'a'])
    """
    # Not `model.outputs`, in which a dictionary's are sorted by their names.
    return dict(model.output) if isinstance(model.output, Mapping) else {PROBABILITIES: model.output}


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
    return clean(optimize(traced.graph, output_names(model)))


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
