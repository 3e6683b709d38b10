"""Conditionally parameterised convolutions (Yang et al., 2019, CondConv), as in the official condconv_layers.py."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


class _CondConv(keras.layers.Layer):
    """What both layers share: a kernel for each expert, stored flat as in the official checkpoints."""

    def __init__(self, experts: int, kernel_initializer: Any = "glorot_uniform", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.experts = experts
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def _add_kernel(self, shape: tuple[int, ...]) -> None:
        """Add the experts' kernels, [experts, product of shape], each drawn as one kernel of that shape."""

        def initialize(flat: Any, dtype: Any = None) -> Any:
            kernels = [self.kernel_initializer.clone()(shape, dtype) for _ in range(flat[0])]
            return ops.stack([ops.reshape(kernel, (-1,)) for kernel in kernels])

        self.kernel = self.add_weight(shape=(self.experts, math.prod(shape)), initializer=initialize, name="kernel")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for `from_config`."""
        initializer = keras.initializers.serialize(self.kernel_initializer)
        return {**super().get_config(), "experts": self.experts, "kernel_initializer": initializer}


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class CondConv2D(_CondConv):
    """A 1x1 convolution whose kernel each example mixes from those of several experts.

    Args:
        filters: channels that leave.
        experts: kernels to mix.
        kernel_initializer: of each expert's kernel [1, 1, channels, filters].

    Inputs: a list of a map [N, height, width, channels] and the experts' shares [N, experts], 0...1 each.
    Output: [N, height, width, filters].

    >>> import numpy as np
    >>> CondConv2D(4, experts=2)([np.ones((3, 5, 5, 8), "float32"), np.ones((3, 2), "float32")]).shape
    TensorShape([3, 5, 5, 4])
    """

    def __init__(self, filters: int, experts: int, **kwargs: Any) -> None:
        super().__init__(experts, **kwargs)
        self.filters = filters

    def build(self, input_shape: Any) -> None:
        """Add the kernels."""
        self.channels = input_shape[0][-1]
        self._add_kernel((1, 1, self.channels, self.filters))

    def call(self, inputs: Any) -> Any:
        """Return each example's map under its own kernel."""
        x, shares = inputs
        kernels = ops.reshape(ops.matmul(shares, self.kernel), (-1, self.channels, self.filters))
        height, width = ops.shape(x)[1:3]
        # A 1x1 convolution is a matrix product, which takes a matrix of its own for each example.
        outputs = ops.matmul(ops.reshape(x, (-1, height * width, self.channels)), kernels)
        return ops.reshape(outputs, (-1, height, width, self.filters))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of the map that leaves."""
        return (*input_shape[0][:3], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for `from_config`."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class CondDepthwiseConv2D(_CondConv):
    """A depthwise convolution, SAME padding, whose kernel each example mixes from those of several experts.

    Args:
        kernel_size: side of the kernel, in pixels.
        experts: kernels to mix.
        strides: in both directions, in pixels.
        kernel_initializer: of each expert's kernel [kernel_size, kernel_size, channels, 1].

    Inputs: as for `CondConv2D`. Output: [N, height / strides, width / strides, channels], rounded up.

    >>> import numpy as np
    >>> shares = np.ones((3, 2), "float32")
    >>> CondDepthwiseConv2D(3, experts=2, strides=2)([np.ones((3, 5, 5, 8), "float32"), shares]).shape
    TensorShape([3, 3, 3, 8])
    """

    def __init__(self, kernel_size: int, experts: int, strides: int = 1, **kwargs: Any) -> None:
        super().__init__(experts, **kwargs)
        self.kernel_size = kernel_size
        self.strides = strides

    def build(self, input_shape: Any) -> None:
        """Add the kernels."""
        self.channels = input_shape[0][-1]
        self._add_kernel((self.kernel_size, self.kernel_size, self.channels, 1))

    def call(self, inputs: Any) -> Any:
        """Return each example's map under its own kernel."""
        x, shares = inputs
        side, channels = self.kernel_size, self.channels
        batch, height, width = ops.shape(x)[:3]
        # A depthwise convolution keeps channels apart, so all examples can be the channels of a single one.
        kernels = ops.reshape(ops.matmul(shares, self.kernel), (-1, side, side, channels))
        kernels = ops.reshape(ops.transpose(kernels, (1, 2, 0, 3)), (side, side, -1, 1))
        x = ops.reshape(ops.transpose(x, (1, 2, 0, 3)), (1, height, width, batch * channels))
        outputs = _depthwise(x, kernels, self.strides)
        height, width = ops.shape(outputs)[1:3]
        outputs = ops.reshape(outputs, (height, width, -1, channels))
        return ops.transpose(outputs, (2, 0, 1, 3))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of the map that leaves."""
        batch, *sides, channels = input_shape[0]
        return (batch, *(None if side is None else math.ceil(side / self.strides) for side in sides), channels)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for `from_config`."""
        return {**super().get_config(), "kernel_size": self.kernel_size, "strides": self.strides}


def _depthwise(x: Any, kernels: Any, strides: int) -> Any:
    # Keras' own operation reads the number of channels from the static shape, which a free batch has not.
    import tensorflow as tf

    return tf.nn.depthwise_conv2d(x, kernels, strides=[1, strides, strides, 1], padding="SAME")
