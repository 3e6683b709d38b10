"""Read the tensors of a PyTorch weight file of the older format, and nothing else.

Such a file is a chain of pickles followed by raw numbers. A pickle can run any code while it is
read; this reader therefore knows a handful of names, all of them harmless, and refuses every other.
"""

from __future__ import annotations

import collections
import dataclasses
import io
import math
import pickle
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from efficientnet_tf.errors import EfficientNetError

# What torch.save writes first (torch/serialization.py, the legacy format).
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
STORAGES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
}


@dataclasses.dataclass
class _Storage:
    """A flat run of numbers that tensors are views of; its numbers come after the pickles."""

    dtype: np.dtype[Any]
    size: int
    data: np.ndarray[Any, Any] | None = None


@dataclasses.dataclass(frozen=True)
class _View:
    """A tensor: a shape over a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> np.ndarray[Any, Any]:
        """Return the tensor's own numbers, whatever their order in the storage."""
        data = self.storage.data
        last = self.offset + sum((side - 1) * step for side, step in zip(self.shape, self.stride, strict=True))
        if data is None or math.prod(self.shape) > data.size or (0 not in self.shape and last >= data.size):
            raise pickle.UnpicklingError(f"a tensor of shape {self.shape} does not fit its storage")
        if 0 in self.shape:
            return np.zeros(self.shape, data.dtype)
        strides = [step * data.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(data[self.offset :], self.shape, strides, writeable=False).copy()


def _rebuild_tensor(storage: object, offset: object, shape: object, stride: object, *_: object) -> _View:
    """Stand in for torch._utils._rebuild_tensor_v2."""
    if (
        not isinstance(storage, _Storage)
        or not isinstance(shape, tuple)
        or not isinstance(stride, tuple)
        or len(shape) != len(stride)
        or not all(isinstance(number, int) and number >= 0 for number in (offset, *shape, *stride))
    ):
        raise pickle.UnpicklingError("a tensor that is not described by numbers")
    return _View(storage, offset, shape, stride)


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
            return _rebuild_tensor
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is not a tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        """Return the storage that a tensor refers to: ('storage', type, key, device, size, view)."""
        match pid:
            case ("storage", np.dtype() as dtype, str() as key, str(), int() as size, None) if size >= 0:
                return self.storages.setdefault(key, _Storage(dtype, size))
        raise pickle.UnpicklingError("it refers to something that is not a tensor's storage")


def read_tensors(path: str | Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the tensors of a `.pth` file by name, in the file's order and PyTorch's layout.

    Args:
        path: a state dictionary in the format of PyTorch before 1.6. PyTorch itself is not needed.

    Raises:
        EfficientNetError: the file is damaged, of another format, or holds anything but tensors.
    """
    content = Path(path).read_bytes()
    try:
        return _read(io.BytesIO(content), len(content))
    except (
        pickle.UnpicklingError,
        EOFError,
        struct.error,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
    ) as error:
        raise EfficientNetError(f"{path} is not a weight file that can be read: {error}.") from error


def _read(file: BinaryIO, length: int) -> dict[str, np.ndarray[Any, Any]]:
    for expected in (MAGIC_NUMBER, PROTOCOL_VERSION):
        if _load(file) != expected:
            raise pickle.UnpicklingError("it does not begin as PyTorch's older format does")
    _load(file)  # sizes of C types on the machine that wrote it
    unpickler = _TensorUnpickler(file)
    tensors = unpickler.load()
    for key in _load(file):
        _fill(file, unpickler.storages[key], length)
    if not isinstance(tensors, dict) or not all(isinstance(view, _View) for view in tensors.values()):
        raise pickle.UnpicklingError("it holds something other than tensors by name")
    return {name: view.array() for name, view in tensors.items()}


def _load(file: BinaryIO) -> Any:
    return _TensorUnpickler(file).load()


def _fill(file: BinaryIO, storage: _Storage, length: int) -> None:
    """Read a storage's numbers: their count as a little-endian int64, then the numbers."""
    (size,) = struct.unpack("<q", file.read(8))
    nbytes = storage.size * storage.dtype.itemsize
    if size != storage.size or nbytes > length:
        raise pickle.UnpicklingError(f"a storage of {size} numbers where {storage.size} were announced")
    storage.data = np.frombuffer(file.read(nbytes), storage.dtype)
    if storage.data.size != size:
        raise pickle.UnpicklingError("it ends early")
