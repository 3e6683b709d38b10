"""Whose weights a file holds, and what that project's network does differently from the official one.

The same tensors mean another function where padding, the epsilon of batch normalisation or the preprocessing differ;
an architecture says all three, so that they travel with the weights.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.specs import Spec, list_variants, spec
from efficientnet_tf.specs.efficientnet import MEAN, STD
from efficientnet_tf.weights.naming import EFFICIENTNET_PYTORCH, OFFICIAL, RESNET, TIMM, TORCHVISION, Naming

Array = np.ndarray[Any, Any]

#: Every origin, with a tensor that only its files hold; the two of timm share their names.
ORIGINS = {
    "keras": "stem_conv/kernel",
    "official": "stem/conv2d/kernel",
    "timm-tf": "conv_stem.weight",
    "timm": "conv_stem.weight",
    "torchvision": "features.0.0.weight",
    "efficientnet-pytorch": "_conv_stem.weight",
    "resnet": "layer1.0.conv1.weight",
}
NAMINGS: dict[str, Naming] = {
    "official": OFFICIAL,
    "timm-tf": TIMM,
    "timm": TIMM,
    "torchvision": TORCHVISION,
    "efficientnet-pytorch": EFFICIENTNET_PYTORCH,
    "resnet": RESNET,
}

# torchvision's weights (models/efficientnet.py): the size they were evaluated at, pixels that the resize leaves around
# the crop, how it interpolates, and the epsilon of batch normalisation. Of B1's two sets, this is the first.
# fmt: off
_TORCHVISION = {
    #        image_size crop_padding interpolation epsilon
    "b0":   (224,       32,          "bicubic",    1e-5),
    "b1":   (240,       16,          "bicubic",    1e-5),
    "b2":   (288,       0,           "bicubic",    1e-5),
    "b3":   (300,       20,          "bicubic",    1e-5),
    "b4":   (380,       4,           "bicubic",    1e-5),
    "b5":   (456,       0,           "bicubic",    1e-3),
    "b6":   (528,       0,           "bicubic",    1e-3),
    "b7":   (600,       0,           "bicubic",    1e-3),
    "v2-s": (384,       0,           "bilinear",   1e-3),
    "v2-m": (480,       0,           "bilinear",   1e-3),
    "v2-l": (480,       0,           "bicubic",    1e-3),
}
# fmt: on
_HALF = (127.5, 127.5, 127.5)
# A folder `efficientnet_tf` is no such name: a variant follows the underscore.
_TIMM_NAME = re.compile(r"(tf_)?efficientnet(?:v2)?_(?:b\d|l2|lite\d|e[sml]|cc|s|m|l|xl|rw)(?![a-z])")
# timm's names of what our record calls a crop.
_CROPS = {"center": "center", "squash": "none"}


def origin_of(tensors: Mapping[str, Array], path: str, metadata: Mapping[str, Any]) -> str:
    """Return whose weights a file holds: a key of `ORIGINS`.

    Args:
        tensors: as the file names them.
        path: of the file: the two kinds of timm's EfficientNets have the same names, and only the name of the file
            or of its folder, `tf_efficientnet_b0...` or `efficientnet_b0...`, says how the network pads.
        metadata: of the file; an `architecture` in it is such a name.

    Raises:
        EfficientNetError: nobody's whose names are known, or one of timm's two.
    """
    first = {name.split("/", 1)[-1] if name.endswith("stem/conv2d/kernel") else name for name in tensors}
    found = [origin for origin, name in ORIGINS.items() if name in first]
    if not found:
        known = ", ".join(f"{name} ({origin})" for origin, name in ORIGINS.items())
        raise EfficientNetError(f"{path} holds no weights whose names are known. One of these must be there: {known}.")
    if found[0] != "timm-tf":
        return found[0]
    names = [str(metadata.get("architecture", "")), *reversed(re.split(r"[/\\]", path))]
    for name in names:
        if match := _TIMM_NAME.search(name):
            return "timm-tf" if match[1] else "timm"
    raise EfficientNetError(
        f"{path} is timm's, but not whether its network pads as TensorFlow or as PyTorch: the tensors have the same "
        "names. Keep timm's name in the file's (tf_efficientnet_b0... or efficientnet_b0...), or say which: "
        "efficientnet-convert --origin=timm-tf or --origin=timm."
    )


def naming_of(origin: str, tensors: Mapping[str, Array]) -> tuple[Naming, dict[str, Array]]:
    """Return a project's names, and the tensors without what differs from file to file: the model's own name."""
    if origin != "official":
        return NAMINGS[origin], dict(tensors)
    names = dict(tensors)
    stem = next((name for name in names if name.endswith("stem/conv2d/kernel")), None)
    if stem is None:
        raise EfficientNetError("It holds no stem/conv2d/kernel, so it is not an official checkpoint.")
    root = stem.removesuffix("stem/conv2d/kernel")
    plain = {name.removeprefix(root): array for name, array in names.items()}
    # Outside of TPUs the class, and so the name, is another.
    plain = {re.sub(r"/batch_normalization", "/tpu_batch_normalization", name): array for name, array in plain.items()}
    return OFFICIAL, _count_anew(plain)


def _count_anew(tensors: dict[str, Array]) -> dict[str, Array]:
    """Return CondConv's tensors with counters that begin in each block, whatever they counted before."""
    counters: dict[str, dict[str, int]] = {}
    pattern = re.compile(r"^(blocks_\d+/(?:depthwise_)?cond_conv2d|blocks_\d+/dense)(?:_(\d+))?/")
    for name in tensors:
        if found := pattern.match(name):
            counters.setdefault(found[1], {})[found[0]] = int(found[2] or 0)
    renamed = {}
    for base, numbers in counters.items():
        for place, prefix in enumerate(sorted(numbers, key=lambda key, numbers=numbers: numbers[key])):  # type: ignore[misc]
            renamed[prefix] = f"{base}_{place}/" if place else f"{base}/"
    return {
        (renamed[found[0]] + name.removeprefix(found[0]) if (found := pattern.match(name)) else name): array
        for name, array in tensors.items()
    }


def as_trained(architecture: Spec, origin: str, metadata: Mapping[str, Any]) -> Spec:
    """Return an architecture as the origin's network is: padding, epsilon, strides, preprocessing.

    Args:
        architecture: of one of the variants, or scaled.
        origin: a key of `ORIGINS`.
        metadata: of the file; timm's `pretrained_cfg` in it is followed.

    Raises:
        EfficientNetError: torchvision has no such network.
    """
    name = architecture.name
    if origin == "torchvision":
        if name not in _TORCHVISION:
            raise EfficientNetError(f"torchvision has no {name!r}; it has {', '.join(_TORCHVISION)}.")
        size, crop_padding, interpolation, epsilon = _TORCHVISION[name]
        return architecture.replace(
            image_size=size,
            padding="symmetric",
            batch_norm_epsilon=epsilon,
            mean=_HALF if name == "v2-l" else MEAN,
            std=_HALF if name == "v2-l" else STD,
            crop="center",
            crop_padding=crop_padding,
            interpolation=interpolation,
        )
    if origin in ("timm", "timm-tf"):
        config = metadata.get("pretrained_cfg")
        return _of_timm(architecture, origin, config if isinstance(config, dict) else {})
    if origin == "resnet":
        return architecture.replace(padding="symmetric", interpolation="bilinear")
    if origin == "official":
        # Lite and EdgeTPU too were trained and evaluated with TensorFlow 1's bicubic, whatever they were exported with.
        is_new = architecture.interpolation == "tf2_bilinear"
        return architecture if is_new else architecture.replace(interpolation="tf1_bicubic")
    return architecture


def _of_timm(architecture: Spec, origin: str, config: Mapping[str, Any]) -> Spec:
    """Return an architecture as timm builds it, with the preprocessing that `config` tells, or timm's usual one."""
    changes: dict[str, Any] = {"interpolation": "bicubic"}
    if origin == "timm":
        changes.update(padding="symmetric", batch_norm_epsilon=1e-5)
    if f"{architecture.name}-2020" in list_variants():
        # timm has the strides in the 3x3 convolution, whatever the weights were trained with.
        changes["blocks"] = spec(f"{architecture.name}-2020").blocks
    if architecture.mean != MEAN:
        changes.update(mean=_HALF, std=_HALF)
    if architecture.name == "v2-s":
        changes.update(crop="center", crop_padding=0)
    for key in ("mean", "std"):
        if isinstance(config.get(key), list) and len(config[key]) == 3:
            changes[key] = tuple(255.0 * float(value) for value in config[key])
    match config.get("test_input_size") or config.get("input_size"):
        case [3, int() as height, int() as width] if height == width >= 32:
            changes["image_size"] = height
    if isinstance(config.get("crop_pct"), int | float) and 0.5 <= config["crop_pct"] <= 1.0:
        size = changes.get("image_size", architecture.image_size)
        changes["crop_padding"] = round(size / config["crop_pct"]) - size
    if config.get("crop_mode") in _CROPS:
        changes["crop"] = _CROPS[config["crop_mode"]]
    if config.get("interpolation") in ("bilinear", "bicubic"):
        changes["interpolation"] = config["interpolation"]
    return dataclasses.replace(architecture, **changes)
