"""The network that is exported: batch normalisation folded into the convolutions, training's layers gone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers
from keras.src.models import Functional

from efficientnet_tf.errors import UsageError
from efficientnet_tf.layers import StochasticDepth
from efficientnet_tf.model import with_probabilities

INPUT = "image"

#: Layers that do nothing at inference.
TRAINING_ONLY = (StochasticDepth, layers.Dropout, layers.SpatialDropout2D, layers.GaussianNoise)


def deploy(model: keras.Model) -> keras.Model:
    """Return a float32 copy of a network for inference, with the same answers and fewer operations.

    Batch normalisation after a convolution without activation is a scale and a shift for each channel:
    with a = gamma / sqrt(variance + epsilon) the kernel becomes kernel * a and the bias
    beta + (bias - mean) * a. A network that ends in logits gets a softmax.

    Args:
        model: functional; one input [N, height, width, 3], one output [N, classes].

    Returns:
        A model from `image` to `probabilities`.

    Raises:
        UsageError: a model of another shape.

    >>> from efficientnet_tf import EfficientNet
    >>> deployed = deploy(EfficientNet("lite0", weights=None, image_size=32, classes=2))
    >>> any(isinstance(layer, keras.layers.BatchNormalization) for layer in deployed.layers)
    False
    """
    _check(model)
    folds = _foldable(model)
    normalisations = {normalisation.name for normalisation in folds.values()}

    def clone(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, layers.InputLayer):
            return layers.InputLayer(batch_shape=layer.batch_shape, dtype="float32", name=INPUT)
        if layer.name in normalisations or isinstance(layer, TRAINING_ONLY):
            return layers.Identity(name=layer.name)
        config = {**layer.get_config(), "dtype": "float32"}
        if layer.name in folds:
            config["use_bias"] = True
        return type(layer).from_config(config)

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        # An identity leaves no trace in the graph; masks and training flags mean nothing here.
        return args[0] if isinstance(layer, layers.Identity) else layer(*args)

    deployed = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in deployed.layers:
        if layer.name in folds:
            layer.set_weights(_folded(model.get_layer(layer.name), folds[layer.name]))
        elif layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return with_probabilities(deployed)


def trained(model: keras.Model) -> keras.Model:
    """Return a network as it was trained, for comparison: ending in probabilities, computing in float32.

    The answers of 16-bit arithmetic differ from those of float32 by more than an export may.
    """
    if {layer.compute_dtype for layer in model.layers} == {"float32"}:
        return with_probabilities(model)
    exact = keras.models.clone_model(
        model, clone_function=lambda layer: type(layer).from_config({**layer.get_config(), "dtype": "float32"})
    )
    exact.set_weights(model.get_weights())
    return with_probabilities(exact)


def _check(model: keras.Model) -> None:
    """Refuse what cannot be exported as pixels in, probabilities out."""
    shape = model.input_shape if isinstance(model, keras.Model) and model.inputs else None
    problem = None
    if not isinstance(model, Functional) or len(model.inputs) != 1 or len(model.outputs) != 1:
        problem = "a functional model with one input and one output"
    elif not isinstance(shape, tuple) or len(shape) != 4 or shape[3] != 3 or None in shape[1:]:
        problem = "an input of fixed size, [N, height, width, 3]"
    elif len(model.output_shape) != 2 or model.output_shape[1] < 2 or not hasattr(model.layers[-1], "activation"):
        problem = "a classifier of two classes or more at its end"
    elif not any(isinstance(layer, layers.Rescaling) for layer in model.layers):
        problem = "its preprocessing inside (include_preprocessing=True)"
    if problem:
        raise UsageError(f"An export needs {problem}; {model.name!r} has none.")


def _foldable(model: keras.Model) -> dict[str, keras.Layer]:
    """Return each convolution whose only reader is a batch normalisation, by name, with that normalisation."""
    producers = {id(layer.output): layer for layer in model.layers if isinstance(layer.output, keras.KerasTensor)}
    readers: dict[int, list[keras.Layer]] = {id(output): [model] for output in model.outputs}
    for layer in model.layers:
        if not isinstance(layer, layers.InputLayer):
            for tensor in keras.tree.flatten(layer.input):
                readers.setdefault(id(tensor), []).append(layer)
    return {
        layer.name: readers[tensor][0]
        for tensor, layer in producers.items()
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)
        and layer.activation.__name__ == "linear"
        and [type(reader) for reader in readers.get(tensor, [])] == [layers.BatchNormalization]
    }


def _folded(convolution: keras.Layer, normalisation: keras.Layer) -> list[np.ndarray]:
    """Return the kernel and bias of a convolution that does its batch normalisation's work."""
    kernel, *bias = (array.astype(np.float64) for array in convolution.get_weights())
    mean, variance = (
        np.array(value, np.float64) for value in (normalisation.moving_mean, normalisation.moving_variance)
    )
    factor = 1.0 / np.sqrt(variance + normalisation.epsilon)
    if normalisation.scale:
        factor = factor * np.array(normalisation.gamma, np.float64)
    shift = np.array(normalisation.beta, np.float64) if normalisation.center else 0.0
    # The channels that come out are the last axis, and in a depthwise kernel the last but one.
    depthwise = isinstance(convolution, layers.DepthwiseConv2D)
    scaled = kernel * (factor.reshape(kernel.shape[2:]) if depthwise else factor)
    offset = (bias[0] if bias else 0.0) - mean
    return [scaled.astype(np.float32), (shift + offset * factor).astype(np.float32)]
