"""Weights by name or path, into a model."""

from __future__ import annotations

from pathlib import Path

import keras

from efficientnet_tf.errors import EfficientNetError, UsageError, unknown_name
from efficientnet_tf.model import CLASSIFIER
from efficientnet_tf.specs import IMAGENET_CLASSES, Spec
from efficientnet_tf.weights import lite
from efficientnet_tf.weights.published import imagenet_file
from efficientnet_tf.weights.torch_file import read_tensors

SUFFIXES = (".keras", ".weights.h5")


def load_weights(model: keras.Model, spec: Spec, weights: str | Path) -> bool:
    """Load weights into a model that was built from a spec.

    The classifier is loaded where the model has as many classes as the weights, and always from a
    `.weights.h5` file, which must fit the model as a whole. Otherwise it is new and
    starts at zero, every class equally probable: the official random start is made for 1000 classes, and
    for a few it is so wide that the first epochs only undo it.

    Args:
        model: built by `build_model` from `spec`.
        spec: the architecture.
        weights: `imagenet`, or a `.keras` or `.weights.h5` file of the same architecture.

    Returns:
        Whether the classifier was loaded too.

    Raises:
        UsageError: no such weights; the message says which there are.
        EfficientNetError: weights of another architecture, or a damaged file.
    """
    if str(weights) == "imagenet":
        keep = _new_classifier(model, IMAGENET_CLASSES)
        lite.assign(model, lite.layer_weights(spec, read_tensors(imagenet_file(spec.name))), skip=keep)
        return not keep
    path = Path(weights)
    if not str(path).endswith(SUFFIXES):
        raise unknown_name("weights", str(weights), ("imagenet", "none", "PATH.keras", "PATH.weights.h5"))
    if not path.is_file():
        raise UsageError(f"There is no weight file {path}.")
    if path.suffix == ".keras":
        return _copy(model, path)
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise EfficientNetError(f"{path} does not fit {spec.name!r}: {str(error).splitlines()[0]}") from error
    return True


def _copy(model: keras.Model, path: Path) -> bool:
    try:
        source = keras.models.load_model(path, compile=False)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise EfficientNetError(f"{path} is not a Keras model that can be loaded: {error}") from error
    names = {layer.name: layer for layer in source.layers}
    classes = source.output_shape[-1] if CLASSIFIER in names else None
    arrays = {name: layer.get_weights() for name, layer in names.items() if layer.get_weights()}
    keep = _new_classifier(model, classes)
    lite.assign(model, arrays, skip=keep)
    return not keep


def _new_classifier(model: keras.Model, classes: int | None) -> frozenset[str]:
    """Return the classifier's name if it cannot take weights for so many classes, and set it to zero."""
    classifier = model.layers[-1]
    if classifier.name != CLASSIFIER or model.output_shape[-1] == classes:
        return frozenset()
    classifier.set_weights([array * 0 for array in classifier.get_weights()])
    return frozenset({CLASSIFIER})
