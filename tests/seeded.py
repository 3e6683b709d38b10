"""Weights and inputs that two programs draw alike from nothing but names, with NumPy alone, and a file to carry them.

Another project's answers on these are kept in golden/; the weights are drawn anew wherever they are needed.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SCALES = ("running_var", "moving_variance", "gamma")
SHIFTS = ("running_mean", "moving_mean", "beta", "bias")
PATCHES = 8
DTYPES = {"<f8": "F64", "<f4": "F32", "<f2": "F16", "<i8": "I64", "<i4": "I32", "|u1": "U8"}


def seeded_tensor(name: str, shape: tuple[int, ...], gain: float = 2.0) -> Array:
    """Return the tensor of a name, float32: another name gives other values, the same name always the same.

    The last part of a name, after a dot or a slash, says what the tensor is:

    - variances, scales of batch normalisation (`gamma`, or a `weight` of one dimension): uniform in 0.5...1.5;
    - means, offsets and biases: normal, with standard deviation 0.2;
    - all others are kernels: normal, with variance gain / fan_in. The gain at which the signal neither dies away nor
      grows until rounding errors show depends on a network's depth and squeezes: 2 for B0, less for deeper ones.

    A `weight` has PyTorch's layout, [out, in / groups, height, width] or [out, in]; any other kernel TensorFlow's,
    [height, width, in, out], [height, width, channels, 1] or [in, out].
    """
    generator = _generator(name)
    *_, layer, last = ("", *name.replace("/", ".").split("."))
    if last in SCALES or (last == "weight" and len(shape) == 1):
        values = generator.uniform(0.5, 1.5, shape)
    elif last in SHIFTS:
        values = generator.normal(0, 0.2, shape)
    else:
        values = generator.normal(0, math.sqrt(gain / _fan_in(layer, last, shape)), shape)
    return values.astype(np.float32)


def _generator(name: str) -> np.random.RandomState:
    # The older generator, because NumPy promises that its numbers never change; golden files depend on them.
    return np.random.RandomState(zlib.crc32(name.encode()))


def _fan_in(layer: str, last: str, shape: tuple[int, ...]) -> float:
    """Return how many inputs make one output."""
    if len(shape) == 2 and "conv" in layer + last:
        # Kernels of experts, flat: [experts, size of a kernel]. As if as many channels entered as leave.
        return math.sqrt(shape[1])
    if last == "weight":
        return math.prod(shape[1:])
    return math.prod(shape[:2] if "depthwise" in last else shape[:-1])


def seeded_image(size: int, batch: int = 2) -> Array:
    """Return a batch of normalised pictures, [batch, size, size, 3], float32: patches of colour under noise."""
    generator = _generator(f"image {size} {batch}")
    patches = generator.normal(0, 1, (batch, PATCHES, PATCHES, 3))
    noise = generator.normal(0, 0.5, (batch, size, size, 3))
    places = np.arange(size) * PATCHES // size
    return (patches[:, places][:, :, places] + noise).astype(np.float32)


def write_safetensors(path: Path, tensors: Mapping[str, Array]) -> Path:
    """Write tensors as a `.safetensors` file: the length of the header in 8 bytes, the header as JSON, the data."""
    header, offset = {}, 0
    for name, array in tensors.items():
        begin, offset = offset, offset + array.nbytes
        header[name] = {"dtype": DTYPES[array.dtype.str], "shape": list(array.shape), "data_offsets": [begin, offset]}
    text = json.dumps(header).encode()
    # The format asks for data that begin at a multiple of 8, after spaces.
    text += b" " * (-len(text) % 8)
    content = b"".join(array.tobytes() for array in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)
    return path
