"""What every augmentation operation must give: Pillow's answer, or where Pillow has none, NumPy's.

`PILLOW` is the reference of the operations as they are. `LEGACY` is that of `legacy=True`: the official TensorFlow
code's arithmetic done without TensorFlow, so that tests/official_augmentation.py need not be believed alone.
All take and return NumPy arrays, uint8 [H, W, 3]; `ARGUMENTS` has what levels 0 to 30 make of each one's argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

Array = np.ndarray[Any, Any]
Operation = Callable[..., Array]

FILL = 128
HALFWAY = 128  # SolarizeAdd brightens what is below
LEVELS = range(31)  # AutoAugment's end at 10, RandAugment's magnitudes at about 30
GREY = np.array([0.2989, 0.587, 0.114], np.float32)

_FACTORS = (*(1.8 * level / 10 + 0.1 for level in LEVELS), 0.0, 0.5, 1.0, 2.0)
_SHEARS = tuple(sign * 0.3 * level / 10 for level in LEVELS for sign in (1, -1))
_PIXELS = (
    *(sign * constant * level / 10 for constant in (100, 250) for level in range(11) for sign in (1, -1)),
    *(0.45 * side * level / 10 for side in (97, 131, 224) for level in range(11)),
    *(0.5, -0.5, 0.49, -0.49, 1.5, 1e6, -1e6),
)
ARGUMENTS: Mapping[str, tuple[float, ...] | None] = {
    "auto_contrast": None,
    "equalize": None,
    "invert": None,
    "posterize": tuple(range(1, 9)),
    "solarize": tuple(sorted({min(int(level / 10 * 256), 256) for level in LEVELS} | {1, 128, 255})),
    "solarize_add": tuple(int(level / 10 * 110) for level in LEVELS),
    "color": _FACTORS,
    "contrast": _FACTORS,
    "brightness": _FACTORS,
    "sharpness": _FACTORS,
    "rotate": (
        *(sign * 30 * level / 10 for level in LEVELS for sign in (1, -1)),
        *(0.1, -0.1, 45, 135, 179.5, 180, 181, 270, 359.9, 360, -450, 725),
    ),
    "shear_x": _SHEARS,
    "shear_y": _SHEARS,
    "translate_x": _PIXELS,
    "translate_y": _PIXELS,
}
# Bits and thresholds that the official levels ask for, and uint8 arithmetic does something else with.
LEGACY_ARGUMENTS: Mapping[str, tuple[float, ...] | None] = {
    **ARGUMENTS,
    "posterize": tuple(sorted({int(level / 10 * 4) for level in LEVELS})),
    "solarize": tuple(sorted({int(level / 10 * 256) for level in LEVELS})),
}


def _enhanced(kind: type[ImageEnhance._Enhance]) -> Operation:
    return lambda image, factor: np.asarray(kind(Image.fromarray(image)).enhance(factor))


def _lookup(function: Callable[..., Image.Image]) -> Operation:
    return lambda image, *argument: np.asarray(function(Image.fromarray(image), *argument))


def _affine(image: Array, matrix: tuple[float, ...], fill: int = FILL) -> Array:
    picture = Image.fromarray(image)
    moved = picture.transform(
        picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=(fill, fill, fill)
    )
    return np.asarray(moved)


def _rotated(image: Array, degrees: float, fill: int = FILL) -> Array:
    picture = Image.fromarray(image)
    return np.asarray(picture.rotate(degrees, Image.Resampling.NEAREST, fillcolor=(fill, fill, fill)))


def solarize_add(image: Array, addition: int, threshold: int = HALFWAY) -> Array:
    """Add to every value below the threshold, and clip."""
    return np.where(image < threshold, np.clip(image.astype(int) + addition, 0, 255), image).astype(np.uint8)


def cutout(image: Array, center: tuple[int, int], half_size: int, fill: int | Array = FILL) -> Array:
    """Paint over rows center[0] - half_size up to, not including, center[0] + half_size, and columns likewise.

    `fill` is one value, or a picture of the same size from which the square is taken.
    """
    result = image.copy()
    where = tuple(slice(max(0, middle - half_size), max(0, middle + half_size)) for middle in center)
    result[where] = np.broadcast_to(np.asarray(fill, np.uint8), image.shape)[where]
    return result


PILLOW: Mapping[str, Operation] = {
    "auto_contrast": _lookup(ImageOps.autocontrast),
    "equalize": _lookup(ImageOps.equalize),
    "invert": _lookup(ImageOps.invert),
    "posterize": _lookup(ImageOps.posterize),
    "solarize": _lookup(ImageOps.solarize),
    "solarize_add": solarize_add,
    "color": _enhanced(ImageEnhance.Color),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "brightness": _enhanced(ImageEnhance.Brightness),
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "rotate": _rotated,
    "shear_x": lambda image, shear, fill=FILL: _affine(image, (1, shear, 0, 0, 1, 0), fill),
    "shear_y": lambda image, shear, fill=FILL: _affine(image, (1, 0, 0, shear, 1, 0), fill),
    "translate_x": lambda image, pixels, fill=FILL: _affine(image, (1, 0, pixels, 0, 1, 0), fill),
    "translate_y": lambda image, pixels, fill=FILL: _affine(image, (1, 0, 0, 0, 1, pixels), fill),
}
NUMPY_ONLY = ("solarize_add", "cutout")
GEOMETRIC = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")


def _blend(degenerate: Array, image: Array, factor: float) -> Array:
    """Return degenerate + factor * (image - degenerate) in float32, clipped, and cut off after the point."""
    low = degenerate.astype(np.float32)
    mixed = low + np.float32(factor) * (image.astype(np.float32) - low)
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _official_grey(image: Array) -> Array:
    """Return tf.image.rgb_to_grayscale, [H, W, 1]: pixels / 255, weighted in float32, times 255.5, cut off."""
    shares = image.astype(np.float32) * np.float32(1 / 255) * GREY
    total = shares[..., 0] + shares[..., 1] + shares[..., 2]
    return (total * np.float32(255.5)).astype(np.uint8)[..., None]


def _official_contrast(image: Array, factor: float) -> Array:
    pixels = image.shape[0] * image.shape[1]
    return _blend(np.full_like(image, min(pixels / 256, 255)), image, factor)


def _official_sharpness(image: Array, factor: float) -> Array:
    """Sum the nine products row by row, rounding to float32 after each, and cut off after the point.

    So does TensorFlow where the processor fuses multiplication and addition. Where sums are whole numbers, as in even
    surfaces, another order or an unfused product falls on the other side of them, and is cut off to 1 grey level less.
    """
    weights = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / np.float32(13)
    height, width = image.shape[0] - 2, image.shape[1] - 2
    total = np.zeros((height, width, 3), np.float32)
    for row, column in np.ndindex(3, 3):
        product = weights[row, column].astype(np.float64) * image[row : row + height, column : column + width]
        total = (total + product).astype(np.float32)
    smooth = image.copy()
    smooth[1:-1, 1:-1] = np.clip(total, 0, 255).astype(np.uint8)
    return _blend(smooth, image, factor)


def _official_auto_contrast(image: Array) -> Array:
    result = image.copy()
    for channel in range(3):
        values = image[..., channel].astype(np.float32)
        if values.max() > values.min():
            scale = np.float32(255) / (values.max() - values.min())
            result[..., channel] = np.clip(values * scale + -values.min() * scale, 0, 255).astype(np.uint8)
    return result


def _official_posterize(image: Array, bits: int) -> Array:
    """Shift by (8 - bits) as an unsigned byte, and by 7 where that is more: 0 bits, or more than 8, leave one."""
    shift = min((8 - bits) % 256, 7)
    return image >> shift << shift


def _official_solarize(image: Array, threshold: int) -> Array:
    """Compare with the threshold's lowest byte: 256 inverts everything instead of nothing."""
    return np.where(image < threshold % 256, image, 255 - image).astype(np.uint8)


def _official_affine(image: Array, matrix: tuple[Any, ...]) -> Array:
    """Take each pixel from round(matrix · its corner): float32, halves away from 0; outside is grey."""
    height, width = image.shape[:2]
    rows, columns = np.indices((height, width)).astype(np.float32)
    a, b, c, d, e, f = (np.float32(value) for value in matrix)
    x, y = _rounded(a * columns + b * rows + c), _rounded(d * columns + e * rows + f)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    taken = image[np.where(inside, y, 0), np.where(inside, x, 0)]
    return np.where(inside[..., None], taken, np.uint8(FILL))


def _rounded(values: Array) -> Array:
    # In float64, where adding a half to the number just below it does not make 1.
    wide = values.astype(np.float64)
    return np.trunc(wide + np.copysign(0.5, wide)).astype(np.int64)


def _official_rotate(image: Array, degrees: float) -> Array:
    angle = np.float32(degrees) * np.float32(math.pi / 180)
    cosine, sine = np.cos(angle), np.sin(angle)
    bottom, right = np.float32(image.shape[0] - 1), np.float32(image.shape[1] - 1)
    across = (right - (cosine * right - sine * bottom)) / np.float32(2)
    down = (bottom - (sine * right + cosine * bottom)) / np.float32(2)
    return _official_affine(image, (cosine, -sine, across, sine, cosine, down))


LEGACY: Mapping[str, Operation] = {
    **{name: PILLOW[name] for name in ("equalize", "invert", "solarize_add", "brightness")},
    "auto_contrast": _official_auto_contrast,
    "posterize": _official_posterize,
    "solarize": _official_solarize,
    "color": lambda image, factor: _blend(np.broadcast_to(_official_grey(image), image.shape), image, factor),
    "contrast": _official_contrast,
    "sharpness": _official_sharpness,
    "rotate": _official_rotate,
    "shear_x": lambda image, shear: _official_affine(image, (1, shear, 0, 0, 1, 0)),
    "shear_y": lambda image, shear: _official_affine(image, (1, 0, 0, shear, 1, 0)),
    "translate_x": lambda image, pixels: _official_affine(image, (1, 0, pixels, 0, 1, 0)),
    "translate_y": lambda image, pixels: _official_affine(image, (1, 0, 0, 0, 1, pixels)),
}
