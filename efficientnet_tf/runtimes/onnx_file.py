"""An ONNX file, run by ONNX Runtime on the processor."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.runtimes.artifact import labels_beside, labels_inside, preprocessing_beside, record_inside
from efficientnet_tf.runtimes.filling import in_batches
from efficientnet_tf.specs import Preprocessing

Array = np.ndarray[Any, Any]

# Without it ONNX Runtime writes its warnings to standard error.
_ERRORS_ONLY = 3


class OnnxModel:
    """An ONNX file with the one input `image`, float32 [N, height, width, 3].

    Args:
        path: the file.
        threads: that it may use; by default one for each core.

    Attributes:
        labels: names of the classes, from the file's metadata, else from labels.txt beside it; None where neither has
            them.
        preprocessing: how photographs become its input; likewise.

    Raises:
        MissingDependencyError: ONNX Runtime is not installed.
        EfficientNetError: the file is damaged, or has other inputs.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        onnxruntime = _import("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        # Its errors have no class in common but this one.
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise EfficientNetError(f"{path} is not an ONNX file that can be run: {reason}") from error
        self._path = path
        self._shape = self._input_shape()
        metadata = self._session.get_modelmeta().custom_metadata_map
        try:
            labels, record = (json.loads(metadata.get(name, "null")) for name in ("labels", "preprocessing"))
            inside = labels_inside(labels), record_inside(record)
        except (ValueError, RecursionError) as error:
            raise EfficientNetError(f"The metadata of {path} cannot be read: {error}") from error
        self.labels: list[str] | None = inside[0] or labels_beside(path.parent)
        self.preprocessing: Preprocessing | None = inside[1] or preprocessing_beside(path.parent)

    def predict(self, images: Array) -> Array:
        """Return probabilities, float32 [N, classes], of pixels, uint8 [N, height, width, 3].

        Raises:
            UsageError: other arrays.
            EfficientNetError: the network does not answer with probabilities.
        """
        answer = self.answers(images)
        if "probabilities" not in answer:
            raise EfficientNetError(f"{self._path} has no output 'probabilities'; it has {', '.join(answer)}.")
        return answer["probabilities"]

    def answers(self, images: Array) -> dict[str, Array]:
        """Return every output by its name, float32, of pixels, uint8 [N, height, width, 3].

        Raises:
            UsageError: other arrays.
        """
        size, *shape = self._shape
        if images.dtype != np.uint8 or images.shape[1:] != tuple(shape):
            raise UsageError(
                f"The network in {self._path} takes uint8 images [N, {', '.join(map(str, shape))}], "
                f"got {images.dtype} {list(images.shape)}."
            )
        return in_batches(self._run, images, size)

    def operations(self) -> dict[str, int]:
        """Return how many operations of each kind its graph has, most frequent first.

        Raises:
            MissingDependencyError: the package onnx, which reads the graph, is not installed.
        """
        # Weights that lie in files of their own are not needed to count.
        graph = _import("onnx").load(str(self._path), load_external_data=False).graph
        return dict(Counter(node.op_type for node in graph.node).most_common())

    def close(self) -> None:
        """Do nothing: Python gives back the network's memory."""

    def _input_shape(self) -> tuple[int | None, ...]:
        """Return the shape of the one input, None where it is free."""
        inputs = self._session.get_inputs()
        found = ", ".join(f"{each.name} {each.type}{each.shape}" for each in inputs)
        if [(each.name, each.type, len(each.shape)) for each in inputs] != [("image", "tensor(float)", 4)]:
            raise EfficientNetError(
                f"{self._path} must have the input image tensor(float) [N, height, width, 3], got {found or 'none'}."
            )
        return tuple(size if isinstance(size, int) else None for size in inputs[0].shape)

    def _run(self, images: Array) -> dict[str, Array]:
        names = [output.name for output in self._session.get_outputs()]
        found = self._session.run(names, {"image": images.astype(np.float32)})
        return {name: np.asarray(values, np.float32) for name, values in zip(names, found, strict=True)}


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(f"{name} is not installed. Run: pip install 'efficientnet_tf[onnx]'") from error
