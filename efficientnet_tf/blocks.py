"""How a block of each kind becomes Keras layers; the names are those of keras.applications."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import layers

from efficientnet_tf.layers import (
    Activation,
    BatchNormalization,
    CondConv2D,
    CondDepthwiseConv2D,
    Excite,
    Squeeze,
    StochasticDepth,
)
from efficientnet_tf.specs import ExpandedBlock, Spec

# The official initializer: normal, not truncated.
CONVOLUTION_INITIALIZER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 2.0, "mode": "fan_out", "distribution": "untruncated_normal"},
}


def add_block(spec: Spec, x: Any, block: ExpandedBlock) -> Any:
    """Add a block's layers to a map, [N, height, width, block.filters_in], and return the map that leaves it."""
    return _BUILDERS[block.kind](spec, x, block)


def add_convolution(spec: Spec, x: Any, prefix: str, *, filters: int, kernel_size: int, strides: int = 1) -> Any:
    """Add a convolution, its batch normalisation and its activation."""
    x = _conv2d(spec, x, f"{prefix}conv", filters=filters, kernel_size=kernel_size, strides=strides)
    x = _batch_norm(spec, x, f"{prefix}bn")
    return Activation(spec.activation, name=f"{prefix}activation")(x)


def add_padding(spec: Spec, x: Any, name: str, *, kernel_size: int, strides: int) -> tuple[Any, str]:
    """Return a map padded as the spec wants it, and the `padding` of the layer that comes next.

    TensorFlow's SAME pads the right and the bottom more where a stride leaves an odd number of pixels to add;
    PyTorch pads all sides alike. Without strides both are the same.
    """
    if strides == 1 or kernel_size == 1 or spec.padding == "same":
        return x, "same"
    return layers.ZeroPadding2D((kernel_size - 1) // 2, name=f"{name}_pad")(x), "valid"


def _mbconv(spec: Spec, inputs: Any, block: ExpandedBlock) -> Any:
    """Add a mobile inverted bottleneck: expand, depthwise, squeeze-and-excite, project, and the skip."""
    x, routing = inputs, _routing(inputs, block)
    if block.expands:
        x = _pointwise(spec, x, f"{block.name}expand_", filters=block.filters_expanded, routing=routing)
        x = Activation(spec.activation, name=f"{block.name}expand_activation")(x)
    x = _depthwise(spec, x, block, routing=routing)
    x = _squeeze_and_excite(spec, x, block)
    x = _pointwise(spec, x, f"{block.name}project_", filters=block.filters_out, routing=routing)
    return _skip(x, inputs, block)


def _separable(spec: Spec, inputs: Any, block: ExpandedBlock) -> Any:
    """Add MobileNetV1's block: a depthwise and a 1x1 convolution, both activated."""
    x = _depthwise(spec, inputs, block)
    return add_convolution(spec, x, f"{block.name}project_", filters=block.filters_out, kernel_size=1)


def _fused(spec: Spec, inputs: Any, block: ExpandedBlock) -> Any:
    """Add a block with one dense convolution; without expansion it is the projection, activated."""
    if not block.expands:
        x = add_convolution(
            spec,
            inputs,
            f"{block.name}project_",
            filters=block.filters_out,
            kernel_size=block.kernel_size,
            strides=block.strides,
        )
        return _skip(_squeeze_and_excite(spec, x, block), inputs, block)
    late = block.row.stride_in_projection
    x = add_convolution(
        spec,
        inputs,
        f"{block.name}expand_",
        filters=block.filters_expanded,
        kernel_size=block.kernel_size,
        strides=1 if late else block.strides,
    )
    x = _squeeze_and_excite(spec, x, block)
    strides = block.strides if late else 1
    x = _conv2d(spec, x, f"{block.name}project_conv", filters=block.filters_out, kernel_size=1, strides=strides)
    return _skip(_batch_norm(spec, x, f"{block.name}project_bn"), inputs, block)


def _bottleneck(spec: Spec, inputs: Any, block: ExpandedBlock) -> Any:
    """Add ResNet's bottleneck: reduce, convolve, project, add the input or its projection, activate."""
    shortcut, inner = inputs, block.filters_expanded
    if block.has_shortcut_projection:
        shortcut = _conv2d(
            spec,
            inputs,
            f"{block.name}shortcut_conv",
            filters=block.filters_out,
            kernel_size=1,
            strides=block.strides,
        )
        shortcut = _batch_norm(spec, shortcut, f"{block.name}shortcut_bn")
    x = add_convolution(spec, inputs, f"{block.name}reduce_", filters=inner, kernel_size=1)
    x = add_convolution(spec, x, block.name, filters=inner, kernel_size=block.kernel_size, strides=block.strides)
    x = _conv2d(spec, x, f"{block.name}project_conv", filters=block.filters_out, kernel_size=1)
    x = _skip(_batch_norm(spec, x, f"{block.name}project_bn"), shortcut, block)
    return Activation(spec.activation, name=f"{block.name}output_activation")(x)


_BUILDERS: dict[str, Callable[[Spec, Any, ExpandedBlock], Any]] = {
    "mbconv": _mbconv,
    "separable": _separable,
    "fused": _fused,
    "bottleneck": _bottleneck,
}


def _skip(x: Any, inputs: Any, block: ExpandedBlock) -> Any:
    """Add the block's input, and stochastic depth in front of it."""
    if not block.has_skip:
        return x
    if block.survival_probability < 1.0:
        x = StochasticDepth(block.survival_probability, name=f"{block.name}drop")(x)
    return layers.Add(name=f"{block.name}add")([x, inputs])


def _squeeze_and_excite(spec: Spec, inputs: Any, block: ExpandedBlock) -> Any:
    """Add a gate for each channel, computed from the means of all channels."""
    if not block.filters_squeezed:
        return inputs
    x = Squeeze(keepdims=True, name=f"{block.name}se_squeeze")(inputs)
    for step, filters, activation in (
        ("se_reduce", block.filters_squeezed, spec.activation),
        ("se_expand", block.filters_gated, "sigmoid"),
    ):
        x = layers.Conv2D(
            filters,
            1,
            padding="same",
            activation=activation,
            kernel_initializer=CONVOLUTION_INITIALIZER,
            name=f"{block.name}{step}",
        )(x)
    return Excite(name=f"{block.name}se_excite")([inputs, x])


def _routing(inputs: Any, block: ExpandedBlock) -> Any:
    """Add what decides, from the means of the block's input, how much each expert's kernels count; None without."""
    if not block.row.experts:
        return None
    x = layers.GlobalAveragePooling2D(name=f"{block.name}routing_squeeze")(inputs)
    return layers.Dense(block.row.experts, activation="sigmoid", name=f"{block.name}routing")(x)


def _depthwise(spec: Spec, x: Any, block: ExpandedBlock, *, routing: Any = None) -> Any:
    """Add a depthwise convolution, its batch normalisation and its activation."""
    name = f"{block.name}{spec.depthwise_name}"
    if routing is None:
        x, padding = add_padding(spec, x, name, kernel_size=block.kernel_size, strides=block.strides)
        x = layers.DepthwiseConv2D(
            block.kernel_size,
            strides=block.strides,
            padding=padding,
            use_bias=False,
            depthwise_initializer=CONVOLUTION_INITIALIZER,
            name=name,
        )(x)
    else:
        x = CondDepthwiseConv2D(
            block.kernel_size,
            block.row.experts,
            block.strides,
            kernel_initializer=CONVOLUTION_INITIALIZER,
            name=name,
        )([x, routing])
    x = _batch_norm(spec, x, f"{block.name}bn")
    return Activation(spec.activation, pools=bool(block.filters_squeezed), name=f"{block.name}activation")(x)


def _pointwise(spec: Spec, x: Any, prefix: str, *, filters: int, routing: Any) -> Any:
    """Add a 1x1 convolution, mixed from experts where there is a routing, and its batch normalisation."""
    if routing is None:
        x = _conv2d(spec, x, f"{prefix}conv", filters=filters, kernel_size=1)
    else:
        experts = routing.shape[-1]
        x = CondConv2D(filters, experts, kernel_initializer=CONVOLUTION_INITIALIZER, name=f"{prefix}conv")([x, routing])
    return _batch_norm(spec, x, f"{prefix}bn")


def _conv2d(spec: Spec, x: Any, name: str, *, filters: int, kernel_size: int, strides: int = 1) -> Any:
    x, padding = add_padding(spec, x, name, kernel_size=kernel_size, strides=strides)
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer=CONVOLUTION_INITIALIZER,
        name=name,
    )(x)


def _batch_norm(spec: Spec, x: Any, name: str) -> Any:
    return BatchNormalization(momentum=spec.batch_norm_momentum, epsilon=spec.batch_norm_epsilon, name=name)(x)
