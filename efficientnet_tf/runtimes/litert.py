"""A `.tflite` file, run by LiteRT, TensorFlow Lite's current home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError
from efficientnet_tf.native_output import held_back
from efficientnet_tf.runtimes.artifact import labels_beside, preprocessing_beside
from efficientnet_tf.specs import Preprocessing


class LiteRTModel:
    """A `.tflite` file with a signature from `image` to `probabilities`; it sees one picture at a time.

    Args:
        path: the file.
        threads: that it may use; by default one for each core.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingDependencyError("LiteRT is not installed. Run: pip install ai-edge-litert") from error
        try:
            with held_back():
                self._interpreter = Interpreter(model_path=str(path), num_threads=threads or os.cpu_count())
                self._interpreter.allocate_tensors()
                self._run = self._interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise EfficientNetError(f"{path} is not a TensorFlow Lite file that can be run: {error}") from error
        inputs = self._run.get_input_details()
        if list(inputs) != ["image"]:
            raise EfficientNetError(f"{path} must have the input 'image', got {', '.join(inputs) or 'none'}.")
        self._type = inputs["image"]["dtype"]
        self.labels: list[str] | None = labels_beside(path.parent)
        self.preprocessing: Preprocessing | None = preprocessing_beside(path.parent)

    def predict(self, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return probabilities, float32 [N, classes], of pixels, uint8 [N, height, width, 3]."""
        rows = [self._run(image=image[None].astype(self._type))["probabilities"] for image in images]
        return np.concatenate(rows).astype(np.float32)

    def operations(self) -> list[str]:
        """Return the name of every operation of the graph, in order."""
        return [detail["op_name"] for detail in self._interpreter._get_ops_details()]

    def close(self) -> None:
        """Do nothing: Python gives back the network's memory."""
