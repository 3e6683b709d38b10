"""Resizing against Pillow, and against the arithmetic of TensorFlow 1."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from efficientnet_tf.data.resizing import resize
from efficientnet_tf.data.sources import SAMPLE
from efficientnet_tf.specs import INTERPOLATIONS, Preprocessing

RECORD = Preprocessing(image_size=(224, 224))
PHOTOGRAPHS = sorted(SAMPLE.glob("*/*.jpg"))


def center_of(path: Path) -> np.ndarray:
    """Return the largest square in the middle of a photograph, less an eighth."""
    with Image.open(path) as image:
        side = min(image.size) * 7 // 8
        left, top = (image.width - side) // 2, (image.height - side) // 2
        return np.asarray(image.convert("RGB").crop((left, top, left + side, top + side)))


def pillow(pixels: np.ndarray, size: tuple[int, int], resampling: Image.Resampling) -> np.ndarray:
    """Resize by Pillow, first horizontally: since version 13 it begins with the other axis where an image is tall."""
    height, width = size
    narrow = Image.fromarray(pixels).resize((width, len(pixels)), resampling)
    return np.asarray(narrow.resize((width, height), resampling)).astype(int)


@pytest.mark.parametrize("size", [64, 224, 300])
def test_bicubic_is_pillows(size: int) -> None:
    record = Preprocessing(image_size=(size, size))
    levels = np.zeros(256, np.int64)
    for path in PHOTOGRAPHS:
        pixels = center_of(path)
        difference = resize(tf.constant(pixels), record).numpy() - pillow(
            pixels, (size, size), Image.Resampling.BICUBIC
        )
        levels += np.bincount(np.abs(difference).ravel(), minlength=256)
    # Pillow's weights are fixed-point numbers, TensorFlow's float32: a value halfway between two levels may be rounded
    # to either in each of the two passes. One level in less than a value of a thousand, two in one of a million.
    assert levels[1] / levels.sum() < 1e-3
    assert levels[2] / levels.sum() < 1e-6
    assert levels[3:].sum() == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 200), (200, 2), (224, 224)])
def test_bicubic_of_odd_shapes_is_pillows(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    record = Preprocessing(image_size=(40, 30))
    expected = pillow(pixels, (40, 30), Image.Resampling.BICUBIC)
    assert np.abs(resize(tf.constant(pixels), record).numpy() - expected).max() <= 1


def test_bilinear_is_pillows() -> None:
    # In one pass here, without rounding between the axes.
    record = dataclasses.replace(RECORD, interpolation="bilinear")
    for path in PHOTOGRAPHS[::10]:
        pixels = center_of(path)
        expected = pillow(pixels, (224, 224), Image.Resampling.BILINEAR)
        assert np.abs(resize(tf.constant(pixels), record).numpy() - expected).max() <= 1


def tf1_weights(size: int, target: int) -> np.ndarray:
    """Return [target, size] weights of the bicubic kernel of TensorFlow 1, from its description.

    Cubic convolution (Keys 1981) with a = -0.75, sampled at multiples of the scale, without antialiasing; beyond the
    edge the last pixel is repeated. The distance is rounded to one of the 1,024 steps of a table.
    """
    a, matrix = -0.75, np.zeros((target, size))
    scale = np.float32(size) / np.float32(target)
    for row in range(target):
        position = np.float32(row) * scale
        first = int(np.floor(position))
        step = np.rint((position - np.float32(first)) * np.float32(1024)) / 1024
        for offset in (-1, 0, 1, 2):
            x = abs(step - offset)
            near = (a + 2) * x**3 - (a + 3) * x**2 + 1
            far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
            matrix[row, np.clip(first + offset, 0, size - 1)] += near if x <= 1 else far
    return matrix


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((20, 20), (14, 14)),
        ((14, 20), (31, 47)),
        ((280, 224), (224, 280)),
        ((375, 500), (224, 224)),
        ((60, 60), (60, 60)),
    ],
    ids=["smaller", "larger", "both", "photograph", "same"],
)
def test_tf1_bicubic_is_the_kernel_of_tensorflow_1(shape: tuple[int, int], target: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    record = Preprocessing(image_size=target, interpolation="tf1_bicubic")
    rows, columns = (tf1_weights(*sizes) for sizes in zip(shape, target, strict=True))
    exact = np.clip(np.einsum("yh,xw,hwc->yxc", rows, columns, pixels.astype(float), optimize=True), 0, 255)
    result = resize(tf.constant(pixels), record).numpy()
    # Noise is the worst case. What is computed in float32 may differ in the fifth digit, and so be rounded otherwise
    # where it lies between two levels.
    differs = result != np.floor(exact + 0.5)
    assert np.abs(result - exact).max() < 0.501
    assert differs.mean() < 1e-3


def test_tf1_bicubic_keeps_a_picture_of_the_right_size() -> None:
    pixels = center_of(PHOTOGRAPHS[0])
    record = Preprocessing(image_size=pixels.shape[:2], interpolation="tf1_bicubic")
    np.testing.assert_array_equal(resize(tf.constant(pixels), record), pixels)


def test_interpolations_differ() -> None:
    pixels = tf.constant(center_of(PHOTOGRAPHS[0]))
    # Smaller, since antialiasing is for that.
    records = [Preprocessing(image_size=(64, 64), interpolation=name) for name in INTERPOLATIONS]
    images = [resize(pixels, record).numpy() for record in records]
    for one in range(len(INTERPOLATIONS)):
        assert images[one].shape == (64, 64, 3)
        assert images[one].dtype == np.uint8
        for other in range(one):
            assert np.abs(images[one].astype(int) - images[other]).max() > 5


def test_the_interpolation_is_part_of_the_record() -> None:
    for name in INTERPOLATIONS:
        record = dataclasses.replace(RECORD, interpolation=name)
        assert record.to_json()["interpolation"] == name
        assert Preprocessing.from_json(record.to_json()) == record
