"""Class activation maps (Zhou et al., 2016), and from gradients of any layer Grad-CAM (Selvaraju et al., 2017)."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from efficientnet_tf.errors import UsageError

Array = np.ndarray[Any, Any]

# What may follow the classifier, and what may stand between the pooling and it, where it does nothing at prediction.
_ACTIVATIONS = (layers.Activation, layers.Softmax)
_IDENTITIES = (layers.Dropout, layers.Identity)


@dataclasses.dataclass(frozen=True)
class Classifier:
    """What a network ends in.

    Attributes:
        dense: the layer that makes the logits; its activation, if any, comes after them.
        features: the map [N, h, w, channels], a Keras tensor, whose mean over all positions it takes; None where it
            takes anything else.
    """

    dense: layers.Dense
    features: Any

    def logits(self, vectors: tf.Tensor) -> tf.Tensor:
        """Return the logits, [N, classes], of what the layer takes, without its activation."""
        products = tf.matmul(tf.cast(vectors, tf.float32), tf.cast(self.dense.kernel, tf.float32))
        return products + tf.cast(self.dense.bias, tf.float32) if self.dense.use_bias else products


def class_activation_map(
    model: keras.Model,
    images: Array,
    class_indices: int | Sequence[int] | Array | None = None,
    layer: str | None = None,
) -> Array:
    """Return where on images a network finds a class: the heat maps of the paper's Figure 7.

    Without a layer, the class activation map of Zhou et al. (2016, "Learning Deep Features for Discriminative
    Localization"). With one, Grad-CAM of Selvaraju et al. (2017) at that layer, of the logit's gradient: for the last
    map the same, and further from the output finer, but less telling. Evidence against the class is left out, and the
    rest enlarged bilinearly.

    Args:
        model: any network whose logits come from a `Dense` layer, activated or not.
        images: what the model takes, [N, height, width, channels]: pixels of 0...255, or scaled values where the
            model was built with `include_preprocessing=False`.
        class_indices: one class for all images, or one for each; by default each image's most probable.
        layer: name of a layer whose output is a map, such as `block5c_add`.

    Returns:
        float32 [N, height, width], 0...1: each image's maximum is 1, unless nothing on it speaks for the class.

    Raises:
        UsageError: an unknown layer or one without a map, a class out of range, or a network without the classifier
            that this needs.

    >>> from efficientnet_tf import EfficientNet
    >>> model = EfficientNet("tiny", weights=None, classes=3, image_size=64)
    >>> class_activation_map(model, np.zeros((2, 64, 64, 3)), class_indices=1).shape
    (2, 64, 64)
    """
    raw = raw_class_activation_map(model, images, class_indices, layer)
    evidence = tf.image.resize(tf.nn.relu(raw)[..., tf.newaxis], np.shape(images)[1:3], "bilinear")[..., 0]
    return tf.math.divide_no_nan(evidence, tf.reduce_max(evidence, axis=(1, 2), keepdims=True)).numpy()


def raw_class_activation_map(
    model: keras.Model,
    images: Array,
    class_indices: int | Sequence[int] | Array | None = None,
    layer: str | None = None,
) -> Array:
    """Return what `class_activation_map` enlarges and scales: the weighted sum of a layer's channels.

    Without a layer the weights are the classifier's own, so that a map's mean over all positions, plus the class's
    bias, is the logit. With one they are the logit's gradients, averaged over all positions (Selvaraju et al., 2017,
    equation 1).

    Returns:
        float32 [N, h, w] of the feature map's size, of either sign.

    Raises:
        UsageError: as for `class_activation_map`.

    >>> from efficientnet_tf import EfficientNet
    >>> model = EfficientNet("tiny", weights=None, classes=3, image_size=64)
    >>> raw_class_activation_map(model, np.zeros((1, 64, 64, 3)), layer="stem_conv").shape
    (1, 32, 32)
    """
    if np.ndim(images) != 4:
        raise UsageError(f"images must be [N, height, width, channels], got shape {np.shape(images)}.")
    classifier = classifier_of(model, layer)
    features = classifier.features if layer is None else model.get_layer(layer).output
    network = keras.Model(model.inputs[0], [features, classifier.dense.input])
    pixels = tf.cast(images, tf.float32)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        if layer is not None:
            tape.watch(pixels)
        maps, vectors = network(pixels, training=False)
        logits = classifier.logits(vectors)
        classes = _checked_classes(class_indices, logits)
        chosen = tf.gather(logits, classes, batch_dims=1)
    if layer is None:
        weights = tf.gather(classifier.dense.kernel, classes, axis=1)
    else:
        # Zero for a layer that has no part in the logits, such as one that makes another output.
        gradients = tape.gradient(chosen, maps, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        weights = tf.transpose(tf.reduce_mean(gradients, axis=(1, 2)))
    return tf.einsum("nhwc,cn->nhw", tf.cast(maps, tf.float32), tf.cast(weights, tf.float32)).numpy()


def classifier_of(model: keras.Model, layer: str | None) -> Classifier:
    """Return a network's classifier, if a class activation map (no layer) or Grad-CAM (a layer) can be made with it.

    Raises:
        UsageError: it cannot.
    """
    classifier = _find_classifier(model)
    if layer is None:
        if classifier is None or classifier.features is None:
            raise UsageError(
                f"{model.name!r} does not end in global average pooling and a Dense layer, as class activation maps "
                "need. Name a layer, for Grad-CAM."
            )
        return classifier
    if classifier is None:
        raise UsageError(f"{model.name!r} does not end in a Dense layer, of whose logits Grad-CAM takes gradients.")
    # Not models inside the model: what those give out by themselves is not part of its graph.
    outputs = {inner.name: inner.output for inner in model.layers if not isinstance(inner, keras.Model)}
    maps = [name for name, output in outputs.items() if _is_map(output)]
    if layer not in outputs:
        close = difflib.get_close_matches(layer, maps, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        example = f", such as {maps[-1]!r}" if maps else ""
        raise UsageError(
            f"Unknown layer {layer!r}.{hint} Allowed: layers of {model.name!r} whose output is a map{example}."
        )
    if layer not in maps:
        raise UsageError(f"The output of layer {layer!r} of {model.name!r} is no map [N, height, width, channels].")
    return classifier


def _is_map(output: Any) -> bool:
    return keras.utils.is_keras_tensor(output) and len(output.shape) == 4


def _find_classifier(model: keras.Model) -> Classifier | None:
    """Go back from a network's output to the layer that makes its logits, and on to the pooling before it."""
    if not getattr(model, "outputs", None):  # not made of layers in a graph
        return None
    sources = {id(layer.output): layer for layer in model.layers}

    def behind(tensor: Any, passed: tuple[type, ...]) -> keras.Layer | None:
        layer = sources.get(id(tensor))
        while isinstance(layer, passed):
            layer = sources.get(id(layer.input))
        return layer

    dense = behind(model.outputs[0], _ACTIVATIONS)
    if not isinstance(dense, layers.Dense) or len(dense.output.shape) != 2:
        return None
    pooling = behind(dense.input, _IDENTITIES)
    return Classifier(dense, pooling.input if isinstance(pooling, layers.GlobalAveragePooling2D) else None)


def _checked_classes(class_indices: Any, logits: tf.Tensor) -> Array:
    """Return the class of each image."""
    if class_indices is None:
        return np.argmax(logits, axis=1)
    count, classes = logits.shape
    given = np.asarray(class_indices)
    in_range = given.dtype.kind in "iu" and bool(np.all((given >= 0) & (given < classes)))
    if given.shape not in ((), (count,)) or not in_range:
        raise UsageError(
            f"class_indices must be a whole number of 0...{classes - 1}, or {count} of them, one for each image; "
            f"got {class_indices}."
        )
    return np.broadcast_to(given, (count,))
