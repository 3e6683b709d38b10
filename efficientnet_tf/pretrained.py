"""The public constructor: a variant, its weights, and a head."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from efficientnet_tf.errors import UsageError
from efficientnet_tf.model import RECORDS, Head, Shape, build_model
from efficientnet_tf.specs import Preprocessing, Spec, spec
from efficientnet_tf.weights import labels_for, put_into, read_pretrained

#: ImageNet's classes, the same with a background, and the 21,843 of its larger set.
IMAGENET_OUTPUTS = (1000, 1001, 21843)


@dataclasses.dataclass(frozen=True)
class Network:
    """A model, and what belongs to it.

    Attributes:
        model: the model.
        spec: its architecture, with the preprocessing that its weights were trained with.
        record: how photographs become its input.
        has_classifier: whether its classifier was trained.
    """

    model: keras.Model
    spec: Spec
    record: Preprocessing
    has_classifier: bool

    @property
    def labels(self) -> Sequence[str]:
        """Names of its classes, if they are ImageNet's, else their numbers."""
        return labels_for(int(self.model.output_shape[-1]))


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
        weights: `imagenet` or another published set; a file of Keras, timm, torchvision or the official code; or
            None for random ones. Padding, epsilon and preprocessing follow the weights.
        classes: outputs; by default as many as the weights have, else the variant's own: ImageNet's 1000, or 1001
            with a background at 0. Another number than the weights have gives a new classifier, which starts at zero.
        image_size: side of the square input in pixels; by default the variant's own.
        input_shape: (height, width, channels) instead, with 1, 3 or 4 channels; None in it takes any size.
        input_tensor: a Keras tensor to start from instead of a new input.
        include_top, pooling: False for no classifier, and then `avg` or `max` for vectors, None for a map.
        dropout: rate in front of the classifier, in [0, 1); by default the variant's own.
        survival_probability: of stochastic depth, in (0, 1], towards which the blocks' own fall; by default 0.8.
        classifier_activation: `softmax`, `sigmoid`, or None for logits.
        include_preprocessing: False takes the scaled tensor instead of pixels.
        name: the model's name.

    Raises:
        UsageError: an unknown name or a value out of range.
        EfficientNetError: weights of another architecture, a damaged file, or a package that is not installed.

    >>> model = EfficientNet("lite0", weights=None, classes=5)
    >>> model.output_shape
    (None, 5)
    """
    head = {"include_top": include_top, "pooling": pooling, "classifier_activation": classifier_activation}
    return build_network(
        variant,
        weights=weights,
        classes=classes,
        input_tensor=input_tensor,
        image_size=image_size,
        input_shape=input_shape,
        dropout=dropout,
        survival_probability=survival_probability,
        include_preprocessing=include_preprocessing,
        name=name,
        **head,
    ).model


def build_network(
    variant: str | Spec,
    *,
    weights: str | Path | None,
    origin: str | None = None,
    classes: int | None = None,
    input_tensor: Any = None,
    image_size: int | None = None,
    input_shape: Shape | None = None,
    dropout: float | None = None,
    survival_probability: float | None = None,
    include_preprocessing: bool = True,
    name: str | None = None,
    **head: Any,
) -> Network:
    """Return what `EfficientNet` returns, with what belongs to it.

    Args:
        variant, ...: as for `EfficientNet`.
        origin: whose file the weights are, where its names do not tell.
        head: the rest of what `Head` takes.

    Raises:
        UsageError, MissingDependencyError: as for `EfficientNet`.
    """
    architecture = spec(variant)
    if None not in (image_size, input_shape):
        raise UsageError(f"Give image_size or input_shape, not both; got {image_size} and {input_shape}.")
    if input_tensor is not None and not (image_size is None and input_shape is None):
        raise UsageError("input_tensor has a shape of its own; give neither image_size nor input_shape beside it.")
    if survival_probability is not None:
        architecture = architecture.replace(survival_probability=survival_probability)
    pretrained = None
    if weights is not None and str(weights) != "none":
        pretrained = read_pretrained(architecture, weights, origin=origin)
        architecture = pretrained.spec
    record = architecture.preprocessing(image_size)
    if classes is None:
        classes = (pretrained.classes if pretrained else None) or architecture.classes
    rate = architecture.dropout if dropout is None else dropout
    model = build_model(
        architecture,
        Head(classes, dropout=rate, **head),
        input_shape=input_shape or (*record.image_size, 3),
        input_tensor=input_tensor,
        include_preprocessing=include_preprocessing,
        name=name,
    )
    RECORDS[model] = record
    has_classifier = put_into(model, pretrained) if pretrained else False
    return Network(model, architecture, record, has_classifier)


def zoo_network(variant: str | Spec, weights: str | None, image_size: int | None) -> Network:
    """Return a network for ImageNet's classes that is ready to answer.

    Raises:
        UsageError: weights that leave the classifier untrained.
    """
    name = weights or "imagenet"
    if name == "none":
        raise UsageError("--weights=none is a network that knows nothing. Give imagenet, or a file of weights.")
    network = build_network(variant, weights=name, image_size=image_size)
    if not network.has_classifier or network.model.output_shape[-1] not in IMAGENET_OUTPUTS:
        raise UsageError(f"{name} was not trained on ImageNet's 1000 classes. Give its run as --model_dir instead.")
    return network
