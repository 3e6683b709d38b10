"""What operations are tried on: photographs of the sample at two sizes, and the pictures that break careless code."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import efficientnet_tf.data as data_room

Array = np.ndarray[Any, Any]

SAMPLE = Path(data_room.__file__).parent / "sample"
PHOTOGRAPHS = ("animals/bison.jpg", "fishes/fish16.jpg", "monuments/aulaPalatina.jpg", "tools/hammer3.jpg")
SQUARE, OBLONG = (224, 224), (97, 131)  # height, width


@cache
def photographs() -> dict[str, Array]:
    """Return photographs by name, uint8 [H, W, 3]: each at 224 x 224, and at 97 x 131 (height x width)."""
    return {
        f"{Path(name).stem}-{height}x{width}": _opened(SAMPLE / name, height, width)
        for height, width in (SQUARE, OBLONG)
        for name in PHOTOGRAPHS
    }


def sample(height: int, width: int) -> list[Array]:
    """Return every photograph of the sample at one size."""
    return [_opened(path, height, width) for path in sorted(SAMPLE.glob("*/*.jpg"))]


def _opened(path: Path, height: int, width: int) -> Array:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))


@cache
def edge_cases() -> dict[str, Array]:
    """Return pictures by name, uint8 [H, W, 3]: one pixel, one row, one column, one value, few values, all values."""
    generator = np.random.RandomState(20)
    noise = generator.randint(0, 256, (31, 17, 3)).astype(np.uint8)
    checkers = (np.indices((12, 10)).sum(axis=0) % 2)[..., None]
    ramp = np.arange(256, dtype=np.uint8)
    pictures = {
        "one pixel": noise[:1, :1],
        "one black pixel": np.zeros((1, 1, 3), np.uint8),
        "one white pixel": np.full((1, 1, 3), 255, np.uint8),
        "one row": noise[:1],
        "one column": noise[:, :1],
        "two by two": noise[:2, :2],
        "two rows": noise[:2],
        "two columns": noise[:, :2],
        "three by three": noise[:3, :3],
        "noise": noise,
        "all 0": np.zeros((9, 13, 3), np.uint8),
        "all 255": np.full((9, 13, 3), 255, np.uint8),
        "all 1": np.full((8, 8, 3), 1, np.uint8),
        "one colour": np.broadcast_to(np.array([3, 128, 250], np.uint8), (16, 21, 3)),
        "checkers of 0 and 255": checkers * np.full(3, 255),
        "checkers of 127 and 128": 127 + checkers * np.ones(3, int),
        "checkers of two colours": np.where(checkers, [250, 10, 99], [3, 200, 100]),
        "gradient across": np.broadcast_to(ramp[None, :, None], (40, 256, 3)),
        "gradient down": np.broadcast_to(ramp[::-1, None, None], (256, 33, 3)),
        "gradients of three colours": np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, ::-1], ramp[None, :]), -1),
        "narrow range": 100 + noise % 7,
        "one channel constant": np.concatenate([noise[..., :2], np.full_like(noise[..., :1], 77)], -1),
        "nearly all one value": _nearly_constant(),
    }
    return {name: np.ascontiguousarray(picture, np.uint8) for name, picture in pictures.items()}


def _nearly_constant() -> Array:
    """Return a picture whose histogram has so few pixels besides its highest value that Equalize's step is 0."""
    picture = np.full((30, 30, 3), 200, np.uint8)
    picture[:5, :5] = 10
    return picture


def pictures() -> dict[str, Array]:
    """Return all of them."""
    return {**photographs(), **edge_cases()}
