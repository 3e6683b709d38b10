"""A `.keras` file of plain Keras layers, which loads without this package."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from efficientnet_tf.errors import UsageError
from efficientnet_tf.layers import StochasticDepth
from efficientnet_tf.model import with_probabilities


def write(model: keras.Model, path: Path) -> Path:
    """Write a network, as it was trained, with layers that every Keras has.

    Stochastic depth becomes the dropout of whole examples, which is the same thing, so that the network can also be
    trained on.

    Args:
        model: as built by `EfficientNet`.
        path: the `.keras` file.

    Raises:
        UsageError: a layer that Keras has no equal of (CondConv).
    """
    with_probabilities(portable(model)).save(path)
    return path


def portable(model: keras.Model) -> keras.Model:
    """Return a copy of a network with plain Keras layers, and the same weights.

    >>> from efficientnet_tf import EfficientNet
    >>> copy = portable(EfficientNet("tiny", weights=None))
    >>> type(copy.get_layer("block2b_drop")).__name__
    'Dropout'
    """

    def clone(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, StochasticDepth):
            rate, shape = 1.0 - layer.survival_probability, (None, 1, 1, 1)
            return layers.Dropout(rate, noise_shape=shape, seed=layer.seed, name=layer.name)
        if not type(layer).__module__.startswith("keras."):
            raise UsageError(
                f"{layer.name!r} is a {type(layer).__name__}, which plain Keras has not: no portable file."
            )
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=clone)
    for layer in copy.layers:
        weights = model.get_layer(layer.name).get_weights()
        if weights and not isinstance(layer, layers.Dropout):
            layer.set_weights(weights)
    return copy
