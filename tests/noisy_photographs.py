"""Small pictures that hardly differ, for trainings whose result does not matter but whose every bit does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("blue", "green", "red")

#: Settings of the smallest network that has every kind of layer, for these photographs.
TINY = {
    "variant": "lite0",
    "width": 0.2,
    "depth": 0.5,
    "weights": "none",
    "image_size": 32,
    "batch_size": 8,
    "recipe": "scratch",
    "learning_rate": 0.01,
}


def write_photographs(folder: Path, *, train: int = 13, validation: int = 3) -> Path:
    """Write noise with a cast of three colours: so many of each to train and to validate on."""
    generator = np.random.default_rng(0)
    for split, count in (("train", train), ("val", validation)):
        for index, name in enumerate(CLASSES):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 200, (40, 40, 3), dtype=np.uint8)
                pixels[..., index] += 50
                Image.fromarray(pixels).save(folder / split / name / f"{number}.png")
    return folder
