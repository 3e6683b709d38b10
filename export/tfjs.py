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
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.framework import graph_pb2

from efficientnet_tf.errors import unknown_name
from efficientnet_tf.exporting.outputs import INPUT
from efficientnet_tf.exporting.tfjs_graph import InferenceGraph, Shape, inference_graph
from efficientnet_tf.exporting.tfjs_weights import QUANTIZERS, encode_weights
from efficientnet_tf.files import atomic_directory

#: Bytes of one shard. Small, so that a browser fetches several at once and keeps them in its cache.
SHARD_BYTES = 4 * 1024 * 1024


def write(
    model: keras.Model,
    directory: str | os.PathLike[str],
    *,
    quantize: str = "none",
    metadata: Mapping[str, Any] | None = None,
    batch: int | None = None,
) -> Path:
    """Write a Keras model as a TensorFlow.js graph model.

    Args:
        model: functional, batch normalisation folded; one input `image`, float32 [N, height, width, 3],
            RGB 0...255; one output, probabilities, float32 [N, classes], or a dictionary of outputs.
        directory: the folder to write; it appears when it is complete and then replaces an older one.
        quantize: `none`; `float16`, which halves the download, or `uint8`, which makes it little more than a
            quarter. Both leave the computation in float32.
        metadata: JSON values, such as `labels` and `preprocessing`; `model.metadata` in JavaScript.
        batch: the number of images, if it is always the same.

    Returns:
        The folder, with `model.json` and `group1-shard1of1.bin` ...; the model's signature has the input `image`
        and the outputs by their names. In JavaScript `predict` returns a tensor, and of a dictionary a dictionary.

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
    inference = inference_graph(model, batch=batch)
    entries, data = encode_weights(inference.graph, quantize)
    shards = list(_shards(data))
    names = [f"group1-shard{number}of{len(shards)}.bin" for number in range(1, len(shards) + 1)]
    document = {
        "format": "graph-model",
        "generatedBy": tf.__version__,
        "convertedBy": "efficientnet_tf",
        "modelTopology": topology(inference.graph),
        "signature": _signature(inference),
        "userDefinedMetadata": {**(metadata or {}), **_structure(model)},
        "weightsManifest": [{"paths": names, "weights": entries}],
    }
    # Strict JSON: JavaScript reads neither NaN nor Infinity.
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    with atomic_directory(directory) as folder:
        for name, shard in zip(names, shards, strict=True):
            (folder / name).write_bytes(shard)
        (folder / "model.json").write_text(text, encoding="utf-8")
    return Path(directory)


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


def _shards(data: bytes) -> Iterable[bytes]:
    # A weight may begin in one shard and end in the next; at least one, since the loader expects it.
    for start in range(0, max(len(data), 1), SHARD_BYTES):
        yield data[start : start + SHARD_BYTES]


def _structure(model: keras.Model) -> dict[str, Any]:
    """Return by what TensorFlow.js gives several outputs their names: in the order of the signature."""
    return {"structuredOutputKeys": list(model.output)} if isinstance(model.output, Mapping) else {}


def _signature(inference: InferenceGraph) -> dict[str, Any]:
    def tensor(name: str, shape: Shape) -> dict[str, Any]:
        sizes = [{"size": str(-1 if size is None else size)} for size in shape]
        return {"name": f"{name}:0", "dtype": "DT_FLOAT", "tensorShape": {"dim": sizes}}

    return {
        "inputs": {INPUT: tensor(INPUT, inference.input_shape)},
        "outputs": {name: tensor(name, shape) for name, shape in inference.output_shapes.items()},
    }
