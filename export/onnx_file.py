"""ONNX files, for ONNX Runtime and whatever else reads them."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.exporting.constant_graph import constant_graph
from efficientnet_tf.exporting.outputs import INPUT, output_names
from efficientnet_tf.files import atomic_write_bytes
from efficientnet_tf.layers import CondDepthwiseConv2D
from efficientnet_tf.specs import Preprocessing

#: The version of ONNX' operations: that of ONNX 1.12 of 2022, which every runtime in use reads.
OPSET = 17

PRODUCER = "efficientnet_tf"
#: What the number of pictures is called where it is free.
BATCH = "N"

# TensorFlow puts a model's name before each of its layers', and a number behind both.
_SCOPE = re.compile(r"[^/]+/(?P<layer>[^/]+?)(_\d+)?/")


def write(
    model: keras.Model, path: Path, *, batch: int | None = None, labels: Sequence[str], record: Preprocessing
) -> Path:
    """Write an ONNX file with one input, `image`, and the network's outputs under their names.

    The input is float32 [N, height, width, 3], pixels of 0...255, as everywhere here; the network turns it into the
    order of ONNX, [N, 3, height, width], once, and inner maps back. Labels and record are in the file's metadata, as
    JSON under `labels` and `preprocessing`.

    Args:
        model: a deployed network.
        path: the file; it appears when it is complete.
        batch: how many pictures it takes at a time; None for any number.
        labels: names of the classes.
        record: how photographs become its input.

    Raises:
        MissingDependencyError: a package of the extra `onnx` is not installed.
        UsageError: a network with conditional convolutions, for any number of pictures.
        EfficientNetError: ONNX cannot represent the network.

    >>> import tempfile
    >>> image = keras.Input((8, 8, 3), name="image")
    >>> model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(image)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(model, Path(folder, "model.onnx"), labels=["cat", "dog"], record=Preprocessing((8, 8))).name
    'model.onnx'
    """
    if batch is None and any(isinstance(layer, CondDepthwiseConv2D) for layer in model.layers):
        # All pictures are the groups of one convolution, and in ONNX that number is part of the file.
        raise UsageError(f"As ONNX, {model.name} takes a fixed number of pictures. Give --batch, such as --batch=1.")
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise MissingDependencyError(
            f"{error.name} is not installed. Run: pip install 'efficientnet_tf[onnx]'"
        ) from error
    graph = constant_graph(model, batch)
    try:
        network = _converted(tf2onnx, graph, output_names(model))
        _without_idle_reshapes(onnx, network.graph)
        _with_names_of_layers(onnx, network.graph, [INPUT, *output_names(model)])
        _describe(network, model, metadata={"labels": list(labels), "preprocessing": record.to_json()})
        onnx.checker.check_model(network, full_check=True)
    # tf2onnx and onnx raise errors of many classes.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise EfficientNetError(f"ONNX cannot represent this network: {reason}") from error
    return atomic_write_bytes(path, network.SerializeToString(deterministic=True))


def _converted(tf2onnx: Any, graph_def: Any, outputs: Sequence[str]) -> Any:
    """Return TensorFlow's graph as a ModelProto."""
    with _silent("tf2onnx"), tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(graph_def, name="")
        converted = tf2onnx.tfonnx.process_tf_graph(
            graph,
            opset=OPSET,
            input_names=[f"{INPUT}:0"],
            output_names=[f"{name}:0" for name in outputs],
            tensors_to_rename={f"{name}:0": name for name in [INPUT, *outputs]},
        )
        return tf2onnx.optimizer.optimize_graph(converted).make_model(PRODUCER)


@contextlib.contextmanager
def _silent(name: str) -> Iterator[None]:
    """Keep a package from logging what it raises as well."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _without_idle_reshapes(onnx: Any, graph: Any) -> None:
    """Take out what gives a pooled map, [N, channels, 1, 1], the shape that it has, at once or by a detour.

    tf2onnx leaves some of them, and not the same ones each time.
    """
    shapes = _shapes(onnx, graph)
    # What each tensor is the same numbers as, in the same order.
    origin: dict[str, str] = {}
    replaced: dict[str, str] = {}
    outputs = {output.name for output in graph.output}
    for node in graph.node:
        if not _keeps_order(node, shapes):
            continue
        source, made = origin.get(node.input[0], node.input[0]), node.output[0]
        origin[made] = source
        found = shapes.get(source)
        # One free dimension stays one: all the others are the same.
        same = found is not None and found == shapes.get(made) and None not in found[1:]
        if same and made not in outputs:
            replaced[made] = source
    for node in graph.node:
        node.input[:] = [replaced.get(name, name) for name in node.input]
    while idle := [node for node in graph.node if not outputs.union(*(n.input for n in graph.node)) & {*node.output}]:
        for node in idle:
            graph.node.remove(node)
    _keep(graph.initializer, {name for node in graph.node for name in node.input})


def _keeps_order(node: Any, shapes: dict[str, list[int | None]]) -> bool:
    """Return whether an operation changes the shape alone: a transposition may, where it moves sizes of 1."""
    if node.op_type != "Transpose":
        return bool(node.op_type == "Reshape")
    shape, permutation = shapes.get(node.input[0]), next((list(a.ints) for a in node.attribute), None)
    if shape is None or permutation is None:
        return False
    longer = [axis for axis in permutation if shape[axis] != 1]
    return longer == sorted(longer)


def _shapes(onnx: Any, graph: Any) -> dict[str, list[int | None]]:
    inferred = onnx.shape_inference.infer_shapes(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)]), data_prop=True
    ).graph
    return {
        value.name: [size.dim_value or None for size in value.type.tensor_type.shape.dim]
        for value in [*inferred.value_info, *inferred.input]
    }


def _keep(tensors: Any, names: Iterable[str]) -> None:
    for tensor in [tensor for tensor in tensors if tensor.name not in names]:
        tensors.remove(tensor)


def _with_names_of_layers(onnx: Any, graph: Any, kept: Sequence[str]) -> None:
    """Name operations, maps and weights after the network's layers: stem_conv/Conv, stem_conv/W."""
    weights = {tensor.name for tensor in graph.initializer}
    names = {name: name for name in kept}
    taken = set(kept)

    def rename(old: str, wanted: str) -> str:
        if old not in names:
            tries = itertools.chain([wanted], (f"{wanted}_{number}" for number in itertools.count(2)))
            names[old] = next(name for name in tries if name not in taken)
            taken.add(names[old])
        return names[old]

    for node in graph.node:
        # A convolution that took in its bias is told by the bias alone.
        told = filter(None, map(_SCOPE.match, [*node.output, *(name for name in node.input if name in weights)]))
        layer = next((match["layer"] for match in told), "network")
        formal = onnx.defs.get_schema(node.op_type, OPSET).inputs
        for place, name in enumerate(node.input):
            if name in weights:
                node.input[place] = rename(name, f"{layer}/{formal[min(place, len(formal) - 1)].name}")
            else:
                node.input[place] = names[name]
        for place, name in enumerate(node.output):
            node.output[place] = rename(name, f"{layer}/{node.op_type}")
        node.name = f"{node.output[0]}/{node.op_type}" if node.output[0] in kept else node.output[0]
    for tensor in [*graph.initializer, *graph.value_info]:
        tensor.name = names[tensor.name]
    # In the order of their use, so that the same network gives the same file.
    order = {name: place for place, name in enumerate(names.values())}
    graph.initializer.sort(key=lambda tensor: order[tensor.name])


def _describe(network: Any, model: keras.Model, *, metadata: dict[str, Any]) -> None:
    network.producer_name, network.producer_version = PRODUCER, ""
    for domain in [domain for domain in network.opset_import if domain.domain]:
        network.opset_import.remove(domain)
    network.graph.name = model.name
    shape = ", ".join(map(str, (BATCH, *model.input_shape[1:])))
    network.doc_string = f"{model.name}: {INPUT}, RGB float32 [{shape}] of 0...255, to {', '.join(output_names(model))}"
    network.graph.doc_string = ""
    for value in [*network.graph.input, *network.graph.output]:
        free = value.type.tensor_type.shape.dim[0]
        if not free.HasField("dim_value"):
            free.dim_param = BATCH
    for key, content in metadata.items():
        network.metadata_props.add(key=key, value=json.dumps(content, ensure_ascii=False))
