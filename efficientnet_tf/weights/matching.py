"""From named tensors to the weights of each layer, and from those into a model; every name is matched both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.model import CLASSIFIER
from efficientnet_tf.specs import ExpandedBlock, Spec
from efficientnet_tf.weights.naming import Naming, layer_names

Array = np.ndarray[Any, Any]
LayerWeights = dict[str, list[Array]]

# What trainers keep beside the weights.
COUNTERS = ("num_batches_tracked",)
NAMED = 5


def match(spec: Spec, tensors: Mapping[str, Array], naming: Naming, *, where: str) -> LayerWeights:
    """Return the weights of every layer by its name, in Keras' order and layout.

    Args:
        spec: the architecture that the tensors are of.
        tensors: as the file names and lays them out.
        naming: whose names they are.
        where: the file, for messages.

    Returns:
        Without the classifier where the file has none.

    Raises:
        EfficientNetError: tensors are missing or left over, or there are no such blocks in that project.
    """
    weights: LayerWeights = {}
    used: set[str] = set()
    missing = []
    blocks = {block.name: block for block in spec.expand()}
    for layer, prefix in _names(spec, naming, where):
        block = next((block for name, block in blocks.items() if layer.startswith(name)), None)
        kind = _kind(spec, layer, block)
        names = [f"{prefix}{naming.separator}{variable}" for variable in _variables(naming, layer, kind)]
        absent = [name for name in names if name not in tensors]
        if layer == CLASSIFIER and len(absent) == len(names):
            continue
        missing += absent
        used.update(names)
        if not absent:
            arrays = [tensors[name] for name in names]
            weights[layer] = [_to_keras(array, layer, kind, block) for array in arrays] if naming.torch else arrays
    left = [name for name in tensors if name not in used and not name.endswith(COUNTERS)]
    if missing or left:
        pairs = (("missing", missing), ("left over", left))
        problems = [f"{len(names)} tensors are {what} ({_some(names)})" for what, names in pairs if names]
        raise EfficientNetError(f"{where} does not hold {spec.name!r}: {'; '.join(problems)}.")
    return weights


def _names(spec: Spec, naming: Naming, where: str) -> Iterator[tuple[str, str]]:
    try:
        yield from layer_names(spec, naming)
    except KeyError as error:
        raise EfficientNetError(f"{where} does not hold {spec.name!r}: its project has no {error} blocks.") from None


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


def _kind(spec: Spec, layer: str, block: ExpandedBlock | None) -> str:
    """Return the kind of a layer, a key of `Naming.variables`; `block` is the one that it is in."""
    if layer.endswith("bn"):
        return "bn"
    part = layer.removeprefix(block.name) if block else layer
    is_depthwise = part == spec.depthwise_name
    if block is not None and block.row.experts and (is_depthwise or part in ("expand_conv", "project_conv")):
        return "depthwise_experts" if is_depthwise else "experts"
    return "depthwise" if is_depthwise else "kernel"


def _variables(naming: Naming, layer: str, kind: str) -> tuple[str, ...]:
    has_bias = layer == CLASSIFIER or layer.endswith(("se_reduce", "se_expand", "routing"))
    return naming.variables[kind] if kind != "kernel" or has_bias else naming.variables[kind][:1]


def _to_keras(array: Array, layer: str, kind: str, block: ExpandedBlock | None) -> Array:
    """Return PyTorch's tensor in Keras' layout: kernels [height, width, in, out], depthwise [h, w, channels, 1]."""
    if array.ndim == 4:
        # PyTorch: [out, in, height, width], and depthwise [channels, 1, height, width].
        return array.transpose(2, 3, 0, 1) if kind == "depthwise" else array.transpose(2, 3, 1, 0)
    if block is not None and kind.endswith("experts"):
        return _experts_to_keras(array, layer, kind, block)
    return array.T


def _experts_to_keras(array: Array, layer: str, kind: str, block: ExpandedBlock) -> Array:
    """Return kernels of experts, flat in both projects, in the other order."""
    inner = block.filters_expanded
    if kind == "depthwise_experts":
        side = block.kernel_size
        return array.reshape(-1, inner, 1, side, side).transpose(0, 3, 4, 1, 2).reshape(len(array), -1)
    out, entering = (inner, block.filters_in) if layer.endswith("expand_conv") else (block.filters_out, inner)
    return array.reshape(-1, out, entering).transpose(0, 2, 1).reshape(len(array), -1)


def assign(model: keras.Model, weights: Mapping[str, list[Array]], *, skip: frozenset[str] = frozenset()) -> None:
    """Copy weights into a model's layers by name.

    A first convolution for grey pictures gets the sum of its three kernels, which answers as for three equal
    channels; one for four channels starts with zeros for the fourth.

    Args:
        model: the model to change.
        weights: arrays of every layer by its name.
        skip: layers of the model that keep the weights they have, such as a new classifier.

    Raises:
        EfficientNetError: a layer of the model has no weights here, or arrays of other shapes, or there are
            weights for a layer that the model has not.
    """
    # A network may be built without its classifier; weights for that are left over rightly.
    names = {layer.name for layer in model.layers} | {CLASSIFIER}
    strangers = [name for name in weights if name not in names]
    if strangers:
        raise EfficientNetError(f"The weights are of another network: {model.name!r} has no layer {strangers[0]!r}.")
    ready = []
    for layer in model.layers:
        expected = [tuple(variable.shape) for variable in layer.weights if "seed_generator" not in variable.path]
        if not expected or layer.name in skip:
            continue
        arrays = weights.get(layer.name)
        if layer.name == "stem_conv" and arrays is not None:
            arrays = [_for_channels(arrays[0], expected[0][2])]
        received = None if arrays is None else [array.shape for array in arrays]
        if received != expected:
            raise EfficientNetError(f"Layer {layer.name!r} needs arrays of shapes {expected}, got {received}.")
        ready.append((layer, arrays))
    # Only when all fit, so that a model is never half changed.
    for layer, arrays in ready:
        layer.set_weights(arrays)


def _for_channels(kernel: Array, channels: int) -> Array:
    """Return a kernel [height, width, 3, out] for another number of channels."""
    if kernel.ndim != 4 or kernel.shape[2] != 3:
        return kernel
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    return np.pad(kernel, ((0, 0), (0, 0), (0, channels - 3), (0, 0)))
