"""A `.keras` file of plain Keras layers, which loads without this package."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from efficientnet_tf.errors import UsageError
from efficientnet_tf.layers import StochasticDepth, plain_layer
from efficientnet_tf.model import with_input_alone, with_probabilities


def write(model: keras.Model, path: Path, *, image_size: tuple[int, int] | None = None) -> Path:
    """Write a network, as it was trained, with layers that every Keras has.

    Stochastic depth becomes the dropout of whole examples, which is the same thing, so that the network can also be
    trained on.

    Args:
        model: as built by `EfficientNet`.
        path: the `.keras` file.
        image_size: (height, width) of the input in pixels; by default the model's own.

    Raises:
        UsageError: a layer that Keras has no equal of (CondConv).
    """
    with_probabilities(portable(model, image_size=image_size)).save(path)
    return path


def portable(model: keras.Model, *, image_size: tuple[int, int] | None = None) -> keras.Model:
    """Return a copy of a network with plain Keras layers, and the same weights; perhaps for another size of input.

    >>> from efficientnet_tf import EfficientNet
    >>> copy = portable(EfficientNet("tiny", weights=None))
    >>> type(copy.get_layer("block2b_drop")).__name__
    'Dropout'
    """

    def clone(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, StochasticDepth):
            rate, shape = 1.0 - layer.survival_probability, (None, 1, 1, 1)
            return layers.Dropout(rate, noise_shape=shape, seed=layer.seed, name=layer.name)
        plain = plain_layer(layer)
        if not type(plain).__module__.startswith("keras."):
            raise UsageError(
                f"{layer.name!r} is a {type(layer).__name__}, which plain Keras has not: no portable file."
            )
        return plain

    model, image = with_input_alone(model), None
    if image_size not in (None, tuple(model.input_shape[1:3])):
        image = keras.Input((*image_size, model.input_shape[3]), dtype=model.inputs[0].dtype, name=model.inputs[0].name)
    copy = keras.models.clone_model(model, image, clone_function=clone)
    for layer in copy.layers:
        weights = model.get_layer(layer.name).get_weights()
        if weights and not isinstance(layer, layers.Dropout):
            layer.set_weights(weights)
    return copy
