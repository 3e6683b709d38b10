"""Read a TensorFlow checkpoint: moving averages where it has them, and without the optimizer's slots."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.weights.files.bounds import Allowance, Damage, reading

AVERAGE = "/ExponentialMovingAverage"
# What a trainer counts beside the weights.
COUNTERS = ("global_step", "save_counter", "beta1_power", "beta2_power")


def is_checkpoint(path: Path) -> bool:
    """Return whether a path is a checkpoint's prefix, one of its files, or its folder."""
    if path.is_dir():
        return (path / "checkpoint").is_file() or any(path.glob("*.index"))
    return path.suffix == ".index" or Path(f"{path}.index").is_file()


def read_tensors(path: str | Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the variables of a checkpoint by name, sorted; bfloat16 as float32.

    A variable's moving average is returned under the variable's own name: published figures are the averages'
    (B5: 83 % against 80 %), and L2 was published with nothing else.

    Args:
        path: of the prefix (`model.ckpt`), of the `.index` file, or of a folder with one checkpoint. The file
            `checkpoint` in a folder is not believed: what it names may lie anywhere.

    Raises:
        EfficientNetError: no checkpoint, several, or a damaged one.
    """
    # Here, since nothing else in this room needs TensorFlow.
    import tensorflow as tf

    prefix = _prefix(Path(path))
    with reading(path):
        try:
            return _read(tf.train.load_checkpoint(str(prefix)), Allowance(_size(prefix)))
        except tf.errors.OpError as error:
            raise Damage(str(error).splitlines()[0]) from error


def _prefix(path: Path) -> Path:
    if path.is_dir():
        found = sorted(path.glob("*.index"))
        if len(found) != 1:
            listed = ", ".join(file.name for file in found) or "none"
            raise EfficientNetError(f"{path} must hold one checkpoint, got {listed}. Give one's prefix instead.")
        path = found[0]
    return path.with_suffix("") if path.suffix == ".index" else path


def _size(prefix: Path) -> int:
    """Return the bytes of a checkpoint's data."""
    return sum(file.stat().st_size for file in prefix.parent.iterdir() if file.name.startswith(f"{prefix.name}.data-"))


def _read(reader: Any, allowance: Allowance) -> dict[str, np.ndarray[Any, Any]]:
    shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    is_number = {name: kind.is_floating or kind.is_integer or kind.is_bool for name, kind in types.items()}
    tensors = {}
    for name in sorted({name.removesuffix(AVERAGE) for name in shapes if is_number[name]}):
        if name in COUNTERS or _is_slot(name, shapes):
            continue
        stored = name + AVERAGE if name + AVERAGE in shapes else name
        allowance.spend(math.prod(shapes[stored]) * types[stored].size, stored)
        array = np.asarray(reader.get_tensor(stored))
        tensors[name] = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
    return tensors


def _is_slot(name: str, names: dict[str, Any]) -> bool:
    """Return whether a name is below a variable's: an optimizer's slots and what batch normalisation counts are."""
    above = name.rpartition("/")[0]
    return bool(above) and (above in names or above + AVERAGE in names or _is_slot(above, names))
