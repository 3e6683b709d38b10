"""What a network offers to detectors, segmenters and fine-tuning: its inner maps, and which of its layers train."""

from __future__ import annotations

import re
from typing import Any

import keras
from keras import layers

from efficientnet_tf.errors import UsageError, unknown_name

_BLOCK = re.compile(r"^(block\d+)([a-z]+)_")
BATCH_NORM_POLICIES = ("frozen", "follow", "train")


def endpoints(model: keras.Model) -> dict[str, Any]:
    """Return the inner maps of a network, for backbones: `keras.Model(model.input, [e["reduction_3"], ...])`.

    Names are those of the official code (efficientnet_model.py).

    Args:
        model: built by `EfficientNet`, also one that was saved and loaded.

    Returns:
        `stem`; every block's output as `block1a`, `block2a`, ...; `reduction_1` to `reduction_5`, the last map of
        1/2, 1/4, ... 1/32 of the input's sides; `features`, what leaves the last block. Keras tensors
        [N, height, width, channels].

    Raises:
        UsageError: a model without such blocks.

    >>> from efficientnet_tf import EfficientNet
    >>> model = EfficientNet("b0", weights=None, image_size=64)
    >>> [endpoints(model)[f"reduction_{level}"].shape[1:] for level in (1, 3, 5)]
    [(32, 32, 16), (8, 8, 40), (2, 2, 320)]
    """
    found: dict[str, Any] = {}
    for layer in model.layers:
        block = _BLOCK.match(layer.name)
        if block:
            found[f"{block[1]}{block[2]}"] = layer.output
        elif layer.name == "stem_activation":
            found["stem"] = layer.output
    blocks = [name for name in found if name != "stem"]
    if not blocks:
        raise UsageError(f"endpoints need a network with blocks, such as EfficientNet's; {model.name!r} has none.")
    return {**found, **_reductions(model, found), "features": found[blocks[-1]]}


def _reductions(model: keras.Model, found: dict[str, Any]) -> dict[str, Any]:
    """Return the last map of each reduction among the outputs of the stem and the blocks."""
    reduction, last = 1, {}
    ends = {id(tensor) for tensor in found.values()}
    for layer in model.layers:
        reduction *= _stride(layer)
        if id(layer.output) in ends:
            last[reduction] = layer.output
    return {f"reduction_{level}": last[2**level] for level in range(1, 6) if 2**level in last}


def _stride(layer: keras.Layer) -> int:
    """Return by how much a layer on the main path shrinks its input; a skip's projection does not count again."""
    if layer.name.endswith("shortcut_conv") or not hasattr(layer, "strides"):
        return 1
    strides = layer.strides
    return int(strides if isinstance(strides, int) else strides[0])


def freeze(model: keras.Model, until: str = "top", *, batch_norm: str = "frozen") -> int:
    """Stop the layers from the input up to a block from training; compile the model afterwards.

    Args:
        model: built by `EfficientNet`.
        until: the last that is frozen: `none`, `stem`, a row (`block5`), a block (`block5b`), or `top`, everything
            but the classifier.
        batch_norm: `frozen` (the default): every batch normalisation of the model keeps its statistics, scale and
            shift, which is what small data sets and small batches need; `follow`: only those up to `until`;
            `train`: none, even up to `until` (statistics follow the new data).

    Returns:
        How many layers with weights are frozen.

    Raises:
        UsageError: a name that is not there.

    >>> from efficientnet_tf import EfficientNet
    >>> model = EfficientNet("b0", weights=None, image_size=32)
    >>> _ = freeze(model, until="block5")
    >>> model.get_layer("block5a_dwconv").trainable, model.get_layer("block6a_dwconv").trainable
    (False, True)
    """
    if batch_norm not in BATCH_NORM_POLICIES:
        raise unknown_name("batch_norm", batch_norm, BATCH_NORM_POLICIES)
    frozen = _up_to(model, until)
    for place, layer in enumerate(model.layers):
        layer.trainable = place >= frozen
        if isinstance(layer, layers.BatchNormalization) and batch_norm != "follow":
            layer.trainable = batch_norm == "train"
    return sum(bool(layer.weights) and not layer.trainable for layer in model.layers)


def _up_to(model: keras.Model, until: str) -> int:
    """Return how many layers come before the first that trains."""
    names = [layer.name for layer in model.layers]
    if until == "none":
        return 0
    if until == "top":
        return len(names) - 1 if names[-1] == "predictions" else len(names)
    # A row's name ends where its blocks' letters begin: block1 is not block10.
    rows = [(match[1], match[1] + match[2]) if (match := _BLOCK.match(name)) else ("", "") for name in names]
    known = ["none", "stem", *dict.fromkeys(row for row, _ in rows if row), "top"]
    if until not in known and until not in {block for _, block in rows}:
        raise unknown_name("layer to freeze until", until, known)
    return 1 + max(
        place
        for place, name in enumerate(names)
        if until in rows[place] or (until == "stem" and name.startswith("stem_"))
    )
