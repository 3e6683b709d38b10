"""Read the tensors of a PyTorch weight file of either format, and nothing else.

The older one is a chain of pickles followed by raw numbers, the newer one a zip archive of a pickle and files of
numbers. A pickle can run any code while it is read; this reader therefore knows a handful of names, all of them
harmless, and refuses every other. What it hands to a pickle cannot be changed either, since a pickle may also set
the attributes of whatever it was given.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from efficientnet_tf.weights.files.bounds import MOST_DIMENSIONS, Allowance, Damage, read_member, reading
from efficientnet_tf.weights.files.safetensors_file import bfloat16_to_float32

Array = np.ndarray[Any, Any]

# What torch.save writes first (torch/serialization.py, the legacy format).
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
# NumPy has no bfloat16; its 16 bits are the upper half of a float32.
BFLOAT16 = "BFloat16Storage"
# A storage's numbers by PyTorch's name for it; without the order of bytes, which the file says.
STORAGES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    BFLOAT16: "u2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
BYTE_ORDERS = {b"little": "<", b"big": ">"}
# Where trainers put the weights of a larger checkpoint; averages first.
NESTED = ("state_dict_ema", "model_ema", "state_dict", "model")
# What training on several devices puts in front of every name.
PREFIX = "module."


class _Storage(NamedTuple):
    """A flat run of numbers that tensors are views of."""

    key: str
    kind: str
    size: int


class _View(NamedTuple):
    """A tensor: a shape over a storage, inside of which it was found to lie."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self, numbers: Array) -> Array:
        """Return the tensor over its storage's numbers, which are shared and cannot be written."""
        if 0 in self.shape:
            return np.zeros(self.shape, numbers.dtype)
        strides = [step * numbers.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides, writeable=False)


class _RebuildTensor:
    """Stand in for torch._utils._rebuild_tensor_v2."""

    __slots__ = ()

    def __call__(self, storage: object, offset: object, shape: object, stride: object, *_: object) -> _View:
        if not (
            isinstance(storage, _Storage)
            and isinstance(shape, tuple)
            and isinstance(stride, tuple)
            and isinstance(offset, int)
            and len(shape) == len(stride) <= MOST_DIMENSIONS
            and all(isinstance(number, int) and 0 <= number < 1 << 63 for number in (offset, *shape, *stride))
        ):
            raise Damage("a tensor that is not described by numbers")
        last = offset + sum((side - 1) * step for side, step in zip(shape, stride, strict=True))
        if math.prod(shape) > storage.size or (0 not in shape and last >= storage.size):
            raise Damage(f"a tensor of shape {shape} does not fit its storage")
        return _View(storage, offset, shape, stride)


class _RebuildParameter:
    """Stand in for torch._utils._rebuild_parameter: a parameter is its tensor."""

    __slots__ = ()

    def __call__(self, data: object, *_: object) -> object:
        return data


class _TensorUnpickler(pickle.Unpickler):
    """An unpickler that admits tensors, ordered dictionaries and plain values."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name in the pickle; called for every class and function in it."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _RebuildTensor()
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _RebuildParameter()
        if module == "torch" and name in STORAGES:
            return name
        raise Damage(f"it names {module}.{name}, which is not a tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage that a tensor refers to: ('storage', type, key, device, size), once with a view."""
        match pid:
            case ("storage", str() as kind, str() as key, str(), int() as size, *rest) if (
                kind in STORAGES and 0 <= size < 1 << 60 and rest in ([], [None])
            ):
                return self.storages.setdefault(key, _Storage(key, kind, size))
        raise Damage("it refers to something that is not a tensor's storage")


def read_tensors(path: str | Path) -> dict[str, Array]:
    """Return the tensors of a `.pth` file by name, in the file's order and PyTorch's layout; bfloat16 as float32.

    Args:
        path: a state dictionary, also inside a checkpoint (`state_dict`, `model`, or the average of either), in
            PyTorch's present format or in that of before 1.6. PyTorch itself is not needed.

    Returns:
        Arrays that cannot be written; those that share a storage in the file share their memory.

    Raises:
        EfficientNetError: the file is damaged, of another format, or holds anything but tensors.
    """
    with reading(path):
        content = Path(path).read_bytes()
        if content.startswith(b"PK"):
            return _read_archive(content)
        return _read_chain(io.BytesIO(content))


def _read_archive(content: bytes) -> dict[str, Array]:
    """Read the newer format: NAME/data.pkl, and NAME/data/KEY for each storage."""
    allowance = Allowance(len(content))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise Damage(f"{len(pickles)} files data.pkl in the archive, where there must be one")
        root = pickles[0].removesuffix("data.pkl")
        order = read_member(archive, f"{root}byteorder", allowance) if f"{root}byteorder" in names else b"little"
        if order not in BYTE_ORDERS:
            raise Damage("its order of bytes is neither little nor big")
        unpickler, state = _load(io.BytesIO(read_member(archive, pickles[0], allowance)))
        numbers = {
            key: _numbers(read_member(archive, f"{root}data/{key}", allowance), storage, BYTE_ORDERS[order])
            for key, storage in unpickler.storages.items()
        }
    return _tensors(state, numbers)


def _read_chain(file: BinaryIO) -> dict[str, Array]:
    """Read the older format; after the pickles each storage's size as a little-endian int64, and its numbers."""
    for expected in (MAGIC_NUMBER, PROTOCOL_VERSION):
        if _load(file)[1] != expected:
            raise Damage("it does not begin as PyTorch's older format does")
    _load(file)  # sizes of C types on the machine that wrote it
    unpickler, state = _load(file)
    numbers = {}
    for key in _load(file)[1]:
        storage = unpickler.storages[key]
        (size,) = struct.unpack("<q", file.read(8))
        if size != storage.size:
            raise Damage(f"a storage of {size} numbers where {storage.size} were announced")
        numbers[key] = _numbers(file.read(size * np.dtype(STORAGES[storage.kind]).itemsize), storage, "<")
    return _tensors(state, numbers)


def _load(file: BinaryIO) -> tuple[_TensorUnpickler, Any]:
    """Unpickle one object, and return what unpickled it too."""
    start = file.tell()
    for opcode, argument, _ in pickletools.genops(file):
        # Python makes room for as many objects as the largest number that one is remembered by.
        if opcode.name in ("PUT", "LONG_BINPUT") and (argument or 0) > file.tell():
            raise Damage("a pickle that remembers more objects than it holds")
    file.seek(start)
    unpickler = _TensorUnpickler(file)
    return unpickler, unpickler.load()


def _numbers(content: bytes, storage: _Storage, order: str) -> Array:
    """Return a storage's numbers, once they are all there."""
    dtype = np.dtype(order + STORAGES[storage.kind])
    if len(content) != storage.size * dtype.itemsize:
        raise Damage("it ends early")
    numbers = np.frombuffer(content, dtype).astype(dtype.newbyteorder("="), copy=False)
    return bfloat16_to_float32(numbers) if storage.kind == BFLOAT16 else numbers


def _tensors(state: object, numbers: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights of what was read, which may be a whole checkpoint."""
    nested = [state[name] for name in NESTED if name in state] if isinstance(state, dict) else []
    views = next((found for found in (state, *nested) if _is_named_views(found)), None)
    if views is None:
        raise Damage("it holds something other than tensors by name")
    prefix = PREFIX if all(name.startswith(PREFIX) for name in views) else ""
    return {name.removeprefix(prefix): view.array(numbers[view.storage.key]) for name, view in views.items()}


def _is_named_views(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and len(found) > 0
        and all(isinstance(name, str) and isinstance(view, _View) for name, view in found.items())
    )
