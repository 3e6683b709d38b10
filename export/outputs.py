"""What goes into a deployed network and what it answers, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

INPUT, PROBABILITIES = "image", "probabilities"


def answers(model: keras.Model, image: Any) -> dict[str, Any]:
    """Return what a deployed network answers, by the names of its outputs."""
    answer = model(image, training=False)
    return dict(answer) if isinstance(answer, Mapping) else {PROBABILITIES: answer}


def output_tensors(model: keras.Model) -> dict[str, Any]:
    """Return a deployed network's outputs, Keras tensors, by their names and in their order.

    >>> image = keras.Input((8,), name="image")
    >>> output_tensors(keras.Model(image, {"b": image, "a": image})).keys()
    dict_keys(['b', 'a'])
    """
    # Not `model.outputs`, in which a dictionary's are sorted by their names.
    return dict(model.output) if isinstance(model.output, Mapping) else {PROBABILITIES: model.output}


def output_names(model: keras.Model) -> list[str]:
    """Return the names of a deployed network's outputs, in their order.

    >>> image = keras.Input((8,), name="image")
    >>> output_names(keras.Model(image, image))
    ['probabilities']
    """
    return list(output_tensors(model))
