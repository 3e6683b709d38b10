"""Every operation gives exactly what Pillow gives, or NumPy's model where Pillow has none; eagerly, sizes unknown."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import tensorflow as tf
from augment_models import ARGUMENTS, FILL, GEOMETRIC, PILLOW, cutout, solarize_add
from augment_operations import arguments, as_float32, as_tensors, assert_equal, colours, in_graph, mapped
from augment_pictures import edge_cases, photographs, pictures

from efficientnet_tf.augment import ops

EDGES = ("one pixel", "one row", "one column", "two by two", "noise", "gradient across")


@pytest.mark.parametrize("name", ARGUMENTS)
def test_photographs_equal_pillows_whatever_the_level(name: str) -> None:
    images = photographs()
    first = list(images)[:: len(images) // 2]
    cases = [
        (picture, argument) for picture in images for argument in arguments(name, step=1 if picture in first else 13)
    ]
    expected = [PILLOW[name](images[picture], *as_float32(argument)) for picture, argument in cases]
    assert_equal(name, cases, mapped(getattr(ops, name), images, cases), expected)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_edge_cases_equal_pillows(name: str) -> None:
    images = edge_cases()
    cases = [(picture, argument) for picture in images for argument in arguments(name, step=8)]
    answers = [
        in_graph(name)(tf.constant(images[picture]), *as_tensors(argument, tf.float64)).numpy()
        for picture, argument in cases
    ]
    expected = [PILLOW[name](images[picture], *argument) for picture, argument in cases]
    assert_equal(f"tf.function {name}", cases, answers, expected)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_python_numbers_outside_graphs_equal_pillows(name: str) -> None:
    images = pictures()
    cases = [(picture, argument) for picture in ("fish16-97x131", *EDGES) for argument in arguments(name, step=5)]
    answers = [getattr(ops, name)(images[picture], *argument).numpy() for picture, argument in cases]
    expected = [PILLOW[name](images[picture], *argument) for picture, argument in cases]
    assert_equal(f"eager {name}", cases, answers, expected)


@pytest.mark.parametrize("name", GEOMETRIC)
@pytest.mark.parametrize("dtype", [None, tf.float32, tf.float64])
def test_the_last_bit_of_an_argument_counts(name: str, dtype: tf.DType | None) -> None:
    """Far from the first pixel, the 32nd bit of an argument already decides between two neighbours."""
    generator = np.random.RandomState(1)
    image = generator.randint(0, 256, (400, 500, 3)).astype(np.uint8)
    cases, answers, expected = [], [], []
    for value in generator.uniform(-1, 1, 40) * {"rotate": 180, "shear_x": 1, "shear_y": 1}.get(name, 200):
        argument = (float(value),)
        given = argument[0] if dtype is None else tf.constant(argument[0], dtype)
        cases.append(("noise of 400 x 500", argument))
        answers.append(getattr(ops, name)(tf.constant(image), given).numpy())
        expected.append(PILLOW[name](image, *(as_float32(argument) if dtype == tf.float32 else argument)))
    assert_equal(name, cases, answers, expected)


@pytest.mark.parametrize("pixels", [0.4999999, 0.5, -0.5, -0.5000001, 33.4999999, -20.4999999, 1e6, -1e6])
def test_translation_next_to_half_a_pixel_and_far_away(pixels: float) -> None:
    image = photographs()["bison-97x131"]
    for name in ("translate_x", "translate_y"):
        given = tf.constant(pixels, tf.float64)
        np.testing.assert_array_equal(getattr(ops, name)(image, given), PILLOW[name](image, pixels), err_msg=name)


@pytest.mark.parametrize("name", ["color", "contrast", "brightness", "sharpness"])
@pytest.mark.parametrize("factor", [-0.7, 0.0, 0.1, 1 / 3, 0.64, 1.0, 1.9, 5.14])
def test_colours_blend_as_pillows(name: str, factor: float) -> None:
    image = colours(step=7)
    np.testing.assert_array_equal(getattr(ops, name)(image, factor), PILLOW[name](image, factor))


@pytest.mark.parametrize("mean", range(0, 256, 51))
def test_contrast_blends_every_value_with_a_mean_as_pillow(mean: int) -> None:
    ramp = np.arange(256, dtype=np.uint8)
    # Enough pixels of the mean's grey that the ramp does not move it.
    image = np.concatenate([ramp, np.full(256 * 600, mean, np.uint8)])[:, None, None].repeat(3, axis=-1)
    for factor in (-0.7, 0.1, 1 / 3, 1.9, 5.14):
        expected = PILLOW["contrast"](image, factor)[:256]
        np.testing.assert_array_equal(ops.contrast(image, factor)[:256], expected, err_msg=str(factor))


def test_every_colour_is_as_grey_as_pillows() -> None:
    image = colours(step=3)
    np.testing.assert_array_equal(ops.color(image, 0.0), PILLOW["color"](image, 0.0))


def test_every_range_stretches_as_pillows() -> None:
    for low in range(0, 255, 5):
        for high in range(low + 1, 256, 6):
            image = np.arange(low, high + 1, dtype=np.uint8)[:, None, None].repeat(3, axis=-1)
            expected = PILLOW["auto_contrast"](image)
            answer = in_graph("auto_contrast")(tf.constant(image))
            np.testing.assert_array_equal(answer, expected, err_msg=f"{low}...{high}")


@pytest.mark.parametrize("threshold", [0, 1, 127, 128, 200, 256])
@pytest.mark.parametrize("addition", [-300, -128, 0, 1, 110, 127, 128, 254, 255, 330])
def test_solarize_add_takes_a_threshold(addition: int, threshold: int) -> None:
    image = photographs()["bison-97x131"]
    expected = solarize_add(image, addition, threshold)
    np.testing.assert_array_equal(ops.solarize_add(image, addition, threshold), expected)
    np.testing.assert_array_equal(ops.solarize_add(image, tf.constant(addition), tf.constant(threshold)), expected)


@pytest.mark.parametrize("name", GEOMETRIC)
@pytest.mark.parametrize("fill", [0, 7, 255])
def test_fill_is_what_is_seen_outside(name: str, fill: int) -> None:
    assert inspect.signature(getattr(ops, name)).parameters["fill"].default == FILL
    image = photographs()["hammer3-97x131"]
    argument = {"rotate": 33.0, "shear_x": -0.3, "shear_y": 0.21}.get(name, 40.0)
    answer = getattr(ops, name)(image, argument, fill=fill)
    np.testing.assert_array_equal(answer, PILLOW[name](image, argument, fill))
    assert not np.array_equal(answer, PILLOW[name](image, argument))


@pytest.mark.parametrize("center", [(0, 0), (48, 65), (96, 130), (3, 129), (95, 0)])
@pytest.mark.parametrize("half_size", [0, 1, 20, 40, 100, 300])
@pytest.mark.parametrize("fill", [FILL, 0, "noise"])
def test_cutout(center: tuple[int, int], half_size: int, fill: int | str) -> None:
    image = photographs()["bison-97x131"]
    paint = np.random.RandomState(3).randint(0, 256, image.shape).astype(np.uint8) if fill == "noise" else fill
    expected = cutout(image, center, half_size, paint)
    np.testing.assert_array_equal(ops.cutout(image, center, half_size, fill=paint), expected)
    row, column = center
    answer = in_graph("cutout")(
        tf.constant(image),
        (tf.constant(row), tf.constant(column)),
        tf.constant(half_size),
        fill=tf.cast(paint, tf.uint8),
    )
    np.testing.assert_array_equal(answer, expected)


def test_cutout_of_edge_cases() -> None:
    for name, image in edge_cases().items():
        for half_size in (0, 1, 3):
            center = (image.shape[0] - 1, image.shape[1] // 2)
            expected = cutout(image, center, half_size)
            np.testing.assert_array_equal(ops.cutout(image, center, half_size), expected, err_msg=name)
