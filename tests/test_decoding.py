"""Decoding, cropping and resizing, against Pillow, against the official formulas, and against reference pixels."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import skimage
import tensorflow as tf
from PIL import Image

from efficientnet_tf.data.decoding import (
    decode_and_crop,
    random_resized_crop,
    random_resized_crop_pixels,
    resize_crop,
)
from efficientnet_tf.data.sources import SAMPLE
from efficientnet_tf.specs import Preprocessing

RECORD = Preprocessing(image_size=(224, 224))
PHOTOGRAPHS = sorted(SAMPLE.glob("*/*.jpg"))
GOLDEN = Path(__file__).with_name("golden") / "lite0_reference.npz"


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def window(height: int, width: int, size: int, padding: int) -> tuple[int, int, int]:
    """Return (y, x, side) of the official centre crop, in Python's arithmetic."""
    side = int(size / (size + padding) * min(height, width))
    return (height - side + 1) // 2, (width - side + 1) // 2, side


def encode(pixels: np.ndarray, kind: str, mode: str = "RGB") -> tf.Tensor:
    data = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(data, kind)
    return tf.constant(data.getvalue())


def unresized(height: int, width: int) -> Preprocessing:
    """Return the record that takes the centre as it is, if it is `height` by `width` after a crop without padding."""
    return Preprocessing(image_size=(height, width), crop_padding=0)


@pytest.mark.parametrize("name", ["coffee.png", "chelsea.png"])
def test_reference_pixels(name: str) -> None:
    with np.load(GOLDEN) as reference:
        expected = reference["images_uint8"][list(reference["files"]).index(name)].astype(int)
    data = (Path(skimage.__file__).parent / "data" / name).read_bytes()
    difference = np.abs(decode_and_crop(tf.constant(data), RECORD).numpy() - expected)
    assert difference.max() <= 1
    assert np.mean(difference) < 1e-3


@pytest.mark.parametrize("size", [224, 240, 260, 300, 380, 600])
def test_center_crop_is_the_official_one(size: int) -> None:
    """Pixels that hold their own place tell which window was taken, in photographs of many shapes."""
    rng = np.random.default_rng(size)
    for height, width in [(size + 32, size + 32), (1, 1), (1, 50), *rng.integers(2, 700, (12, 2))]:
        y, x, side = window(height, width, size, 32)
        side = max(side, 1)
        y, x = (height - side + 1) // 2, (width - side + 1) // 2
        rows, columns = np.mgrid[:height, :width]
        pixels = np.stack([rows % 256, columns % 256, rows // 256 * 16 + columns // 256], axis=-1).astype(np.uint8)
        expected = Image.fromarray(pixels[y : y + side, x : x + side]).resize((size, size), Image.Resampling.BICUBIC)
        result = resize_crop(pixels, Preprocessing(image_size=(size, size))).numpy()
        assert np.abs(result.astype(int) - np.asarray(expected)).max() <= 1, (height, width)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_pixels_and_bytes_give_the_same_picture(kind: str) -> None:
    data = encode(pixels_of(PHOTOGRAPHS[3]), kind)
    with Image.open(io.BytesIO(data.numpy())) as image:
        pixels = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(decode_and_crop(data, RECORD), resize_crop(pixels, RECORD))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_cropping_while_decoding_equals_cropping_afterwards(subsampling: int) -> None:
    """To the edges of the crop, where colours are interpolated from outside; wherever it lies among the blocks."""
    data = io.BytesIO()
    Image.fromarray(pixels_of(PHOTOGRAPHS[0])[:90, :120]).save(data, "JPEG", subsampling=subsampling, quality=90)
    with Image.open(data) as image:
        pixels = np.asarray(image)
    for padding in range(0, 60):
        record = Preprocessing(image_size=(30, 30), crop_padding=padding)
        np.testing.assert_array_equal(
            decode_and_crop(tf.constant(data.getvalue()), record), resize_crop(pixels, record), err_msg=str(padding)
        )


def test_targets_that_are_not_square() -> None:
    pixels = pixels_of(PHOTOGRAPHS[0])
    assert pixels.shape == (240, 320, 3)
    # 2:1 in 320 x 240 is 320 x 160, of which 100 / (100 + 25) are taken: 256 x 128, from (56, 32).
    record = Preprocessing(image_size=(100, 200), crop_padding=25)
    expected = Image.fromarray(pixels[56:184, 32:288]).resize((200, 100), Image.Resampling.BICUBIC)
    assert np.abs(resize_crop(pixels, record).numpy().astype(int) - np.asarray(expected)).max() <= 1
    upright = dataclasses.replace(record, image_size=(200, 100))
    assert resize_crop(pixels, upright).shape == (200, 100, 3)
    for seed in range(3):
        assert random_resized_crop(encode(pixels, "PNG"), upright, tf.constant([0, seed])).shape == (200, 100, 3)


def test_not_an_image() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="the bytes are not a JPEG, PNG, BMP, GIF or WebP image"):
        decode_and_crop(tf.constant(b"<html></html>"), RECORD)


# Random crops

SMALL = Preprocessing(image_size=(16, 16))


def places(kind: str, count: int, **options: tuple[float, float]) -> np.ndarray:
    """Return [count, 4] crops, as y, x, height, width in parts of the image, read off a picture of its own places."""
    grid = np.linspace(0, 255, 256)
    pixels = np.stack(np.broadcast_arrays(grid[:, None], grid[None, :], 0.0), axis=-1).astype(np.uint8)
    data = encode(pixels, kind)
    crop = tf.function(lambda seed: random_resized_crop(data, SMALL, seed, **options))
    rows = []
    for number in range(count):
        image = crop(tf.constant([1, number])).numpy().astype(float) / 256
        height, width = (abs(last - first) / 15 * 16 for first, last in (image[[0, 15], 8, 0], image[8, [0, 15], 1]))
        rows.append((image[:, :, 0].min(), image[:, :, 1].min(), height, width))
    return np.array(rows)


def test_random_crops_have_the_official_sizes() -> None:
    found = places("PNG", 300)
    area, aspect = found[:, 2] * found[:, 3], found[:, 3] / found[:, 2]
    assert 0.09 < area.min() < 0.2
    assert 0.85 < area.max() < 1.01
    assert 0.73 < aspect.min() < 0.8
    assert 1.25 < aspect.max() < 1.38
    # Neither always at the top nor always on the left.
    assert np.all(found[:, :2].max(axis=0) > 0.3)


def test_smallest_crop_is_an_argument() -> None:
    assert (places("PNG", 60, area=(0.7, 1.0))[:, 2:].prod(axis=1)).min() > 0.69


def test_half_of_the_random_crops_are_mirrored() -> None:
    pixels = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (256, 256, 3))
    data = encode(pixels, "PNG")
    mirrored = []
    for number in range(200):
        image = random_resized_crop(data, SMALL, tf.constant([2, number])).numpy().astype(int)
        mirrored.append(image[8, 0, 0] > image[8, 15, 0])
    assert 70 < sum(mirrored) < 130


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_the_same_seed_gives_the_same_crop(dtype: tf.DType) -> None:
    data = tf.constant(PHOTOGRAPHS[0].read_bytes())
    one, again, other = (random_resized_crop(data, RECORD, tf.constant([5, n], dtype)).numpy() for n in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).mean() > 0.5


def test_jpeg_and_png_give_the_same_random_crop() -> None:
    jpeg = tf.constant(PHOTOGRAPHS[0].read_bytes())
    png = encode(pixels_of(PHOTOGRAPHS[0]), "PNG")
    for number in range(20):
        seed = tf.constant([3, number])
        np.testing.assert_array_equal(random_resized_crop(jpeg, RECORD, seed), random_resized_crop(png, RECORD, seed))


@pytest.mark.parametrize("shape", [(28, 28), (90, 120)])
def test_pixels_and_png_give_the_same_random_crop(shape: tuple[int, int]) -> None:
    pixels = pixels_of(PHOTOGRAPHS[0])[: shape[0], : shape[1]]
    png = encode(pixels, "PNG")
    for number in range(20):
        seed, area = tf.constant([3, number]), (0.3, 1.0)
        np.testing.assert_array_equal(
            random_resized_crop_pixels(pixels, SMALL, seed, area=area),
            random_resized_crop(png, SMALL, seed, area=area),
        )


def test_where_no_crop_fits_the_centre_is_taken() -> None:
    """No part of a line has an aspect ratio near 1 and a tenth of its area."""
    line = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (1, 200, 3))
    expected = resize_crop(line, SMALL).numpy()
    for number in range(4):
        image = random_resized_crop(encode(line, "PNG"), SMALL, tf.constant([0, number])).numpy()
        assert np.array_equal(image, expected) or np.array_equal(image[:, ::-1], expected)
