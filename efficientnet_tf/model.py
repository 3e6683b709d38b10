"""From a spec to a `keras.Model`: one flat functional graph, with keras.applications' layer names."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import layers

from efficientnet_tf.errors import UsageError, unknown_name
from efficientnet_tf.layers import StochasticDepth
from efficientnet_tf.specs import ExpandedBlock, Preprocessing, Spec, list_variants, spec

# The official initializers: normal, not truncated, for every convolution; uniform for the classifier.
CONVOLUTION_INITIALIZER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 2.0, "mode": "fan_out", "distribution": "untruncated_normal"},
}
CLASSIFIER_INITIALIZER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1.0 / 3.0, "mode": "fan_out", "distribution": "uniform"},
}
POOLINGS = ("avg", "max")
#: The classifier's layer, which another number of classes makes new.
CLASSIFIER = "predictions"
CLASSIFIER_ACTIVATIONS = ("softmax", "sigmoid", None)

Shape = tuple[int | None, int | None, int]


@dataclasses.dataclass(frozen=True)
class Head:
    """What follows the last block.

    Attributes:
        classes: outputs of the classifier.
        include_top: whether there is a classifier.
        pooling: without a classifier: `avg`, `max`, or None for the feature map.
        dropout: rate in front of the classifier.
        classifier_activation: `softmax`, `sigmoid`, or None for logits.
    """

    classes: int = 1000
    include_top: bool = True
    pooling: str | None = None
    dropout: float = 0.2
    classifier_activation: str | None = "softmax"

    def __post_init__(self) -> None:
        if self.classes < 1:
            raise UsageError(f"classes must be at least 1, got {self.classes}.")
        if self.pooling not in (None, *POOLINGS):
            raise unknown_name("pooling", str(self.pooling), POOLINGS)
        if not 0.0 <= self.dropout < 1.0:
            raise UsageError(f"dropout must be in [0, 1), got {self.dropout}.")
        if self.classifier_activation not in CLASSIFIER_ACTIVATIONS:
            raise UsageError(
                f"classifier_activation must be one of softmax, sigmoid, None; got {self.classifier_activation!r}."
            )


def build_model(
    spec: Spec,
    head: Head,
    *,
    input_shape: Shape | None = None,
    include_preprocessing: bool = True,
    name: str | None = None,
) -> keras.Model:
    """Build the network of a spec with random weights.

    Args:
        spec: the architecture.
        head: what follows the last block.
        input_shape: (height, width, 3) in pixels, either of the first two None for any; by default the spec's.
        include_preprocessing: whether the model takes raw pixels of 0...255 (uint8 or float32) and
            scales them itself, or the scaled tensor.
        name: the model's name.

    Returns:
        A model from `image`, [N, height, width, 3], to `predictions`, [N, classes].
    """
    shape = input_shape or (spec.image_size, spec.image_size, 3)
    if len(shape) != 3 or shape[2] != 3:
        raise UsageError(f"input_shape must be (height, width, 3), got {shape}.")
    image = x = keras.Input(shape, name="image", dtype="float32")
    if include_preprocessing:
        record = spec.preprocessing()
        x = layers.Rescaling(list(record.scale), list(record.offset), name="rescaling")(x)
    x = _convolution(spec, x, "stem_", filters=spec.stem_filters, kernel_size=3, strides=2)
    for block in spec.expand():
        x = _mbconv(spec, x, block)
    x = _convolution(spec, x, "top_", filters=spec.head_filters, kernel_size=1)
    return keras.Model(image, _head(x, head), name=name or f"efficientnet_{spec.name}")


def preprocessing_of(model: keras.Model) -> Preprocessing:
    """Return how photographs become a model's input, as far as the model itself can tell.

    Size and scaling are in its layers; crop and interpolation are those of the variant it is named after,
    and the usual ones otherwise.
    """
    height, width = model.input_shape[1:3]
    named = list_variants()
    variant = model.name.removeprefix("efficientnet_")
    if height is None or width is None:
        height = width = spec(variant).image_size if variant in named else 224
    record = spec(variant).preprocessing((height, width)) if variant in named else Preprocessing((height, width))
    rescaling = next((layer for layer in model.layers if isinstance(layer, layers.Rescaling)), None)
    if rescaling is None:
        return record
    scale, offset = (tuple(np.broadcast_to(value, 3).tolist()) for value in (rescaling.scale, rescaling.offset))
    return dataclasses.replace(record, scale=scale, offset=offset)


def ends_in_logits(model: keras.Model) -> bool:
    """Return whether a model's last layer has no activation."""
    activation = getattr(model.layers[-1], "activation", None)
    return activation is not None and activation.__name__ == "linear"


def with_probabilities(model: keras.Model) -> keras.Model:
    """Return a model that ends in probabilities: the same, or the same with a softmax."""
    if not ends_in_logits(model):
        return model
    return keras.Model(_alone(model.inputs), layers.Softmax(name="probabilities")(model.outputs[0]), name=model.name)


def uncompiled(model: keras.Model) -> keras.Model:
    """Return a model of the same layers without optimizer, loss and metrics."""
    return keras.Model(_alone(model.inputs), _alone(model.outputs), name=model.name)


def _alone(tensors: list[Any]) -> Any:
    """Return the only tensor of a list as itself: Keras tells the two apart when it checks a call."""
    return tensors[0] if len(tensors) == 1 else tensors


def _mbconv(spec: Spec, inputs: Any, block: ExpandedBlock) -> Any:
    """Add a mobile inverted bottleneck: expand, depthwise, squeeze-and-excite, project, and the skip."""
    x = inputs
    if block.expand_ratio != 1:
        x = _convolution(spec, x, f"{block.name}expand_", filters=block.filters_expanded, kernel_size=1)
    x = layers.DepthwiseConv2D(
        block.kernel_size,
        strides=block.strides,
        padding="same",
        use_bias=False,
        depthwise_initializer=CONVOLUTION_INITIALIZER,
        name=f"{block.name}dwconv",
    )(x)
    x = _batch_norm(spec, x, f"{block.name}bn")
    x = layers.Activation(spec.activation, name=f"{block.name}activation")(x)
    if block.filters_squeezed:
        x = _squeeze_and_excite(spec, x, block)
    x = _conv2d(x, f"{block.name}project_conv", filters=block.filters_out, kernel_size=1)
    x = _batch_norm(spec, x, f"{block.name}project_bn")
    if not block.has_skip:
        return x
    if block.survival_probability < 1.0:
        x = StochasticDepth(block.survival_probability, name=f"{block.name}drop")(x)
    return layers.Add(name=f"{block.name}add")([x, inputs])


def _squeeze_and_excite(spec: Spec, inputs: Any, block: ExpandedBlock) -> Any:
    """Add a gate for each channel, computed from the means of all channels."""
    x = layers.GlobalAveragePooling2D(keepdims=True, name=f"{block.name}se_squeeze")(inputs)
    for step, filters, activation in (
        ("se_reduce", block.filters_squeezed, spec.activation),
        ("se_expand", block.filters_expanded, "sigmoid"),
    ):
        x = layers.Conv2D(
            filters,
            1,
            padding="same",
            activation=activation,
            kernel_initializer=CONVOLUTION_INITIALIZER,
            name=f"{block.name}{step}",
        )(x)
    return layers.Multiply(name=f"{block.name}se_excite")([inputs, x])


def _convolution(spec: Spec, x: Any, prefix: str, *, filters: int, kernel_size: int, strides: int = 1) -> Any:
    """Add a convolution, its batch normalisation and its activation."""
    x = _conv2d(x, f"{prefix}conv", filters=filters, kernel_size=kernel_size, strides=strides)
    x = _batch_norm(spec, x, f"{prefix}bn")
    return layers.Activation(spec.activation, name=f"{prefix}activation")(x)


def _conv2d(x: Any, name: str, *, filters: int, kernel_size: int, strides: int = 1) -> Any:
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer=CONVOLUTION_INITIALIZER,
        name=name,
    )(x)


def _batch_norm(spec: Spec, x: Any, name: str) -> Any:
    return layers.BatchNormalization(momentum=spec.batch_norm_momentum, epsilon=spec.batch_norm_epsilon, name=name)(x)


def _head(x: Any, head: Head) -> Any:
    if not head.include_top:
        if head.pooling == "avg":
            return layers.GlobalAveragePooling2D(name="avg_pool")(x)
        return layers.GlobalMaxPooling2D(name="max_pool")(x) if head.pooling == "max" else x
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if head.dropout > 0.0:
        x = layers.Dropout(head.dropout, name="top_dropout")(x)
    # float32 whatever the policy: a softmax over many classes loses too much in 16 bits.
    return layers.Dense(
        head.classes,
        activation=head.classifier_activation,
        kernel_initializer=CLASSIFIER_INITIALIZER,
        dtype="float32",
        name=CLASSIFIER,
    )(x)
