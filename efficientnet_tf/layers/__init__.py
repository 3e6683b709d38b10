"""Keras layers that Keras itself does not have. Importing this room registers them with Keras."""

from efficientnet_tf.layers.stochastic_depth import StochasticDepth

__all__ = ["StochasticDepth"]
