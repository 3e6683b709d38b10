"""Metadata in a `.tflite` file, as TensorFlow Lite's Task Library and MediaPipe's Tasks read them.

They find the names of the classes and how pixels are scaled in the file, and classify a picture in a line.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.run import LABELS, PREPROCESSING
from efficientnet_tf.runtimes.tflite_metadata import metadata_of, read_metadata
from efficientnet_tf.runtimes.tflite_tables import (
    METADATA_IDENTIFIER,
    METADATA_NAME,
    MODEL_IDENTIFIER,
    TABLES,
    Table,
    pack,
    pack_offsets,
)
from efficientnet_tf.specs import Preprocessing

__all__ = ["read_metadata", "with_metadata"]

PROBABILITIES = "probabilities"

#: The lowest and the highest value of a pixel and of a probability, by the number of the tensor's type in schema.fbs.
RANGES: dict[int, dict[str, tuple[float, float]]] = {
    0: {"image": (0, 255), PROBABILITIES: (0, 1)},  # float32
    3: {"image": (0, 255), PROBABILITIES: (0, 255)},  # uint8
    9: {"image": (-128, 127), PROBABILITIES: (-128, 127)},  # int8
}

# Numbers of metadata_schema.fbs.
RGB = 1
TENSOR_AXIS_LABELS = 2
#: The first parser of the schema, which knows all that is written here.
MIN_PARSER_VERSION = "1.0.0"

#: What the bytes of a picture are less, to be the integers of an input.
LESS = {3: 0, 9: 128}

#: What the tensors are called in Google's own networks, and in the code that Android Studio makes for them.
NAMES = {PROBABILITIES: "probability"}
DESCRIPTIONS = {
    "image": "RGB picture with pixels of 0 to 255; the network scales them itself.",
    PROBABILITIES: "Probability of each class.",
    "logits": "What the probabilities are made of.",
    "pooled_features": "What the classifier takes.",
}

#: TensorFlow Lite reads a network where it lies in memory; no value of it needs more.
ALIGNMENT = 16


def with_metadata(
    content: bytes,
    *,
    name: str,
    description: str,
    labels: Sequence[str],
    record: Preprocessing,
    outputs: Sequence[str] = (PROBABILITIES,),
    version: str = "1",
    author: str | None = None,
    licence: str | None = None,
) -> bytes:
    """Return a `.tflite` file with metadata, and labels.txt and preprocessing.json in a zip archive behind the network.

    Every byte of the network stays as it is, and the answers with it. A float32 network takes pixels of 0...255, so
    the normalisation written is none, mean 0 and deviation 1. A uint8 one takes the bytes, an int8 one the bytes less
    128; the normalisation is what its quantisation makes of these. The Task Library squeezes a whole photograph into
    the input; for the answers of `efficientnet-predict`, give it the crop of preprocessing.json.

    Args:
        content: of the file; with a signature from `image` to `outputs`.
        name: of the network.
        description: of it, in a line.
        labels: the names of the classes in the order of the outputs.
        record: how photographs become the input.
        outputs: the names that the signature must have.
        version: of the network.
        author: if known.
        licence: if known.

    Raises:
        UsageError: other outputs than these, another number of labels than classes, a label of several lines, or
            metadata that are there already.
        EfficientNetError: no TensorFlow Lite file.
    """
    model = Table.root(content, "Model", MODEL_IDENTIFIER)
    if metadata_of(model) is not None:
        raise UsageError("The TensorFlow Lite file has metadata already.")
    for label in labels:
        if "\n" in label:
            raise UsageError(f"A label must be one line, got {label!r}.")
    tensors = _tensors(model, outputs)
    _check_labels(tensors["outputs"], labels)
    values = {
        "name": name,
        "description": description,
        "version": version,
        "subgraph_metadata": [
            {
                "input_tensor_metadata": [_image(tensor) for tensor in tensors["inputs"].values()],
                "output_tensor_metadata": [_answer(key, tensor) for key, tensor in tensors["outputs"].items()],
            }
        ],
        **({} if author is None else {"author": author}),
        **({} if licence is None else {"license": licence}),
        "associated_files": [{"name": PREPROCESSING, "description": "How photographs become the input."}],
        "min_parser_version": MIN_PARSER_VERSION,
    }
    files = {LABELS: "".join(f"{label}\n" for label in labels), PREPROCESSING: json.dumps(record.to_json()) + "\n"}
    return _with_files(_with_buffer(model, _flatbuffer(values)), files)


def _tensors(model: Table, outputs: Sequence[str]) -> dict[str, dict[str, Table]]:
    """Return the tensors that go in and come out, by the names of the signature, in the order of the graph."""
    signatures, graphs = model["signature_defs"], model["subgraphs"]
    if len(signatures) != 1 or not graphs:
        raise UsageError(f"Metadata need a network with one signature, got {len(signatures)}.")
    found: dict[str, dict[str, Table]] = {}
    for side in ("inputs", "outputs"):
        names = {entry["tensor_index"]: entry["name"] for entry in signatures[0][side]}
        order = graphs[0][side]
        if sorted(names) != sorted(order):
            raise EfficientNetError(f"The signature of the TensorFlow Lite file has other {side} than its graph.")
        tensors = graphs[0]["tensors"]
        found[side] = {names[index]: tensors[index] for index in order}
    for side, expected in (("inputs", ["image"]), ("outputs", outputs)):
        if sorted(found[side]) != sorted(expected):
            received = ", ".join(found[side])
            raise UsageError(f"The TensorFlow Lite file must have the {side} {', '.join(expected)}, got {received}.")
    return found


def _check_labels(answers: Mapping[str, Table], labels: Sequence[str]) -> None:
    if PROBABILITIES in answers:
        classes = answers[PROBABILITIES]["shape"][-1]
        if classes != len(labels):
            raise UsageError(f"The TensorFlow Lite file has {classes} classes, got {len(labels)} labels.")


def _image(tensor: Table) -> dict[str, Any]:
    mean, deviation = _normalisation(tensor)
    return {
        "name": "image",
        "description": DESCRIPTIONS["image"],
        "content": {"content_properties": ("ImageProperties", {"color_space": RGB})},
        "process_units": [{"options": ("NormalizationOptions", {"mean": [mean], "std": [deviation]})}],
        **_stats("image", tensor),
    }


def _normalisation(tensor: Table) -> tuple[float, float]:
    """Return the mean and the deviation that make a pixel of 0...255 the number that an input stands for."""
    quantisation, less = tensor["quantization"], LESS.get(tensor["type"])
    if less is None or quantisation is None or not quantisation["scale"]:
        return 0.0, 1.0
    zero = quantisation["zero_point"][0] if quantisation["zero_point"] else 0
    return float(zero + less), 1.0 / quantisation["scale"][0]


def _answer(key: str, tensor: Table) -> dict[str, Any]:
    labels = {"name": LABELS, "description": "The names of the classes, one a line.", "type": TENSOR_AXIS_LABELS}
    return {
        "name": NAMES.get(key, key),
        "description": DESCRIPTIONS.get(key, "Feature map."),
        "content": {"content_properties": ("FeatureProperties", {})},
        **_stats(key, tensor),
        **({"associated_files": [labels]} if key == PROBABILITIES else {}),
    }


def _stats(key: str, tensor: Table) -> dict[str, Any]:
    limits = RANGES.get(tensor["type"], {}).get(key)
    return {} if limits is None else {"stats": {"max": [limits[1]], "min": [limits[0]]}}


def _flatbuffer(values: Mapping[str, Any]) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(pack(builder, "ModelMetadata", values), METADATA_IDENTIFIER)
    return bytes(builder.Output())


def _with_buffer(model: Table, metadata: bytes) -> bytes:
    """Return a `.tflite` file with one more buffer.

    The old file stays as it is, at the end of the new one; before it come a new outermost table and new lists of
    buffers and metadata, which point into it. A flatbuffer is written from its end, so the old one is written first.
    """
    content, fields = model.data, TABLES["Model"]
    if model.count() > len(fields):
        raise EfficientNetError("The TensorFlow Lite file is of a newer format than is known here.")
    if any(buffer["offset"] > 1 for buffer in model["buffers"]):
        raise EfficientNetError("The TensorFlow Lite file keeps its weights behind the network, which cannot be moved.")
    builder = flatbuffers.Builder(len(content) + len(metadata) + 4096)
    builder.CreateByteVector(content + bytes(-len(content) % ALIGNMENT))
    total = builder.Offset()
    # The length of the vector stands before it, in four bytes.
    start = total - 4

    builder.StartVector(1, len(metadata), ALIGNMENT)
    builder.head -= len(metadata)
    builder.Bytes[builder.head : builder.head + len(metadata)] = metadata
    data = builder.EndVector()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, data, 0)
    buffer = builder.EndObject()
    entry = pack(builder, "Metadata", {"name": METADATA_NAME, "buffer": len(model["buffers"])})
    replaced = {
        "buffers": pack_offsets(builder, [*(start - each.position for each in model["buffers"]), buffer]),
        "metadata": pack_offsets(builder, [*(start - each.position for each in model["metadata"]), entry]),
    }
    builder.StartObject(len(fields))
    for field, (slot, kind) in fields.items():
        target = model.target(slot) if kind != "uint32" else None
        if kind == "uint32":
            builder.PrependUint32Slot(slot, model[field], 0)
        elif field in replaced:
            builder.PrependUOffsetTRelativeSlot(slot, replaced[field], 0)
        elif target is not None:
            builder.PrependUOffsetTRelativeSlot(slot, start - target, 0)
    builder.Finish(builder.EndObject(), MODEL_IDENTIFIER)
    return bytes(builder.Output())


def _with_files(content: bytes, files: Mapping[str, str]) -> bytes:
    """Return a file with a zip archive behind it, whose entries are as they are: the Task Library unpacks none."""
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            # Always the same date, so that the same network makes the same file.
            archive.writestr(zipfile.ZipInfo(name), text)
    return stream.getvalue()
