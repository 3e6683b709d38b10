"""From a Keras model to the graph that TensorFlow.js runs: constant, optimised, fused and checked.

The fusing of a convolution with its bias and activation is done here and not by `remap` of TensorFlow's own optimiser,
which fuses for the machine that it runs on: with oneDNN it emits `_MklSwish`, which TensorFlow.js lacks.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Sequence

import keras
from tensorflow.core.framework import graph_pb2, node_def_pb2

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.exporting.constant_graph import constant_graph
from efficientnet_tf.exporting.outputs import INPUT, output_names, output_tensors
from efficientnet_tf.exporting.tfjs_ops import OPS, OPS_WITH_A_BODY

#: What is fused with its bias, and the name under which TensorFlow.js knows the result.
FUSED_NAMES = {
    "Conv2D": "_FusedConv2D",
    "DepthwiseConv2dNative": "FusedDepthwiseConv2dNative",
    "MatMul": "_FusedMatMul",
}
BIAS_OPS = frozenset({"Add", "AddV2", "BiasAdd"})
#: What TensorFlow.js computes within a fused operation. SiLU is not among them: it stays Sigmoid and Mul.
ACTIVATIONS = frozenset({"Elu", "Relu", "Relu6", "Sigmoid"})


Shape = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class InferenceGraph:
    """A graph for TensorFlow.js, and the shapes of its input and its outputs.

    Attributes:
        graph: every operation is one that TensorFlow.js knows; its input is the node `image`, its outputs
            are the nodes of their names.
        input_shape: (N, height, width, 3); N is None where it takes any number of images.
        output_shapes: by name, such as {"probabilities": (N, classes)}, in the order of the model.
    """

    graph: graph_pb2.GraphDef
    input_shape: Shape
    output_shapes: dict[str, Shape]


def inference_graph(model: keras.Model, *, batch: int | None = None) -> InferenceGraph:
    """Return the graph of a model's inference with its weights as constants.

    Args:
        model: one input named `image`, float32 [N, height, width, 3]; one output [N, classes], or a dictionary.
        batch: the number of images, if it is always the same.

    Raises:
        UsageError: another number of inputs, another name of the input, or several outputs without names.
        EfficientNetError: an operation that TensorFlow.js lacks; the message names it.
    """
    _check_interface(model)
    graph = fuse(constant_graph(model, batch), output_names(model))
    check_operations(graph)
    shapes = {name: (batch, *tensor.shape[1:]) for name, tensor in output_tensors(model).items()}
    return InferenceGraph(graph, (batch, *model.inputs[0].shape[1:]), shapes)


def fuse(graph: graph_pb2.GraphDef, outputs: Sequence[str]) -> graph_pb2.GraphDef:
    """Return a graph in which convolutions and matrix products carry their bias and activation.

    A bias is a constant of one dimension, as long as the product has channels. Anything else that is
    added, the other branch of a residual block above all, stays an addition. What another node or
    `outputs` also read stays as it is.
    """
    links = _Links.of(graph, outputs)
    replacements: dict[str, node_def_pb2.NodeDef] = {}
    dropped: set[str] = set()
    for node in graph.node:
        if node.op not in FUSED_NAMES:
            continue
        chain = _fusible_chain(links, node)
        if chain:
            replacements[chain[-1].name] = _fused_node(chain, _bias_name(links, node, chain[1]))
            dropped.update(link.name for link in chain[:-1])
    fused = graph_pb2.GraphDef(versions=graph.versions)
    fused.node.extend(replacements.get(node.name, node) for node in graph.node if node.name not in dropped)
    return fused


def check_operations(graph: graph_pb2.GraphDef) -> None:
    """Check that TensorFlow.js can run every operation of a graph.

    Raises:
        EfficientNetError: names each operation that it cannot, with the first node that has it.
    """
    missing: dict[str, str] = {}
    for node in graph.node:
        if node.op not in OPS or node.op in OPS_WITH_A_BODY:
            missing.setdefault(node.op, node.name)
    if missing:
        found = ", ".join(f"{op} (node {name})" for op, name in sorted(missing.items()))
        raise EfficientNetError(f"TensorFlow.js cannot run these operations of the model: {found}.")


def _check_interface(model: keras.Model) -> None:
    inputs = [f"{tensor.name} {tensor.dtype}{list(tensor.shape)}" for tensor in model.inputs]
    first = model.inputs[0]
    is_images = len(first.shape) == 4 and None not in first.shape[1:] and first.dtype == "float32"
    if len(inputs) != 1 or first.name != INPUT or not is_images:
        raise UsageError(
            f"A TensorFlow.js export takes a model with one input, {INPUT} float32[None, height, width, 3], "
            f"got {', '.join(inputs)}."
        )
    if len(model.outputs) != len(output_names(model)):
        raise UsageError(
            f"A TensorFlow.js export takes a model with one output or a dictionary of them, "
            f"got {len(model.outputs)} without names."
        )


@dataclasses.dataclass(frozen=True)
class _Links:
    nodes: dict[str, node_def_pb2.NodeDef]
    readers: dict[str, list[node_def_pb2.NodeDef]]
    outputs: frozenset[str]

    @classmethod
    def of(cls, graph: graph_pb2.GraphDef, outputs: Iterable[str]) -> _Links:
        readers = collections.defaultdict(list)
        for node in graph.node:
            for name in node.input:
                readers[_node_name(name)].append(node)
        return cls({node.name: node for node in graph.node}, readers, frozenset(outputs))

    def only_reader(self, node: node_def_pb2.NodeDef) -> node_def_pb2.NodeDef | None:
        readers = self.readers.get(node.name, [])
        return readers[0] if len(readers) == 1 and node.name not in self.outputs else None

    def constant_shape(self, name: str) -> list[int] | None:
        node = self.nodes.get(_node_name(name))
        if node is None or node.op != "Const":
            return None
        return [dimension.size for dimension in node.attr["value"].tensor.tensor_shape.dim]


def _node_name(reference: str) -> str:
    return reference.removeprefix("^").split(":")[0]


def _fusible_chain(links: _Links, product: node_def_pb2.NodeDef) -> list[node_def_pb2.NodeDef]:
    """Return [product, bias] or [product, bias, activation], or nothing where there is no bias."""
    addition = links.only_reader(product)
    if addition is None or not _bias_name(links, product, addition):
        return []
    activation = links.only_reader(addition)
    fits = activation is not None and activation.op in ACTIVATIONS
    chain = [product, addition, activation] if fits else [product, addition]
    return [] if any(name.startswith("^") for node in chain for name in node.input) else chain


def _bias_name(links: _Links, product: node_def_pb2.NodeDef, addition: node_def_pb2.NodeDef) -> str | None:
    """Return the name of the constant that `addition` adds to `product`, if it is a bias."""
    channels = _channels(links, product)
    if addition.op not in BIAS_OPS or channels is None:
        return None
    others = [name for name in addition.input if _node_name(name) != product.name]
    return others[0] if len(others) == 1 and links.constant_shape(others[0]) == [channels] else None


def _channels(links: _Links, product: node_def_pb2.NodeDef) -> int | None:
    shape = links.constant_shape(product.input[1])
    if shape is None:
        return None
    if product.op == "DepthwiseConv2dNative":
        return shape[2] * shape[3]
    return shape[0] if product.op == "MatMul" and product.attr["transpose_b"].b else shape[-1]


def _fused_node(chain: Sequence[node_def_pb2.NodeDef], bias: str | None) -> node_def_pb2.NodeDef:
    product = chain[0]
    # Named after the end of the chain, so that its readers need no change.
    fused = node_def_pb2.NodeDef(name=chain[-1].name, op=FUSED_NAMES[product.op])
    fused.input.extend([*product.input, str(bias)])
    for key, value in product.attr.items():
        fused.attr[key].CopyFrom(value)
    fused.attr["num_args"].i = 1
    activations = [node.op.encode() for node in chain[2:]]
    fused.attr["fused_ops"].list.s.extend([b"BiasAdd", *activations])
    return fused
