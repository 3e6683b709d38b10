"""Augmentations from elsewhere: functions, and layers of Keras or KerasCV."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from efficientnet_tf.errors import UsageError


class Foreign:
    """A function or layer as an augmentation of single pictures.

    A function of two arguments, or of one called `seed`, is given the picture and its seed. A function of one, and a
    layer, is given the picture alone: if it draws random numbers they are its own, and the same seed need not give the
    same picture.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if inspect.isclass(function):
            raise UsageError(f"An augmentation must be a function or a Keras layer, got the class {function.__name__}.")
        self._function = function
        self._layer = isinstance(function, keras.layers.Layer) or hasattr(function, "compute_output_shape")
        self._with_seed = not self._layer and _takes_two(function)
        # By AutoGraph, which augmenters of our own do without: others' code may ask for a tensor's value.
        self._in_graphs = tf.function(self._changed)

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        changed = (self._changed if tf.executing_eagerly() else self._in_graphs)(image, seed)
        return tf.ensure_shape(_as_bytes(changed), [*image.shape[:2], 3])

    def _changed(self, image: tf.Tensor, seed: tf.Tensor) -> Any:
        if self._layer:
            # Layers work on floating-point numbers, of 0 to 255 as a network's input.
            return self._function(tf.cast(image, tf.float32), training=True)
        return self._function(image, seed) if self._with_seed else self._function(image)

    def describe(self, image: tf.Tensor, seed: tf.Tensor) -> str:
        return str(getattr(self._function, "name", None) or getattr(self._function, "__name__", "function"))


def _as_bytes(image: Any) -> tf.Tensor:
    image = tf.convert_to_tensor(image)
    if image.dtype == tf.uint8:
        return image
    return tf.cast(tf.clip_by_value(tf.round(tf.cast(image, tf.float32)), 0.0, 255.0), tf.uint8)


def _takes_two(function: Callable[..., Any]) -> bool:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [row for row in parameters if row.kind in kinds and row.default is inspect.Parameter.empty]
    several = any(row.kind is inspect.Parameter.VAR_POSITIONAL for row in parameters)
    if len(needed) > 2 or (not needed and not several and not list(parameters)):
        raise UsageError(
            "An augmentation must be a function of (image) or (image, seed), or a Keras layer; "
            f"got one of {len(needed)} arguments."
        )
    return len(needed) == 2 or any(row.name == "seed" and row.kind in kinds for row in parameters)
