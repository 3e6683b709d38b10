"""Weights in files that Keras wrote: ours, and those of keras.applications, whose layers have our names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from efficientnet_tf.specs import Spec
from efficientnet_tf.specs.efficientnet import STD
from efficientnet_tf.weights.matching import LayerWeights

Array = np.ndarray[Any, Any]

# What stands in front of the first convolution; it becomes the architecture's preprocessing.
_FRONT = ("rescaling", "normalization")
_ORDER = ("kernel", "depthwise_kernel", "gamma", "beta", "moving_mean", "moving_variance", "bias")


def layer_weights(tensors: Mapping[str, Array]) -> LayerWeights:
    """Return the weights of every layer by its name, in Keras' order, from `layer/variable` names."""
    layers: dict[str, dict[str, Array]] = {}
    for name, array in tensors.items():
        layer, _, variable = name.rpartition("/")
        if not layer.startswith(_FRONT) and variable in _ORDER:
            layers.setdefault(layer, {})[variable] = array
    return {layer: [found[name] for name in _ORDER if name in found] for layer, found in layers.items()}


def as_saved(spec: Spec, tensors: Mapping[str, Array], config: Mapping[str, Any]) -> Spec:
    """Return an architecture with the preprocessing, padding and epsilon that a file's own network has.

    Args:
        spec: the architecture.
        tensors: as `layer/variable`; a `normalization` among them sets mean and deviation.
        config: of the saved model, where the file has one: its layers.
    """
    layers = config.get("config", {}).get("layers", [])
    steps = [(layer["class_name"], layer["config"]) for layer in layers]
    affine = _affine(steps, tensors)
    changes: dict[str, Any] = {}
    if affine is not None:
        scale, offset = affine
        changes = {"mean": tuple((-offset / scale).tolist()), "std": tuple((1.0 / scale).tolist())}
    named = {options.get("name"): options for _, options in steps}
    if "epsilon" in named.get("stem_bn", {}):
        changes["batch_norm_epsilon"] = float(named["stem_bn"]["epsilon"])
    # keras.applications pads an even picture by [[0, 1], [0, 1]], which is SAME.
    if named.get("stem_conv_pad", {}).get("padding") == [[1, 1], [1, 1]] and _is_even(steps):
        changes["padding"] = "symmetric"
    return spec.replace(**changes)


def _is_even(steps: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
    shape = steps[0][1].get("batch_shape") or [None]
    return len(shape) == 4 and None not in shape[1:3] and shape[1] % 2 == shape[2] % 2 == 0


def _affine(steps: Sequence[tuple[str, Mapping[str, Any]]], tensors: Mapping[str, Array]) -> tuple[Array, Array] | None:
    """Return what a network does to pixels before its first convolution, as scale and offset; None where nothing says.

    keras.applications divides by 255 first and then normalises. Its published files of the first EfficientNet hold
    standard deviations where the layer expects variances; networks with these weights are built with one more
    division by their roots (efficientnet.py), so the deviation is what they hold.
    """
    mean = next((array for name, array in tensors.items() if _is_of(name, "mean")), None)
    variance = next((array for name, array in tensors.items() if _is_of(name, "variance")), None)
    scale, offset = np.ones(3), np.zeros(3)
    front = [step for step in steps if step[0] in ("Rescaling", "Normalization")]
    if not front and mean is None:
        return None
    for kind, options in front or [("Rescaling", {"scale": 1 / 255, "offset": 0.0}), ("Normalization", {})]:
        if kind == "Rescaling":
            factor, shift = (np.broadcast_to(np.ravel(options[key])[:3], 3) for key in ("scale", "offset"))
            scale, offset = scale * factor, offset * factor + shift
            continue
        middle = options.get("mean") if options.get("mean") is not None else mean
        spread = options.get("variance") if options.get("variance") is not None else variance
        if middle is None or spread is None:
            continue
        deviation = np.sqrt(np.ravel(spread).astype(np.float64))
        if not front and np.allclose(np.ravel(spread) * 255, STD, rtol=1e-4):
            deviation = np.ravel(spread).astype(np.float64)
        scale, offset = scale / deviation, (offset - np.ravel(middle)) / deviation
    return scale, offset


def _is_of(name: str, variable: str) -> bool:
    layer, _, last = name.rpartition("/")
    return layer.startswith("normalization") and last == variable
