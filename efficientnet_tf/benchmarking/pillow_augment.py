"""AutoAugment, RandAugment and the training crop by Pillow alone, as a library of pictures does them one by one.

The same tables and arguments as `augment`, and Pillow's own operations with nearest neighbours. No TensorFlow: this is
what runs in processes of its own.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import math
import random
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from PIL import Image, ImageEnhance, ImageOps

from efficientnet_tf.augment.policies.levels import FULL, SPACES
from efficientnet_tf.augment.policies.tables import POLICIES, RANDAUGMENT, TRIVIALAUGMENT
from efficientnet_tf.errors import MissingDependencyError

Picture = Image.Image
#: From a picture and a source of random numbers to a picture.
Policy = Callable[[Picture, random.Random], Picture]

_GREY = (128, 128, 128)
_AREA, _ASPECT, _ATTEMPTS = (0.08, 1.0), (3 / 4, 4 / 3), 10
_TRIVIAL_LEVELS = 31


def _affine(image: Picture, *map_: float) -> Picture:
    return image.transform(image.size, Image.Transform.AFFINE, map_, Image.Resampling.NEAREST, fillcolor=_GREY)


def _solarize_add(image: Picture, addition: float) -> Picture:
    table = [min(value + int(addition), 255) if value < 128 else value for value in range(256)]
    return image.point(table * len(image.getbands()))


def _cutout(image: Picture, half: float, draw: random.Random) -> Picture:
    x, y, side = draw.randrange(image.width), draw.randrange(image.height), int(half)
    image = image.copy()
    image.paste(_GREY, (x - side, y - side, x + side, y + side))
    return image


#: Each operation, given a picture and its argument.
OPERATIONS: dict[str, Callable[[Picture, float], Picture]] = {
    "Identity": lambda image, _: image,
    "AutoContrast": lambda image, _: ImageOps.autocontrast(image),
    "Equalize": lambda image, _: ImageOps.equalize(image),
    "Invert": lambda image, _: ImageOps.invert(image),
    "Posterize": lambda image, bits: ImageOps.posterize(image, int(bits)),
    "Solarize": lambda image, threshold: ImageOps.solarize(image, int(threshold)),
    "SolarizeAdd": _solarize_add,
    "Color": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "Contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "Brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "Sharpness": lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor),
    "Rotate": lambda image, degrees: image.rotate(degrees, Image.Resampling.NEAREST, fillcolor=_GREY),
    "ShearX": lambda image, shear: _affine(image, 1, shear, 0, 0, 1, 0),
    "ShearY": lambda image, shear: _affine(image, 1, 0, 0, shear, 1, 0),
    "TranslateX": lambda image, pixels: _affine(image, 1, 0, pixels, 0, 1, 0),
    "TranslateY": lambda image, pixels: _affine(image, 1, 0, 0, 0, 1, pixels),
}


def apply(image: Picture, name: str, level: float, draw: random.Random, space: str = "fixed") -> Picture:
    """Return the picture after an operation at a level of 0 to 10 or beyond, in a drawn direction if it has two."""
    ramp = SPACES[space][name]
    argument = ramp.at(level, -1 if ramp.signed and draw.random() < 0.5 else 1)
    if ramp.of_side:
        sides = {"TranslateX": image.width, "TranslateY": image.height}
        argument *= sides.get(name, min(image.size))
    return _cutout(image, argument, draw) if name == "Cutout" else OPERATIONS[name](image, argument)


def autoaugment(image: Picture, draw: random.Random) -> Picture:
    """Return the picture after a sub-policy of AutoAugment's v0."""
    for name, probability, level in draw.choice(POLICIES["v0"]):
        if draw.random() < probability:
            image = apply(image, name, level, draw)
    return image


def randaugment(image: Picture, draw: random.Random) -> Picture:
    """Return the picture after two operations of RandAugment at level 10."""
    for name in draw.choices(RANDAUGMENT, k=2):
        image = apply(image, name, 10, draw)
    return image


def trivialaugment(image: Picture, draw: random.Random) -> Picture:
    """Return the picture after one operation of TrivialAugment at a drawn level."""
    level = draw.randrange(_TRIVIAL_LEVELS) * FULL / (_TRIVIAL_LEVELS - 1)
    return apply(image, draw.choice(TRIVIALAUGMENT), level, draw, "wide")


def training_crop(encoded: bytes, draw: random.Random, side: int) -> Picture:
    """Return a random part of a photograph, `side` pixels square, mirrored half of the time."""
    photograph = Image.open(io.BytesIO(encoded)).convert("RGB")
    picture = photograph.resize((side, side), Image.Resampling.BICUBIC, box=_box(photograph.size, draw))
    return ImageOps.mirror(picture) if draw.random() < 0.5 else picture


def timm_policy(name: str) -> Policy:
    """Return one of timm's policies, such as `rand-m10-n2` or `original`, as timm's own training builds it for 224.

    Only its module of operations on pictures is loaded: all of timm would need PyTorch, which these do not.

    Raises:
        MissingDependencyError: timm is not installed.
    """
    module = _timm_module()
    settings: dict[str, Any] = {"translate_const": int(224 * 0.45), "img_mean": _GREY}
    make = module.rand_augment_transform if name.startswith("rand") else module.auto_augment_transform
    transform = make(name, settings)
    return lambda image, draw: transform(image)


@functools.cache
def _timm_module() -> ModuleType:
    package = importlib.util.find_spec("timm")
    if package is None or not package.submodule_search_locations:
        raise MissingDependencyError("timm is not installed. Run: pip install timm.")
    name = "timm_auto_augment"
    path = f"{package.submodule_search_locations[0]}/data/auto_augment.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _box(size: tuple[int, int], draw: random.Random) -> tuple[int, int, int, int]:
    width, height = size
    for _ in range(_ATTEMPTS):
        area = draw.uniform(*_AREA) * width * height
        aspect = math.exp(draw.uniform(*map(math.log, _ASPECT)))
        across, down = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < across <= width and 0 < down <= height:
            x, y = draw.randint(0, width - across), draw.randint(0, height - down)
            return x, y, x + across, y + down
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, (width + side) // 2, (height + side) // 2


#: What a process can be told to do with a picture.
POLICIES_BY_NAME: dict[str, Callable[[], Policy]] = {
    "none": lambda: lambda image, draw: image,
    "autoaugment": lambda: autoaugment,
    "randaugment": lambda: randaugment,
    "trivialaugment": lambda: trivialaugment,
    "timm:rand-m10-n2": lambda: timm_policy("rand-m10-n2"),
    "timm:original": lambda: timm_policy("original"),
}
