"""Keras layers that Keras does not have, or has in a slow form. Importing this room registers them with Keras."""

from efficientnet_tf.layers.activation import Activation
from efficientnet_tf.layers.batch_normalization import BatchNormalization
from efficientnet_tf.layers.cond_conv import CondConv2D, CondDepthwiseConv2D
from efficientnet_tf.layers.formulation import plain_formulation
from efficientnet_tf.layers.plain_layers import plain, plain_layer, plain_type
from efficientnet_tf.layers.squeeze_excite import Excite, Squeeze
from efficientnet_tf.layers.stochastic_depth import StochasticDepth

__all__ = [
    "Activation",
    "BatchNormalization",
    "CondConv2D",
    "CondDepthwiseConv2D",
    "Excite",
    "Squeeze",
    "StochasticDepth",
    "plain",
    "plain_formulation",
    "plain_layer",
    "plain_type",
]
