"""Read a TensorFlow checkpoint: moving averages where it has them, and without the optimizer's slots."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.errors import EfficientNetError

AVERAGE = "/ExponentialMovingAverage"
_SLOTS = re.compile(r"/(RMSProp(_\d+)?|Momentum|Adam(_\d+)?)$")
_COUNTERS = ("global_step", "beta1_power", "beta2_power")


def is_checkpoint(path: Path) -> bool:
    """Return whether a path is a checkpoint's prefix, one of its files, or its folder."""
    if path.is_dir():
        return (path / "checkpoint").is_file() or any(path.glob("*.index"))
    return path.suffix == ".index" or Path(f"{path}.index").is_file()


def read_tensors(path: str | Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the variables of a checkpoint by name.

    A variable's moving average is returned under the variable's own name: published figures are the averages'
    (B5: 83 % against 80 %), and L2 was published with nothing else.

    Args:
        path: of the prefix (`model.ckpt`), of the `.index` file, or of a folder with one checkpoint.

    Raises:
        EfficientNetError: no checkpoint, several, or a damaged one.
    """
    # Here, since nothing else in this room needs TensorFlow.
    import tensorflow as tf

    prefix = _prefix(Path(path))
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = [name for name in reader.get_variable_to_shape_map() if _is_weight(name)]
        tensors = {name: np.asarray(reader.get_tensor(name)) for name in sorted(names)}
    except (tf.errors.OpError, ValueError, LookupError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise EfficientNetError(f"{path} is not a weight file that can be read: {reason}") from error
    averages = {name.removesuffix(AVERAGE): array for name, array in tensors.items() if name.endswith(AVERAGE)}
    plain = {name: array for name, array in tensors.items() if not name.endswith(AVERAGE)}
    return {**plain, **averages}


def _is_weight(name: str) -> bool:
    return not _SLOTS.search(name.removesuffix(AVERAGE)) and name not in _COUNTERS


def _prefix(path: Path) -> Path:
    """Return the prefix of the checkpoint that a path means; the file `checkpoint` in a folder is not believed."""
    if path.is_dir():
        found = sorted(path.glob("*.index"))
        if len(found) != 1:
            listed = ", ".join(file.name for file in found) or "none"
            raise EfficientNetError(f"{path} must hold one checkpoint, got {listed}. Give one's prefix instead.")
        path = found[0]
    return path.with_suffix("") if path.suffix == ".index" else path
