"""A `.keras` file, run by Keras."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.model import preprocessing_of, with_probabilities
from efficientnet_tf.run import load_keras
from efficientnet_tf.runtimes.artifact import labels_beside, preprocessing_beside
from efficientnet_tf.specs import Preprocessing


class KerasFile:
    """A network in a `.keras` file; labels and preprocessing lie beside it, or are told by its layers."""

    def __init__(self, path: Path) -> None:
        self.model = with_probabilities(load_keras(path))
        self.labels: list[str] | None = labels_beside(path.parent)
        self.preprocessing: Preprocessing = preprocessing_beside(path.parent) or preprocessing_of(self.model)

    def predict(self, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return probabilities, float32 [N, classes], of pixels, uint8 [N, height, width, 3]."""
        return np.asarray(self.model.predict_on_batch(images), np.float32)

    def answers(self, images: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        """Return its one output by name."""
        return {"probabilities": self.predict(images)}

    def operations(self) -> dict[str, int]:
        """Return how many layers of each class it has."""
        return dict(Counter(type(layer).__name__ for layer in self.model.layers))

    def close(self) -> None:
        """Do nothing: Python gives back the network's memory."""
