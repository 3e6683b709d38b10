"""The weights of a TensorFlow.js graph model: their bytes, and the list that says how to read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2

from efficientnet_tf.errors import EfficientNetError

#: Weights with fewer elements, and all with one dimension (biases), stay float32 under every quantisation:
#: they are a thousandth of the bytes and matter more than their size.
SMALLEST_QUANTIZED = 1024

#: The largest value of an unsigned byte.
LEVELS = 255

#: Under `uint8`, weights with fewer elements, and all depthwise kernels, take two bytes each: a tenth more to
#: download, and on Lite0 with its ImageNet weights a tenth of the loss (a Kullback-Leibler divergence of 0.006
#: from Keras' answers to the bundled photographs instead of 0.068).
SMALLEST_UINT8 = 60_000

#: numpy kind and size of a constant -> what the manifest calls it and how its bytes are written.
#: TensorFlow.js has one type each for floating point and integers.
DTYPES: dict[str, tuple[str, str]] = {
    "float16": ("float32", "<f4"),
    "float32": ("float32", "<f4"),
    "float64": ("float32", "<f4"),
    "int32": ("int32", "<i4"),
    "int64": ("int32", "<i4"),
    "bool": ("bool", "|b1"),
}

Array = np.ndarray[Any, Any]
Quantized = tuple[Array, dict[str, Any]]


def _keep(values: Array) -> Quantized | None:
    return None


def _to_float16(values: Array) -> Quantized | None:
    if values.size and np.abs(values).max() > np.finfo(np.float16).max:
        return None
    return values.astype("<f2"), {"dtype": "float16", "original_dtype": "float32"}


def _to_uint8(values: Array) -> Quantized | None:
    depthwise = values.ndim == 4 and values.shape[-1] == 1
    return _to_float16(values) if depthwise or values.size < SMALLEST_UINT8 else affine(values)


#: How a weight is stored: the stored array with the `quantization` entry of its manifest, or None where the
#: weight stays as it is. TensorFlow.js turns it back into float32 once, when it loads the model.
QUANTIZERS: dict[str, Callable[[Array], Quantized | None]] = {
    "none": _keep,
    "float16": _to_float16,
    "uint8": _to_uint8,
}


def affine(values: Array) -> Quantized:
    """Return values as bytes, with the `min` and the `scale` by which they become values again: q * scale + min.

    Zero stays zero where it lies between the smallest and the largest value; nothing is off by more than half a
    step, or a whole one at the ends, to which zero's own place may move the range.

    Source: `quantization.py` of TensorFlow.js' converter 4.22.

    >>> stored, entry = affine(np.array([-0.5, 0.0, 1.0], np.float32))
    >>> stored.tolist(), round(entry["scale"] * 255, 4)
    ([0, 85, 255], 1.5)
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        stored, scale = np.zeros(values.shape, np.uint8), 1.0
    else:
        scale = (high - low) / LEVELS
        if low <= 0.0 <= high:
            low = -round(-low / scale) * scale
        steps = np.round((values.astype(np.float64) - low) / scale)
        stored = np.clip(steps, 0, LEVELS).astype(np.uint8)
    return stored, {"dtype": "uint8", "min": low, "scale": scale, "original_dtype": "float32"}


def encode_weights(graph: graph_pb2.GraphDef, quantize: str) -> tuple[list[dict[str, Any]], bytes]:
    """Return the manifest entries of a graph's constants and their bytes, one after the other, unpadded.

    Little-endian, in C order; an entry has `name`, `shape`, `dtype` and, where it applies, `quantization`.
    """
    entries: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for node in graph.node:
        if node.op != "Const":
            continue
        dtype, values = _stored(node.name, tf.make_ndarray(node.attr["value"].tensor))
        entry: dict[str, Any] = {"name": node.name, "shape": list(values.shape), "dtype": dtype}
        if dtype == "float32" and values.ndim > 1 and values.size >= SMALLEST_QUANTIZED:
            quantized = QUANTIZERS[quantize](values)
            if quantized is not None:
                values, entry["quantization"] = quantized
        entries.append(entry)
        parts.append(values.tobytes())
    return entries, b"".join(parts)


def _stored(name: str, values: Array) -> tuple[str, Array]:
    if values.dtype.name not in DTYPES:
        raise EfficientNetError(
            f"TensorFlow.js stores no {values.dtype.name} (constant {name}). Allowed: {', '.join(DTYPES)}."
        )
    dtype, storage = DTYPES[values.dtype.name]
    if dtype == "int32" and values.size and np.abs(values.astype(np.float64)).max() > np.iinfo(np.int32).max:
        raise EfficientNetError(f"TensorFlow.js has int32 alone, and the constant {name} does not fit.")
    return dtype, values.astype(storage)
