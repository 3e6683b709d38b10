"""TensorFlow.js graph models: `model.json`, with the graph, and shards of weights beside it.

The format is that of TensorFlow.js' own converter, written without it: see `write`. In a page:

    const model = await tf.loadGraphModel("tfjs/model.json");
    const pixels = tf.browser.fromPixels(canvas).toFloat().expandDims();   // 0...255, the model's size
    const probabilities = model.predict({image: pixels});
    const labels = model.metadata.labels;
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.framework import graph_pb2

from efficientnet_tf.errors import EfficientNetError, unknown_name
from efficientnet_tf.exporting.tfjs_graph import INPUT, OUTPUT, InferenceGraph, inference_graph
from efficientnet_tf.files import atomic_directory

#: Bytes of one shard. Small, so that a browser fetches several at once and keeps them in its cache.
SHARD_BYTES = 4 * 1024 * 1024

#: Weights with fewer elements, and all with one dimension (biases), stay float32 under every quantisation:
#: they are a thousandth of the bytes and matter more than their size.
SMALLEST_QUANTIZED = 1024

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

Quantized = tuple[np.ndarray, dict[str, Any]]


def _keep(values: np.ndarray) -> Quantized | None:
    return None


def _to_float16(values: np.ndarray) -> Quantized | None:
    if values.size and np.abs(values).max() > np.finfo(np.float16).max:
        return None
    return values.astype("<f2"), {"dtype": "float16", "original_dtype": "float32"}


#: How a weight is stored: the stored array with the `quantization` entry of its manifest, or None where the
#: weight stays as it is. TensorFlow.js turns it back into float32 once, when it loads the model.
QUANTIZERS: dict[str, Callable[[np.ndarray], Quantized | None]] = {
    "none": _keep,
    "float16": _to_float16,
}


def write(
    model: keras.Model,
    directory: str | os.PathLike[str],
    *,
    quantize: str = "none",
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Write a Keras model as a TensorFlow.js graph model.

    Args:
        model: functional, batch normalisation folded; one input `image`, float32 [N, height, width, 3],
            RGB 0...255; one output, float32 [N, classes].
        directory: the folder to write; it appears when it is complete and then replaces an older one.
        quantize: `none`, or `float16`, which halves the download and leaves the computation in float32.
        metadata: JSON values, such as `labels` and `preprocessing`; `model.metadata` in JavaScript.

    Returns:
        The folder, with `model.json` and `group1-shard1of1.bin` ...; the model's signature has the
        input `image` and the output `probabilities`, and takes any number of images.

    Raises:
        UsageError: an unknown `quantize`, or a model with another interface.
        EfficientNetError: an operation that TensorFlow.js lacks.
        OSError: the folder cannot be written; nothing is left behind.

    Source: the graph model format of TensorFlow.js 4.22 (tfjs-converter, `write_weights` and `io/types`).

    >>> import tempfile
    >>> image = keras.Input((8, 8, 3), name="image")
    >>> model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(file.name for file in write(model, f"{folder}/tfjs").iterdir())
    ['group1-shard1of1.bin', 'model.json']
    """
    if quantize not in QUANTIZERS:
        raise unknown_name("quantize", quantize, QUANTIZERS)
    inference = inference_graph(model)
    entries, data = encode_weights(inference.graph, quantize)
    shards = list(_shards(data))
    names = [f"group1-shard{number}of{len(shards)}.bin" for number in range(1, len(shards) + 1)]
    document = {
        "format": "graph-model",
        "generatedBy": tf.__version__,
        "convertedBy": "efficientnet_tf",
        "modelTopology": topology(inference.graph),
        "signature": _signature(inference),
        "userDefinedMetadata": dict(metadata or {}),
        "weightsManifest": [{"paths": names, "weights": entries}],
    }
    # Strict JSON: JavaScript reads neither NaN nor Infinity.
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    with atomic_directory(directory) as folder:
        for name, shard in zip(names, shards, strict=True):
            (folder / name).write_bytes(shard)
        (folder / "model.json").write_text(text, encoding="utf-8")
    return Path(directory)


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


def topology(graph: graph_pb2.GraphDef) -> dict[str, Any]:
    """Return a graph in protobuf's JSON form, its constants without their values."""
    bare = graph_pb2.GraphDef()
    bare.CopyFrom(graph)
    for node in bare.node:
        if node.op == "Const":
            tensor = node.attr["value"].tensor
            shape, dtype = tensor.tensor_shape, tensor.dtype
            node.attr["value"].tensor.CopyFrom(type(tensor)(dtype=dtype, tensor_shape=shape))
    document = json_format.MessageToDict(bare)
    for node in document.get("node", ()):
        # A protobuf map has no order of its own; the same model is to give the same file.
        node["attr"] = dict(sorted(node.get("attr", {}).items()))
    # The loader reads `versions` and `library` even where they are empty.
    return {"library": {}, "versions": {}, **document}


def _stored(name: str, values: np.ndarray) -> tuple[str, np.ndarray]:
    if values.dtype.name not in DTYPES:
        raise EfficientNetError(
            f"TensorFlow.js stores no {values.dtype.name} (constant {name}). Allowed: {', '.join(DTYPES)}."
        )
    dtype, storage = DTYPES[values.dtype.name]
    if dtype == "int32" and values.size and np.abs(values.astype(np.float64)).max() > np.iinfo(np.int32).max:
        raise EfficientNetError(f"TensorFlow.js has int32 alone, and the constant {name} does not fit.")
    return dtype, values.astype(storage)


def _shards(data: bytes) -> Iterable[bytes]:
    # A weight may begin in one shard and end in the next; at least one, since the loader expects it.
    for start in range(0, max(len(data), 1), SHARD_BYTES):
        yield data[start : start + SHARD_BYTES]


def _signature(inference: InferenceGraph) -> dict[str, Any]:
    def tensor(name: str, shape: tuple[int | None, ...]) -> dict[str, Any]:
        sizes = [{"size": str(-1 if size is None else size)} for size in shape]
        return {name: {"name": f"{name}:0", "dtype": "DT_FLOAT", "tensorShape": {"dim": sizes}}}

    return {"inputs": tensor(INPUT, inference.input_shape), "outputs": tensor(OUTPUT, inference.output_shape)}
