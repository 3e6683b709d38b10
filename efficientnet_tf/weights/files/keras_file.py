"""Read the arrays of files that Keras wrote, without building the layers that such a file describes.

There are three kinds, all of them HDF5 inside:

- `.h5` of keras.applications and of `model.save` in the older form: the file lists its layers and their variables,
  in order and by name. A depthwise convolution's kernel is `depthwise_kernel` there, or `kernel` if Keras 3 wrote it.
- `.keras`: an archive whose config.json lists the layers. Their variables lie in `layers/conv2d_3/vars/0`, a layer by
  its class and how many of that class went before (keras/src/saving/saving_lib.py, `_save_container_state`).
- `.weights.h5`: the same groups without the list. Keras writes each layer's name beside them, from about 3.10 on.
  Their order is lost: layers come sorted by class, and within a class in the network's order.
"""

from __future__ import annotations

import collections
import io
import itertools
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from efficientnet_tf.weights.files.bounds import Allowance, Damage, read_member, reading
from efficientnet_tf.weights.files.safetensors_file import bfloat16_to_float32

Array = np.ndarray[Any, Any]
Tensors = dict[str, Array]

# Variables of a layer by their number, as each class makes them. Other layers keep the numbers.
_CONVOLUTION = ("kernel", "bias")
VARIABLES = {
    "conv2d": _CONVOLUTION,
    "depthwise_conv2d": _CONVOLUTION,
    "cond_conv2d": _CONVOLUTION,
    "cond_depthwise_conv2d": _CONVOLUTION,
    "dense": _CONVOLUTION,
    "normalization": ("mean", "variance", "count"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}


class _Layer(NamedTuple):
    """A layer of Keras 3: its group, its name, and the layers inside it if it is a network of its own."""

    group: str
    name: str
    inner: list[_Layer]


def read_h5(path: str | Path) -> Tensors:
    """Return the arrays of a `.h5` or `.weights.h5` file as `layer/variable`.

    The layers of a network inside the network are returned like its own.

    Raises:
        EfficientNetError: the file is damaged, or of another form.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with h5py.File(Path(folder, "a.weights.h5"), "w") as file:
    ...         variables = file.create_group("layers/dense/vars")
    ...         variables.attrs["name"] = "predictions"
    ...         variables["0"] = np.float32([[1, 2]])
    ...     read_h5(Path(folder, "a.weights.h5"))
    {'predictions/kernel': array([[1., 2.]], dtype=float32)}
    """
    with reading(path), h5py.File(path, "r") as file:
        return _tensors(file, Allowance(Path(path).stat().st_size), config=None)


def read_archive(path: str | Path) -> tuple[Tensors, dict[str, Any]]:
    """Return the arrays of a `.keras` file as `layer/variable`, and the description of its model.

    Raises:
        EfficientNetError: the file is damaged, or of another form.
    """
    with reading(path):
        size = Path(path).stat().st_size
        with zipfile.ZipFile(path) as archive:
            allowance = Allowance(size)
            config = json.loads(read_member(archive, "config.json", allowance))
            weights = io.BytesIO(read_member(archive, "model.weights.h5", allowance))
        if not isinstance(config, dict):
            raise Damage("its config.json is not a table")
        with h5py.File(weights, "r") as file:
            return _tensors(file, Allowance(size), config), config


def _tensors(file: h5py.File, allowance: Allowance, config: Mapping[str, Any] | None) -> Tensors:
    root = _own(file, "model_weights", h5py.Group) if "model_weights" in file else file
    if "layer_names" in root.attrs or "layer_names0" in root.attrs:
        found = _listed(root)
    elif "layers" in file:
        groups = _own(file, "layers", h5py.Group)
        found = _numbered(groups, _in_groups(groups, set()) if config is None else _in_config(config))
    else:
        raise Damage("it has neither layer_names nor layers")
    tensors: Tensors = {}
    for name, dataset in found:
        if name in tensors:
            raise Damage(f"{name} is in it twice")
        tensors[name] = _array(dataset, name, allowance)
    return tensors


def _listed(root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield what Keras 1 and 2 wrote, and Keras 3 into `.h5`: the file itself lists the names."""
    for layer in _texts(root, "layer_names"):
        group = _own(root, layer, h5py.Group)
        names = _texts(group, "weight_names")
        # Several scopes in one layer are the layers of a network inside the network.
        is_network = len({name.rpartition("/")[0] for name in names}) > 1
        for name in names:
            scope, _, variable = name.rpartition("/")
            owner = scope.rpartition("/")[2] if is_network else layer
            yield f"{owner}/{variable.split(':')[0]}", _own(group, name, h5py.Dataset)


def _texts(group: h5py.Group, name: str) -> list[str]:
    """Return a list of texts in an attribute, which Keras splits into several if it is long."""
    parts = [name]
    if name not in group.attrs:
        numbered = (f"{name}{number}" for number in itertools.count())
        parts = list(itertools.takewhile(lambda part: part in group.attrs, numbered))
    texts = [text for part in parts for text in group.attrs[part]]
    return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]


def _in_config(config: Mapping[str, Any]) -> list[_Layer]:
    """Return the layers that a description lists, each with its group as Keras counts them."""
    if "layers" not in config["config"]:
        raise Damage("its config.json lists no layers")
    counts: collections.Counter[str] = collections.Counter()
    layers = []
    for entry in config["config"]["layers"]:
        # What is no layer, such as an addition of two tensors, is listed but neither saved nor counted.
        if ".ops." in str(entry.get("module")):
            continue
        group = _snake_case(entry["class_name"])
        number = counts[group]
        counts[group] += 1
        inner = _in_config(entry) if "layers" in entry["config"] else []
        layers.append(_Layer(f"{group}_{number}" if number else group, str(entry["config"]["name"]), inner))
    return layers


def _in_groups(groups: h5py.Group, seen: set[h5py.Group]) -> list[_Layer]:
    """Return the layers that a file has groups of, by the names beside their variables."""
    if groups in seen:
        raise Damage(f"{groups.name} is inside itself")
    seen.add(groups)
    layers = []
    for key in sorted(groups, key=lambda key: (_class_of(key), len(key), key)):
        group = _own(groups, key, h5py.Group)
        inner = _in_groups(_own(group, "layers", h5py.Group), seen) if "layers" in group else []
        name = key
        if "vars" in group and len(variables := _own(group, "vars", h5py.Group)):
            if "name" not in variables.attrs:
                raise Damage("its layers have no names; save it again with Keras 3.15")
            name = str(variables.attrs["name"])
        layers.append(_Layer(key, name, inner))
    return layers


def _numbered(groups: h5py.Group, layers: Iterable[_Layer]) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield what Keras 3 writes: a layer's variables by their number."""
    for layer in layers:
        group = _own(groups, layer.group, h5py.Group) if layer.group in groups else {}
        if layer.inner and "layers" in group:
            yield from _numbered(_own(group, "layers", h5py.Group), layer.inner)
        if "vars" not in group:
            continue
        variables = _own(group, "vars", h5py.Group)
        numbers = [str(number) for number in range(len(variables))]
        names = VARIABLES.get(_class_of(layer.group), ())
        is_known = len(names) == len(numbers) or (names == _CONVOLUTION and len(numbers) == 1)
        for number, name in zip(numbers, names if is_known else numbers, strict=False):
            yield f"{layer.name}/{name}", _own(variables, number, h5py.Dataset)


def _snake_case(name: str) -> str:
    """Return a class's name as Keras writes it (keras/src/utils/naming.py): Conv2D is conv2d."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _class_of(group: str) -> str:
    return re.sub(r"_\d+$", "", group)


def _own(group: h5py.Group, name: str, kind: type) -> Any:
    """Return a member that lies in the file itself: a link could read any file of the machine."""
    walked = group
    for part in name.split("/"):
        if not isinstance(walked.get(part, getlink=True), h5py.HardLink):
            raise Damage(f"{name} is not in the file itself")
        walked = walked[part]
    if not isinstance(walked, kind):
        raise Damage(f"{name} is not a {kind.__name__.lower()}")
    return walked


def _array(dataset: h5py.Dataset, name: str, allowance: Allowance) -> Array:
    is_bfloat16 = dataset.attrs.get("dtype") == "bfloat16" and dataset.dtype.itemsize == 2
    if dataset.external or dataset.is_virtual or not (is_bfloat16 or dataset.dtype.kind in "fiub"):
        raise Damage(f"{name} is not an array of numbers in the file itself")
    allowance.spend(int(dataset.nbytes), name)
    array = np.asarray(dataset[()])
    return bfloat16_to_float32(array.view(np.uint16)) if is_bfloat16 else array
