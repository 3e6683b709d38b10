"""A SavedModel, run by TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.runtimes.artifact import labels_beside, preprocessing_beside
from efficientnet_tf.specs import Preprocessing


class SavedModel:
    """A SavedModel folder with the signatures `serving_default(image)` and `encoded(image_bytes)`."""

    def __init__(self, path: Path) -> None:
        try:
            loaded = tf.saved_model.load(str(path))
        except (OSError, ValueError, tf.errors.OpError) as error:
            reason = " ".join(str(error).split())[:200]
            raise EfficientNetError(f"{path} is not a SavedModel that can be loaded: {reason}") from error
        if "serving_default" not in loaded.signatures:
            raise EfficientNetError(
                f"{path} has no signature 'serving_default'; it has {', '.join(loaded.signatures)}."
            )
        self._loaded = loaded  # its signatures hold their variables only as long as it lives
        self.labels: list[str] | None = labels_beside(path / "assets", path.parent)
        self.preprocessing: Preprocessing | None = preprocessing_beside(path / "assets", path.parent)

    def predict(self, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return probabilities, float32 [N, classes], of pixels, uint8 [N, height, width, 3]."""
        answer = self._loaded.signatures["serving_default"](image=tf.constant(images, tf.uint8))
        return np.asarray(answer["probabilities"].numpy(), np.float32)

    def predict_encoded(self, files: Sequence[bytes]) -> np.ndarray[Any, Any]:
        """Return probabilities, float32 [N, classes], of whole image files."""
        answer = self._loaded.signatures["encoded"](image_bytes=tf.constant(list(files), tf.string))
        return np.asarray(answer["probabilities"].numpy(), np.float32)

    def close(self) -> None:
        """Do nothing: Python gives back the network's memory."""
