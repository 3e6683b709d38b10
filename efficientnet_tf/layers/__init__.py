"""Keras layers that Keras itself does not have. Importing this room registers them with Keras."""

from efficientnet_tf.layers.cond_conv import CondConv2D, CondDepthwiseConv2D
from efficientnet_tf.layers.stochastic_depth import StochasticDepth

__all__ = ["CondConv2D", "CondDepthwiseConv2D", "StochasticDepth"]
