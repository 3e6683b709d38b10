"""Weight files of every format: a path to named tensors, laid out as in the file, and nothing executed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
        metadata: what else it says: of a `.keras` file `config`, the saved model's description.
    """

    tensors: Mapping[str, np.ndarray[Any, Any]]
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def read_weights(path: str | Path) -> WeightFile:
    """Return the tensors of a weight file.

    Args:
        path: of a file with one of `ENDINGS`, or of a TensorFlow checkpoint.

    Raises:
        UsageError: another ending.
        EfficientNetError: a damaged file, or one that holds anything but tensors.
    """
    path = Path(path)
    if tf_checkpoint.is_checkpoint(path):
        return WeightFile(tf_checkpoint.read_tensors(path))
    if path.suffix == ".safetensors":
        return WeightFile(safetensors_file.read_tensors(path))
    if path.suffix in (".h5", ".hdf5"):
        return WeightFile(keras_file.read_h5(path))
    if path.suffix == ".keras":
        tensors, config = keras_file.read_archive(path)
        return WeightFile(tensors, {"config": config})
    if path.suffix in _TORCH:
        return WeightFile(torch_file.read_tensors(path))
    raise UsageError(f"{path} has none of the endings of weight files. Allowed: {ENDINGS}.")
