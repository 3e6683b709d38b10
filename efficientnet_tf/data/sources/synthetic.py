"""Pictures that are drawn, not taken: for trying a machine or a setting without any photographs.

Class tells shape and colour, so that a network can learn them; place, size and the grey behind them tell nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from efficientnet_tf.data.sources.examples import Examples
from efficientnet_tf.data.sources.png import encode_png
from efficientnet_tf.errors import UsageError, unknown_name

_SHAPES = ("disc", "square", "cross")

#: Pixels of all pictures together that are drawn: they are kept in memory.
_MAX_PIXELS = 2**29

# The numbers of the pictures of each split begin so far from each other that no two splits share one.
_FIRST = {"train": 0, "validation": 10**9, "test": 2 * 10**9}

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class _Setting:
    """What `synthetic:classes=10,count=256,size=224` says; `count` is of training, the others have a quarter of it."""

    classes: int = 10
    count: int = 256
    size: int = 224


_LIMITS = {"classes": (2, 1000), "count": (1, 1_000_000), "size": (8, 2048)}


def read_synthetic(text: str, split: str) -> Examples:
    """Draw the pictures of one split; the same on every machine.

    Args:
        text: what follows `synthetic:`, such as `"classes=10,count=256,size=224"`, or nothing.
        split: `"train"`, `"validation"` or `"test"`.

    Raises:
        UsageError: an unknown setting, a value out of its range, or pictures that fill the memory.

    >>> examples = read_synthetic("classes=3,count=12,size=16", "train")
    >>> len(examples), examples.labels[:4], examples.class_names
    (12, (0, 1, 2, 0), ('red disc', 'green square', 'blue cross'))
    """
    setting = _parse(text)
    count = setting.count if split == "train" else max(setting.count // 4, setting.classes)
    numbers = range(_FIRST[split], _FIRST[split] + count)
    labels = tuple(row % setting.classes for row in range(count))
    return Examples(
        paths=tuple(f"synthetic#{number}" for number in numbers),
        labels=labels,
        class_names=tuple(_class_name(label, setting.classes) for label in range(setting.classes)),
        skipped=(),
        name="synthetic",
        contents=tuple(
            encode_png(draw(label, setting.classes, number=number, size=setting.size))
            for number, label in zip(numbers, labels, strict=True)
        ),
    )


def draw(label: int, classes: int, *, number: int, size: int) -> Array:
    """Return one picture, uint8 [size, size, 3]."""
    # A hash, since NumPy's generators may change from version to version.
    words = np.frombuffer(hashlib.sha256(str(number).encode()).digest(), "<u2") / 65536
    radius = size * (0.18 + 0.17 * words[0])
    y, x = (radius + (size - 2 * radius) * word for word in words[1:3])
    down, across = np.abs(np.arange(size) - y)[:, None], np.abs(np.arange(size) - x)[None, :]
    if _SHAPES[label % len(_SHAPES)] == "disc":
        inside = down**2 + across**2 < radius**2
    elif _SHAPES[label % len(_SHAPES)] == "square":
        inside = np.maximum(down, across) < 0.85 * radius
    else:
        inside = (np.minimum(down, across) < 0.3 * radius) & (np.maximum(down, across) < radius)
    grey = 90 + 80 * words[3] + 60 * (words[4] - 0.5) * (np.arange(size) / size)[:, None]
    ground = np.broadcast_to(grey[..., None], (size, size, 3))
    return np.where(inside[..., None], _colour(label, classes), ground).astype(np.uint8)


def _parse(text: str) -> _Setting:
    values: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in _LIMITS:
            raise unknown_name("setting of synthetic", name, _LIMITS)
        low, high = _LIMITS[name]
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise UsageError(f"{name} of synthetic must be a whole number from {low} to {high}, got {value!r}.")
        values[name] = int(value)
    setting = _Setting(**values)
    if setting.count < setting.classes:
        raise UsageError(f"count of synthetic must be at least classes, got {setting.count} and {setting.classes}.")
    if setting.count * setting.size**2 > _MAX_PIXELS:
        most = _MAX_PIXELS // setting.size**2
        raise UsageError(
            f"synthetic pictures are kept in memory: of size {setting.size} at most {most}, got {setting.count}."
        )
    return setting


_HUES = ("red", "yellow", "green", "cyan", "blue", "magenta")


def _colour(label: int, classes: int) -> Array:
    """Return a colour of full saturation, its hue spread evenly over the classes: float [3], 0...255."""
    hue = 6 * label / classes
    offsets = (np.array([0, 4, 2]) + hue) % 6
    return np.asarray(255 * np.clip(np.abs(offsets - 3) - 1, 0, 1))


def _class_name(label: int, classes: int) -> str:
    shape = _SHAPES[label % len(_SHAPES)]
    hue = 6 * label / classes
    nearest = _HUES[round(hue) % 6]
    # Where there are more classes than hues with a name, the degrees tell them apart.
    return f"{nearest} {shape}" if classes <= 6 else f"{nearest} {shape} {round(60 * hue, 1):g}"
