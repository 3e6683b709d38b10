"""Batch normalisation folded into the convolution before it: the same answers from one operation fewer."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from efficientnet_tf.layers import plain_type


def foldable(model: keras.Model) -> dict[str, keras.Layer]:
    """Return each convolution whose only reader is a batch normalisation, by name, with that normalisation."""
    read_by = readers(model)
    return {
        layer.name: read_by[id(layer.output)][0]
        for layer in model.layers
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)
        and layer.activation.__name__ == "linear"
        and list(map(plain_type, read_by.get(id(layer.output), []))) == [layers.BatchNormalization]
    }


def readers(model: keras.Model) -> dict[int, list[keras.Layer]]:
    """Return, for each tensor by its id, the layers that take it; the model itself takes its outputs."""
    found: dict[int, list[keras.Layer]] = {id(output): [model] for output in model.outputs}
    for layer in model.layers:
        if not isinstance(layer, layers.InputLayer):
            for tensor in keras.tree.flatten(layer.input):
                found.setdefault(id(tensor), []).append(layer)
    return found


def folded(convolution: keras.Layer, normalisation: keras.Layer) -> list[np.ndarray]:
    """Return the kernel and bias of a convolution that does its batch normalisation's work.

    With a = gamma / sqrt(variance + epsilon) the kernel becomes kernel * a and the bias beta + (bias - mean) * a.
    """
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
