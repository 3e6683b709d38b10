"""Parameters and multiply-adds of a Keras model that is built, by walking its layers."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterable
from typing import Any

import keras

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.layers import CondConv2D, CondDepthwiseConv2D, plain_type
from efficientnet_tf.specs import Count

# Which weights of a layer act on every position of its output. A kernel's own shape says whether the convolution is
# plain, grouped or depthwise.
KERNELS = {
    keras.layers.Conv2D: ("kernel",),
    keras.layers.DepthwiseConv2D: ("kernel",),
    keras.layers.SeparableConv2D: ("depthwise_kernel", "pointwise_kernel"),
    keras.layers.Dense: ("kernel",),
    CondConv2D: ("kernel",),
    CondDepthwiseConv2D: ("kernel",),
    keras.layers.BatchNormalization: (),
}
MIXTURES = (CondConv2D, CondDepthwiseConv2D)


def count_layers(model: keras.Model) -> Count:
    """Count a model's parameters and multiply-adds; they mean what they mean in `specs.count`.

    Multiply-adds are those of convolutions (plain, depthwise, separable, grouped) and dense layers for one image.
    Biases, normalisation, activations and pooling have none.

    Args:
        model: a flat model with an input of a fixed size; its weights are not looked at.

    Raises:
        EfficientNetError: a layer with weights that is none of these, or a size that is not fixed.

    >>> count_layers(keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, strides=2, padding="same")]))
    Count(trainable=112, total=112, madds=1728)
    """
    return Count(
        trainable=_numbers(model.trainable_weights),
        total=_numbers(model.weights),
        madds=sum(_multiply_adds(layer) for layer in model.layers if layer.weights),
    )


def count_built(build: Callable[[], keras.Model]) -> Count:
    """Build a model, count it as `count_layers` does, and give its memory back.

    >>> count_built(lambda: keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)]))
    Count(trainable=18, total=18, madds=16)
    """
    try:
        return count_layers(build())
    finally:
        gc.collect()  # a model refers to itself, so that nothing else frees it soon


def versions() -> dict[str, str]:
    """Return what the counts of a built model depend on: Keras' version and TensorFlow's."""
    import tensorflow

    return {"keras": keras.__version__, "tensorflow": tensorflow.__version__}


def _numbers(weights: Iterable[Any]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _multiply_adds(layer: keras.layers.Layer) -> int:
    """Count a layer with weights: each position of its output takes one multiply-add for each weight of a kernel."""
    kind = plain_type(layer)
    if kind not in KERNELS:
        raise EfficientNetError(f"Cannot count the multiply-adds of the layer {layer.name} ({type(layer).__name__}).")
    shape = layer.output.shape[1:]
    if None in shape:
        raise EfficientNetError(f"The output of {layer.name} has no fixed size, {shape}; give the model's input one.")
    weights = _numbers(getattr(layer, name) for name in KERNELS[kind])
    positions = math.prod(shape[:-1])
    if isinstance(layer, MIXTURES):
        # Mixing the kernels takes one for each of their weights, and then a single kernel is left to act.
        return weights + weights // layer.experts * positions
    return weights * positions
