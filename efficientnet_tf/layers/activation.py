"""Activations that are computed together with the batch normalisation in front of them."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from efficientnet_tf.layers.formulation import compiled_here
from efficientnet_tf.layers.kernels import ACTIVATIONS, compiled, with_derivative
from efficientnet_tf.layers.normalised import activated, note_of


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class Activation(keras.layers.Activation):
    """Keras' activation, with the same results, faster in training on processors.

    Behind this package's `BatchNormalization` it is computed from the map in front of that (`normalised`). Elsewhere
    in training SiLU keeps its input alone for the gradient, and computes both in one pass.

    Args:
        activation: as for Keras.
        pools: whether squeeze-and-excite follows: the means of the map are then computed along with it.

    Input and output: a float tensor of equal shape.

    >>> float(Activation("relu6")(tf.constant(7.0)))
    6.0
    """

    def __init__(self, activation: Any, *, pools: bool = False, **kwargs: Any) -> None:
        super().__init__(activation, **kwargs)
        self.pools = pools

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the activated map."""
        name = getattr(self.activation, "__name__", "")
        # A function of somebody else's may bear the name of one of Keras'.
        if not training or name not in ACTIVATIONS or self.activation is not getattr(keras.activations, name):
            return super().call(inputs)
        note = note_of(inputs)
        if note is not None and note.activation == "linear":
            return activated(note, name, pools=self.pools)
        if name == "silu" and compiled_here(inputs):
            return _silu(inputs)
        return super().call(inputs)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for `from_config`."""
        return {**super().get_config(), "pools": self.pools}


@tf.custom_gradient
def _silu(z: tf.Tensor) -> Any:
    return _silu_forward(z), lambda d: _silu_gradient(d, z)


_silu_forward = compiled(lambda z: with_derivative("silu", z)[0])
_silu_gradient = compiled(lambda d, z: d * with_derivative("silu", z)[1])
