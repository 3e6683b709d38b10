"""From named tensors to the weights of each layer, and from those into a model; every name is matched both ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.model import CLASSIFIER
from efficientnet_tf.specs import Spec
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
    for layer, prefix in _names(spec, naming, where):
        names = [f"{prefix}{naming.separator}{variable}" for variable in _variables(spec, naming, layer)]
        absent = [name for name in names if name not in tensors]
        if layer == CLASSIFIER and len(absent) == len(names):
            continue
        missing += absent
        used.update(names)
        if not absent:
            weights[layer] = [_to_keras(spec, layer, tensors[name], naming) for name in names]
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


def _kind(spec: Spec, layer: str) -> str:
    """Return the kind of a layer, a key of `Naming.variables`."""
    if layer.endswith("bn"):
        return "bn"
    block = next((block for block in spec.expand() if layer.startswith(block.name)), None)
    part = layer.removeprefix(block.name) if block else layer
    experts = block is not None and block.row.experts and part in ("expand_conv", "project_conv", spec.depthwise_name)
    kind = "depthwise" if part == spec.depthwise_name else "kernel"
    return {"depthwise": "depthwise_experts", "kernel": "experts"}[kind] if experts else kind


def _variables(spec: Spec, naming: Naming, layer: str) -> tuple[str, ...]:
    kind = _kind(spec, layer)
    has_bias = layer == CLASSIFIER or layer.endswith(("se_reduce", "se_expand", "routing"))
    return naming.variables[kind] if kind != "kernel" or has_bias else naming.variables[kind][:1]


def _to_keras(spec: Spec, layer: str, array: Array, naming: Naming) -> Array:
    """Return a tensor in Keras' layout: kernels [height, width, in, out], depthwise [height, width, channels, 1]."""
    if not naming.torch:
        return array
    kind = _kind(spec, layer)
    if array.ndim == 4:
        # PyTorch: [out, in, height, width], and depthwise [channels, 1, height, width].
        return array.transpose(2, 3, 0, 1) if kind == "depthwise" else array.transpose(2, 3, 1, 0)
    if "experts" in kind:
        return _experts_to_keras(spec, layer, array)
    return array.T


def _experts_to_keras(spec: Spec, layer: str, array: Array) -> Array:
    """Return kernels of experts, flat in both projects, in the other order."""
    block = next(block for block in spec.expand() if layer.startswith(block.name))
    side, inner = block.kernel_size, block.filters_expanded
    out, entering, side = {
        "expand_conv": (inner, block.filters_in, 1),
        "project_conv": (block.filters_out, inner, 1),
    }.get(layer.removeprefix(block.name), (inner, 1, side))
    kernels = array.reshape(-1, out, entering, side, side)
    axes = (0, 3, 4, 1, 2) if layer.endswith(spec.depthwise_name) else (0, 3, 4, 2, 1)
    return kernels.transpose(axes).reshape(len(array), -1)


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
