"""The public constructor: a variant, its weights, and a head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from efficientnet_tf.errors import UsageError
from efficientnet_tf.model import Head, Shape, build_model
from efficientnet_tf.specs import Spec, spec
from efficientnet_tf.weights import load_weights


def EfficientNet(
    variant: str | Spec = "b0",
    *,
    weights: str | Path | None = "imagenet",
    classes: int | None = None,
    input_tensor: Any = None,
    image_size: int | None = None,
    input_shape: Shape | None = None,
    include_top: bool = True,
    pooling: str | None = None,
    dropout: float | None = None,
    survival_probability: float | None = None,
    classifier_activation: str | None = "softmax",
    include_preprocessing: bool = True,
    name: str | None = None,
) -> keras.Model:
    """Return an EfficientNet as an ordinary `keras.Model` (Tan and Le, 2019, Table 1).

    The model takes RGB pixels of 0...255, uint8 or float32, [N, height, width, 3], and scales them
    itself: do not normalise twice. It is one flat functional graph with keras.applications' layer
    names, so that `get_layer("block4c_add").output` gives features as it does there.

    Args:
        variant: a name of `list_variants()`, an alias, or an architecture.
        weights: `imagenet`, a `.keras` or `.weights.h5` file, or None for random ones.
        classes: outputs; by default the variant's own, ImageNet's 1000, or 1001 with a background at 0. Another
            number than the weights have gives a new classifier, which starts at zero.
        image_size: side of the square input in pixels; by default the variant's own.
        input_shape: (height, width, channels) instead, with 1, 3 or 4 channels; None in it takes any size.
        input_tensor: a Keras tensor to start from instead of a new input.
        include_top, pooling: False for no classifier, and then `avg` or `max` for vectors, None for a map.
        dropout: rate in front of the classifier, in [0, 1); by default the variant's own.
        survival_probability: of the last block under stochastic depth, in (0, 1]; by default 0.8.
        classifier_activation: `softmax`, `sigmoid`, or None for logits.
        include_preprocessing: False takes the scaled tensor instead of pixels.
        name: the model's name.

    Raises:
        UsageError: an unknown name or a value out of range.
        MissingDependencyError: the package with the weights is not installed.

    >>> model = EfficientNet("lite0", weights=None, classes=5)
    >>> model.output_shape
    (None, 5)
    """
    architecture = spec(variant)
    if None not in (image_size, input_shape):
        raise UsageError(f"Give image_size or input_shape, not both; got {image_size} and {input_shape}.")
    if input_tensor is not None and not (image_size is None and input_shape is None):
        raise UsageError("input_tensor has a shape of its own; give neither image_size nor input_shape beside it.")
    if survival_probability is not None:
        architecture = architecture.replace(survival_probability=survival_probability)
    size = architecture.preprocessing(image_size).image_size
    rate = architecture.dropout if dropout is None else dropout
    head = Head(architecture.classes if classes is None else classes, include_top, pooling, rate, classifier_activation)
    model = build_model(
        architecture,
        head,
        input_shape=input_shape or (*size, 3),
        input_tensor=input_tensor,
        include_preprocessing=include_preprocessing,
        name=name,
    )
    if weights is not None and str(weights) != "none":
        load_weights(model, architecture, weights)
    return model


def zoo_network(variant: str, weights: str | None, image_size: int | None) -> keras.Model:
    """Return a network for ImageNet's classes that is ready to answer.

    Raises:
        UsageError: weights that leave the classifier untrained.
    """
    name = weights or "imagenet"
    model = EfficientNet(variant, weights=None, image_size=image_size)
    if name == "none":
        raise UsageError("--weights=none is a network that knows nothing. Give imagenet, or a file of weights.")
    if not load_weights(model, spec(variant), name):
        raise UsageError(f"{name} was not trained on ImageNet's 1000 classes. Give its run as --model_dir instead.")
    return model
