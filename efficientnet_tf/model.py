"""From a spec to a `keras.Model`: one flat functional graph, with keras.applications' layer names."""

from __future__ import annotations

import dataclasses
import sys
import weakref
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers
from keras.src.models import Functional

from efficientnet_tf.blocks import add_block, add_convolution, add_padding
from efficientnet_tf.errors import UsageError, unknown_name
from efficientnet_tf.specs import Preprocessing, Spec, list_variants, spec

# The official initializer of the classifier; that of the convolutions is in `blocks`.
CLASSIFIER_INITIALIZER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1.0 / 3.0, "mode": "fan_out", "distribution": "uniform"},
}
POOLINGS = ("avg", "max")
#: The classifier's layer, which another number of classes makes new.
CLASSIFIER = "predictions"
#: The dropout before it.
DROPOUT = "top_dropout"
CLASSIFIER_ACTIVATIONS = ("softmax", "sigmoid", None)

#: Grey, RGB, and RGB with one more, such as alpha, depth or near infrared.
CHANNELS = (1, 3, 4)

Shape = tuple[int | None, int | None, int]

#: The record of each model that `build_network` made, with what its weights brought, while the model is there.
RECORDS: weakref.WeakKeyDictionary[keras.Model, Preprocessing] = weakref.WeakKeyDictionary()

# Keras follows a network's layers by calling itself: L2, 88 blocks deep, takes more calls than Python allows at first.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))


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
    input_tensor: Any = None,
    include_preprocessing: bool = True,
    name: str | None = None,
) -> keras.Model:
    """Build the network of a spec with random weights.

    Args:
        spec: the architecture.
        head: what follows the last block.
        input_shape: (height, width, channels) in pixels, either of the first two None for any; by default the
            spec's, and RGB.
        input_tensor: a Keras tensor of such a shape to start from, instead of a new input.
        include_preprocessing: whether the model takes raw pixels of 0...255 (uint8 or float32) and
            scales them itself, or the scaled tensor.
        name: the model's name.

    Returns:
        A model from `image`, [N, height, width, channels], to `predictions`, [N, classes].
    """
    shape = input_shape or (spec.image_size, spec.image_size, 3)
    if input_tensor is not None:
        shape = tuple(input_tensor.shape[1:])
    if len(shape) != 3 or shape[2] not in CHANNELS:
        raise UsageError(f"input_shape must be (height, width, channels) with 1, 3 or 4 channels, got {shape}.")
    image = keras.Input(shape, name="image", dtype="float32") if input_tensor is None else input_tensor
    x = image
    if include_preprocessing:
        record = spec.preprocessing()
        scale, offset = (_for_channels(values, shape[2]) for values in (record.scale, record.offset))
        x = layers.Rescaling(scale, offset, name="rescaling")(x)
    x = add_convolution(spec, x, "stem_", filters=spec.stem_filters, kernel_size=spec.stem_kernel_size, strides=2)
    if spec.stem_pool:
        x, padding = add_padding(spec, x, "stem_pool", kernel_size=3, strides=2)
        x = layers.MaxPooling2D(3, strides=2, padding=padding, name="stem_pool")(x)
    for block in spec.expand():
        x = add_block(spec, x, block)
    if spec.head_filters_base:
        x = add_convolution(spec, x, "top_", filters=spec.head_filters, kernel_size=1)
    inputs = image if input_tensor is None else alone(keras.utils.get_source_inputs(input_tensor))
    return keras.Model(inputs, _head(x, head), name=name or f"{spec.prefix}{spec.name}")


def _for_channels(values: tuple[float, float, float], channels: int) -> list[float]:
    """Return RGB's values for other channels: their mean for grey, and for the one that follows RGB."""
    mean = sum(values) / 3
    return {1: [mean], 3: list(values), 4: [*values, mean]}[channels]


def preprocessing_of(model: keras.Model) -> Preprocessing:
    """Return how photographs become a model's input, as far as the model itself can tell.

    Size and scaling are in its layers; crop and interpolation are those of the variant it is named after,
    and the usual ones otherwise.
    """
    height, width = model.input_shape[1:3]
    name = model.name.removeprefix("efficientnet_")
    # A scaled network is called after its base: b0-phi1.5.
    named = [variant for variant in list_variants() if f"{name}-".startswith(f"{variant}-")]
    variant = max(named, key=len, default=None)
    if height is None or width is None:
        height = width = spec(variant).image_size if variant else 224
    record = spec(variant).preprocessing((height, width)) if variant else Preprocessing((height, width))
    if model in RECORDS:
        record = dataclasses.replace(RECORDS[model], image_size=(height, width))
    rescaling = next((layer for layer in model.layers if isinstance(layer, layers.Rescaling)), None)
    if rescaling is None:
        return record
    # Of another number of channels than three, what it does to the first three, or to the only one.
    scale, offset = (
        tuple(np.broadcast_to(np.ravel(value)[:3], 3).tolist()) for value in (rescaling.scale, rescaling.offset)
    )
    return dataclasses.replace(record, scale=scale, offset=offset)


def ends_in_logits(model: keras.Model) -> bool:
    """Return whether a model's last layer has no activation."""
    activation = getattr(model.layers[-1], "activation", None)
    return activation is not None and activation.__name__ == "linear"


def with_probabilities(model: keras.Model) -> keras.Model:
    """Return a model that ends in probabilities: the same, or the same with a softmax."""
    if not ends_in_logits(model):
        return model
    return keras.Model(alone(model.inputs), layers.Softmax(name="probabilities")(model.outputs[0]), name=model.name)


def uncompiled(model: keras.Model) -> keras.Model:
    """Return a model of the same layers without optimizer, loss and metrics."""
    return keras.Model(*ends(model), name=model.name)


def ends(model: keras.Model) -> tuple[Any, Any]:
    """Return a model's inputs and outputs to make another one of: a single one as itself, those with names as such.

    >>> image = keras.Input((4,))
    >>> list(ends(keras.Model(image, {"copy": image}))[1])
    ['copy']
    """
    if not isinstance(model, Functional):  # one of another kind, such as Sequential, names nothing
        return alone(model.inputs), alone(model.outputs)
    return tuple(  # type: ignore[return-value]
        dict(named) if isinstance(named, Mapping) else alone(tensors)
        for named, tensors in ((model.input, model.inputs), (model.output, model.outputs))
    )


def with_input_alone(model: keras.Model) -> keras.Model:
    """Return a model that takes its one input as itself: the same, or one of its layers where it takes a list of one.

    keras.applications makes such models of an `input_tensor`. They cannot be cloned from another input, and warn when
    they are called.

    >>> image = keras.Input((4,))
    >>> isinstance(with_input_alone(keras.Model([image], image)).input, list)
    False
    """
    if isinstance(model, Functional) and isinstance(model.input, list) and len(model.input) == 1:
        return uncompiled(model)
    return model


def ordinary(model: keras.Model) -> keras.Model:
    """Return a `keras.Model` of the same layers, optimizer, loss and metrics: what a class of ours is saved as."""
    made = uncompiled(model)
    if model.compiled:
        made.compile(**model._compile_config.config)  # a private name of Keras
        made.optimizer = model.optimizer
    return made


def alone(tensors: list[Any]) -> Any:
    """Return the only tensor of a list as itself: Keras tells the two apart when it checks a call."""
    return tensors[0] if len(tensors) == 1 else tensors


def _head(x: Any, head: Head) -> Any:
    if not head.include_top:
        if head.pooling == "avg":
            return layers.GlobalAveragePooling2D(name="avg_pool")(x)
        return layers.GlobalMaxPooling2D(name="max_pool")(x) if head.pooling == "max" else x
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if head.dropout > 0.0:
        x = layers.Dropout(head.dropout, name=DROPOUT)(x)
    # float32 whatever the policy: a softmax over many classes loses too much in 16 bits.
    return layers.Dense(
        head.classes,
        activation=head.classifier_activation,
        kernel_initializer=CLASSIFIER_INITIALIZER,
        dtype="float32",
        name=CLASSIFIER,
    )(x)
