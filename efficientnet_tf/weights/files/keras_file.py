"""Read the arrays of files that Keras wrote, without building the layers that such a file describes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from efficientnet_tf.errors import EfficientNetError

Tensors = dict[str, np.ndarray[Any, Any]]

# An archive may state any size; the networks here are below 2 GB.
LARGEST_MEMBER = 4 << 30
LARGEST_CONFIGURATION = 64 << 20

# The variables of a layer by their number, as Keras orders them.
VARIABLES = {
    1: ("kernel",),
    2: ("kernel", "bias"),
    3: ("mean", "variance", "count"),
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
}


def read_h5(path: str | Path) -> Tensors:
    """Return the arrays of an HDF5 file as `layer/variable`: keras.applications' `.h5`, or Keras 3's `.weights.h5`.

    Raises:
        EfficientNetError: the file is damaged, or of another form.
    """
    try:
        with h5py.File(path, "r") as file:
            return _arrays(file)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise _unreadable(path, error) from error


def read_archive(path: str | Path) -> tuple[Tensors, dict[str, Any]]:
    """Return the arrays of a `.keras` file as `layer/variable`, and the description of its model.

    Raises:
        EfficientNetError: the file is damaged, or of another form.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(_member(archive, "config.json", LARGEST_CONFIGURATION))
            weights = io.BytesIO(_member(archive, "model.weights.h5", LARGEST_MEMBER))
        with h5py.File(weights, "r") as file:
            return _arrays(file), config
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, RuntimeError, TypeError, EOFError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: Exception) -> EfficientNetError:
    reason = " ".join(str(error).split()).strip("'\".")
    return EfficientNetError(f"{path} is not a weight file that can be read: {reason}.")


def _member(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    size = archive.getinfo(name).file_size
    if size > largest:
        raise ValueError(f"{name} states {size} bytes, more than {largest}")
    return archive.read(name)


def _arrays(file: h5py.File) -> Tensors:
    root = file.get("model_weights", file)
    if "layer_names" in root.attrs:
        return dict(_legacy(root))
    if "layers" in file:
        return dict(_numbered(file["layers"]))
    raise ValueError("it has neither layer_names nor layers")


def _legacy(root: h5py.Group) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield what Keras 1 and 2 wrote, and Keras 3 into `.h5`: the file itself lists the names."""
    for layer in _texts(root.attrs["layer_names"]):
        group = _own(root, layer, h5py.Group)
        for name in _texts(group.attrs["weight_names"]):
            variable = name.rsplit("/", 1)[-1].split(":")[0]
            yield f"{layer}/{variable}", _array(group, name)


def _numbered(layers: h5py.Group) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield what Keras 3 writes: variables by their number, the layer's name in an attribute."""
    for key in layers:
        group = _own(layers, key, h5py.Group)
        variables = group.get("vars")
        if not isinstance(variables, h5py.Group) or not len(variables):
            continue
        name = variables.attrs.get("name")
        if name is None:
            raise ValueError("its layers have no names; save it again with Keras 3.15")
        for number, variable in enumerate(VARIABLES.get(len(variables), ())):
            yield f"{name}/{variable}", _array(variables, str(number))


def _texts(values: Any) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _own(group: h5py.Group, name: str, kind: type) -> Any:
    """Return a member that lies in the file itself: a link could read any file of the machine."""
    walked = group
    for part in name.split("/"):
        if not isinstance(walked.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is not in the file itself")
        walked = walked[part]
    if not isinstance(walked, kind):
        raise ValueError(f"{name} is not a {kind.__name__.lower()}")
    return walked


def _array(group: h5py.Group, name: str) -> np.ndarray[Any, Any]:
    dataset = _own(group, name, h5py.Dataset)
    if dataset.external or dataset.is_virtual or dataset.dtype.kind not in "fiub":
        raise ValueError(f"{name} is not an array of numbers in the file itself")
    if dataset.nbytes > LARGEST_MEMBER:
        raise ValueError(f"{name} states {dataset.nbytes} bytes, more than {LARGEST_MEMBER}")
    return np.asarray(dataset[()])
