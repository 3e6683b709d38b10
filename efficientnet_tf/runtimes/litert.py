"""A `.tflite` file, run by LiteRT, TensorFlow Lite's current home."""

from __future__ import annotations

import collections
import os
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.native_output import held_back
from efficientnet_tf.runtimes.artifact import labels_beside, preprocessing_beside
from efficientnet_tf.runtimes.filling import in_batches
from efficientnet_tf.runtimes.tflite_metadata import read_metadata
from efficientnet_tf.specs import Preprocessing

Array = np.ndarray[Any, Any]

#: What is taken from a pixel of 0...255 to make an input of each type; an integer input is calibrated on pixels.
OFFSETS = {np.dtype(np.uint8): 0, np.dtype(np.int8): 128, np.dtype(np.float32): 0}

#: Put by a delegate around what it runs; no operation of the file.
DELEGATE = "DELEGATE"


class LiteRTModel:
    """A `.tflite` file with a signature from `image` to one or several named outputs.

    The image may be uint8, int8 (pixels less 128) or float32, and the outputs of any type; the batch may be of a
    fixed size, which is filled up, or of any.

    Args:
        path: the file.
        threads: that it may use; by default one for each core.

    Raises:
        MissingDependencyError: LiteRT is not installed.
        EfficientNetError: not a file that can be run, or one with other inputs.
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
        if np.dtype(inputs["image"]["dtype"]) not in OFFSETS:
            raise EfficientNetError(f"{path} takes pictures as {np.dtype(inputs['image']['dtype'])}, which are none.")
        self._image = inputs["image"]
        try:
            metadata = read_metadata(path.read_bytes())
        except EfficientNetError as error:
            raise EfficientNetError(f"{path}: {error}") from error
        self.labels: list[str] | None = metadata.get("labels") or labels_beside(path.parent)
        self.preprocessing: Preprocessing | None = metadata.get("preprocessing") or preprocessing_beside(path.parent)

    def predict(self, images: Array) -> Array:
        """Return probabilities, float32 [N, classes], of pixels, uint8 [N, height, width, 3].

        Raises:
            UsageError: pictures of another size than the file takes, or no output of that name.
        """
        outputs = self._run.get_output_details()
        if "probabilities" not in outputs:
            raise UsageError(f"There are no probabilities among the outputs of this file: {', '.join(outputs)}.")
        return self.answers(images)["probabilities"]

    def answers(self, images: Array) -> dict[str, Array]:
        """Return every output by its name, float32 [N, ...], of pixels, uint8 [N, height, width, 3].

        Raises:
            UsageError: pictures of another size than the file takes.
        """
        _, *wanted = self._image["shape_signature"].tolist()
        if list(images.shape[1:]) != wanted:
            raise UsageError(f"This file takes pictures of {wanted}, got {list(images.shape[1:])}.")
        dtype = np.dtype(self._image["dtype"])
        pixels = (images.astype(np.int16) - OFFSETS[dtype]).astype(dtype)
        details = self._run.get_output_details()

        def run(taken: Array) -> dict[str, Array]:
            return {name: _real(answer, details[name]) for name, answer in self._run(image=taken).items()}

        return in_batches(run, pixels, self.batch)

    @property
    def batch(self) -> int:
        """How many pictures are run at a time: the file's number, or one where it takes any."""
        return max(1, int(self._image["shape_signature"][0]))

    def operations(self) -> dict[str, int]:
        """Return how many operations of each kind the graph has, in the order in which they first occur."""
        names = (detail["op_name"] for detail in self._interpreter._get_ops_details())
        return dict(collections.Counter(name for name in names if name != DELEGATE))

    def close(self) -> None:
        """Do nothing: Python gives back the network's memory."""


def _real(answer: Array, detail: dict[str, Any]) -> Array:
    """Return the numbers that a tensor stands for, float32."""
    scale, zero_point = detail["quantization"]
    if np.issubdtype(answer.dtype, np.integer) and scale:
        return (np.float32(scale) * (answer.astype(np.int32) - zero_point)).astype(np.float32)
    return answer.astype(np.float32)
