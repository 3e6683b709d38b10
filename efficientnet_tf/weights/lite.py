"""The published Lite weights, from PyTorch's names and layout into Keras'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.model import CLASSIFIER
from efficientnet_tf.specs import Spec

Array = np.ndarray[Any, Any]
Tensors = Mapping[str, Array]

# In the order of a Keras BatchNormalization's weights.
BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def layer_weights(spec: Spec, tensors: Tensors) -> dict[str, list[Array]]:
    """Return the weights of every layer by its name, in Keras' order and layout.

    Args:
        spec: a Lite architecture.
        tensors: PyTorch's names (`_blocks.0._bn1.weight`) and tensors: convolutions [out, in, h, w].

    Raises:
        EfficientNetError: a tensor is missing, or one is left over.
    """
    weights: dict[str, list[Array]] = {}
    used: set[str] = set()

    def take(name: str) -> Array:
        if name not in tensors:
            raise EfficientNetError(f"The weight file of {spec.name!r} has no tensor {name!r}.")
        used.add(name)
        return tensors[name]

    for layer, prefix in _names(spec):
        if layer.endswith("bn"):
            weights[layer] = [take(f"{prefix}.{part}") for part in BATCH_NORM]
        elif layer == CLASSIFIER:
            weights[layer] = [take(f"{prefix}.weight").T, take(f"{prefix}.bias")]
        else:
            # Depthwise kernels are [channels, 1, h, w] there and [h, w, channels, 1] in Keras.
            axes = (2, 3, 0, 1) if layer.endswith("dwconv") else (2, 3, 1, 0)
            weights[layer] = [take(f"{prefix}.weight").transpose(axes)]
    left = [name for name in tensors if name not in used and not name.endswith("num_batches_tracked")]
    if left:
        raise EfficientNetError(f"The weight file of {spec.name!r} has tensors without a layer: {', '.join(left[:5])}.")
    return weights


def _names(spec: Spec) -> Iterator[tuple[str, str]]:
    """Yield the Keras name and the PyTorch prefix of every layer that has weights."""
    yield from (("stem_conv", "_conv_stem"), ("stem_bn", "_bn0"))
    for block in spec.expand():
        prefix = f"_blocks.{block.index}"
        if block.expand_ratio != 1:
            yield f"{block.name}expand_conv", f"{prefix}._expand_conv"
            yield f"{block.name}expand_bn", f"{prefix}._bn0"
        yield f"{block.name}dwconv", f"{prefix}._depthwise_conv"
        yield f"{block.name}bn", f"{prefix}._bn1"
        yield f"{block.name}project_conv", f"{prefix}._project_conv"
        yield f"{block.name}project_bn", f"{prefix}._bn2"
    yield from (("top_conv", "_conv_head"), ("top_bn", "_bn1"), (CLASSIFIER, "_fc"))


def assign(model: keras.Model, weights: Mapping[str, list[Array]], *, skip: frozenset[str] = frozenset()) -> None:
    """Copy weights into a model's layers by name.

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
    for layer in model.layers:
        if not layer.weights or layer.name in skip:
            continue
        arrays = weights.get(layer.name)
        expected = [tuple(variable.shape) for variable in layer.weights if "seed_generator" not in variable.path]
        received = None if arrays is None else [array.shape for array in arrays]
        if not expected:
            continue
        if arrays is None or received != expected:
            raise EfficientNetError(f"Layer {layer.name!r} needs arrays of shapes {expected}, got {received}.")
        layer.set_weights(arrays)
