"""Weight files of every format: a path to named tensors, laid out as in the file, and nothing executed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from efficientnet_tf.errors import UsageError
from efficientnet_tf.weights.files import keras_file, safetensors_file, tf_checkpoint, torch_file

#: What `read_weights` takes, for messages.
ENDINGS = ".keras, .h5, .pth, .pt, .bin, .safetensors, or a TensorFlow checkpoint: its prefix, .index file or folder"
_TORCH = (".pth", ".pt", ".bin", ".tar")


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """What a weight file holds.

    Attributes:
        tensors: by the names that the file gives them.
        format: whose the file is.
        metadata: what else it says: of a `.keras` file `config`, the saved model's description; of a
            `.safetensors` file `__metadata__`, texts by name.
    """

    tensors: Mapping[str, np.ndarray[Any, Any]]
    format: Literal["torch", "safetensors", "tf_checkpoint", "keras"]
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def read_weights(path: str | Path) -> WeightFile:
    """Return the tensors of a weight file.

    No tensor takes more bytes than its file has (bfloat16, returned as float32, twice as many), and nothing that a
    file brings is executed. Arrays may be such as cannot be written.

    Args:
        path: of a file with one of `ENDINGS`, or of a TensorFlow checkpoint.

    Raises:
        UsageError: no such file, or another ending.
        EfficientNetError: a damaged file, or one that holds anything but tensors.

    >>> read_weights("weights.onnx")
    Traceback (most recent call last):
    efficientnet_tf.errors.UsageError: weights.onnx has none of the endings of weight files. Allowed: .keras, .h5, ...
    """
    path = Path(path)
    if tf_checkpoint.is_checkpoint(path):
        return WeightFile(tf_checkpoint.read_tensors(path), "tf_checkpoint")
    if path.suffix not in (".safetensors", ".h5", ".hdf5", ".keras", *_TORCH):
        raise UsageError(f"{path} has none of the endings of weight files. Allowed: {ENDINGS}.")
    if not path.is_file():
        raise UsageError(f"There is no weight file {path}.")
    if path.suffix == ".safetensors":
        tensors, metadata = safetensors_file.read_tensors(path)
        return WeightFile(tensors, "safetensors", {safetensors_file.METADATA: metadata})
    if path.suffix == ".keras":
        tensors, config = keras_file.read_archive(path)
        return WeightFile(tensors, "keras", {"config": config})
    if path.suffix in _TORCH:
        return WeightFile(torch_file.read_tensors(path), "torch")
    return WeightFile(keras_file.read_h5(path), "keras")
