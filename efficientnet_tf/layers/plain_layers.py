"""The same network of Keras' own layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from efficientnet_tf.layers.activation import Activation
from efficientnet_tf.layers.batch_normalization import BatchNormalization
from efficientnet_tf.layers.squeeze_excite import Excite, Squeeze

#: What each of the layers that exist for their speed is in Keras.
_PLAIN: dict[type[keras.layers.Layer], type[keras.layers.Layer]] = {
    Activation: keras.layers.Activation,
    BatchNormalization: keras.layers.BatchNormalization,
    Excite: keras.layers.Multiply,
    Squeeze: keras.layers.GlobalAveragePooling2D,
}


def plain_type(layer: keras.layers.Layer) -> type[keras.layers.Layer]:
    """Return what a layer is in Keras where its class only is faster, or its class.

    >>> plain_type(Activation("silu")).__module__.split(".")[0]
    'keras'
    """
    return _PLAIN.get(type(layer), type(layer))


def plain_layer(layer: keras.layers.Layer, config: Mapping[str, Any] | None = None) -> keras.layers.Layer:
    """Return a new layer like another, without weights yet: of Keras' class where ours only is faster.

    Args:
        layer: the other.
        config: what to make it from, if not the other's own.

    >>> type(plain_layer(Activation("silu", name="top_activation"))) is keras.layers.Activation
    True
    """
    made = plain_type(layer)
    config = dict(config or layer.get_config())
    if made is keras.layers.Activation:
        config.pop("pools", None)
    return made.from_config(config)


def plain(model: keras.Model) -> keras.Model:
    """Return a functional model with the same layers, weights and results in the formulation that is Keras' own.

    What this package does for speed in training is left away; layers that Keras does not have stay. The new model is
    not compiled, and its weights are copies.

    Args:
        model: a functional model.

    >>> inputs = keras.Input((4, 4, 3))
    >>> model = keras.Model(inputs, BatchNormalization(name="stem_bn")(inputs))
    >>> type(plain(model).get_layer("stem_bn")) is keras.layers.BatchNormalization
    True
    """
    copy = keras.models.clone_model(model, clone_function=plain_layer, recursive=True)
    copy.set_weights(model.get_weights())
    return copy
