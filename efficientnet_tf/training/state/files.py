"""One checkpoint as one file: arrays and a JSON object in a zip archive, nothing that could be executed."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from efficientnet_tf.errors import EfficientNetError

Array = np.ndarray[Any, Any]

STATE = "state.json"
FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The state of a training at one step.

    Attributes:
        arrays: values of variables, by a name that is the same in every process.
        state: everything else, as JSON values.
    """

    arrays: Mapping[str, Array]
    state: Mapping[str, Any]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that `path` holds either all of it or what it held before.

    Raises:
        OSError: the folder cannot be written, or the disk is full; nothing is left behind.
    """
    unfinished = path.with_name(f".{path.name}.partial")
    try:
        with open(unfinished, "wb") as file:
            _write(file, checkpoint)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _write(file: BinaryIO, checkpoint: Checkpoint) -> None:
    # Not compressed: weights hardly shrink, and the training would wait for it.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.writestr(STATE, json.dumps({"format": FORMAT, **checkpoint.state}))
        for name, array in checkpoint.arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=array.nbytes > 2**31) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, every byte of it against its checksum.

    Raises:
        EfficientNetError: the file is damaged, or no checkpoint.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            state = json.loads(archive.read(STATE))
            if not isinstance(state, dict) or state.pop("format", None) != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            arrays = {name.removesuffix(".npy"): _array(archive.read(name)) for name in names if name.endswith(".npy")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise EfficientNetError(f"{path} is damaged, or not a checkpoint: {reason}.") from error
    return Checkpoint(arrays, state)


def _array(data: bytes) -> Array:
    file = io.BytesIO(data)
    array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array
