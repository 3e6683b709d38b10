"""The same in graphs that know an image's sizes, where operations are compiled into one kernel."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from augment_models import ARGUMENTS, FILL, PILLOW, cutout
from augment_operations import arguments, as_float32, as_tensors, assert_equal, colours, mapped
from augment_pictures import OBLONG, SQUARE, edge_cases, photographs

from efficientnet_tf.augment import ops

FEW_PIXELS = ("one pixel", "two rows", "noise")
FACTORS = (-0.7, 0.0, 0.1, 1 / 3, 0.64, 1.0, 1.9, 5.14)


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("size", [SQUARE, OBLONG], ids=lambda size: f"{size[0]}x{size[1]}")
def test_photographs_equal_pillows_whatever_the_level(name: str, size: tuple[int, int]) -> None:
    images = {picture: image for picture, image in photographs().items() if image.shape[:2] == size}
    cases = [
        (picture, argument)
        for number, picture in enumerate(images)
        for argument in arguments(name, step=13 if number else 1)
    ]
    expected = [PILLOW[name](images[picture], *as_float32(argument)) for picture, argument in cases]
    assert_equal(name, cases, mapped(getattr(ops, name), images, cases, (*size, 3)), expected)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_few_pixels_equal_pillows(name: str) -> None:
    images = edge_cases()
    function = tf.function(getattr(ops, name), autograph=False)
    cases = [(picture, argument) for picture in FEW_PIXELS for argument in arguments(name, step=9)]
    answers = [
        function(tf.constant(images[picture]), *as_tensors(argument, tf.float64)).numpy() for picture, argument in cases
    ]
    expected = [PILLOW[name](images[picture], *argument) for picture, argument in cases]
    assert_equal(name, cases, answers, expected)


@pytest.mark.parametrize("name", ["color", "contrast", "brightness", "sharpness"])
def test_colours_blend_as_pillows(name: str) -> None:
    """A product and a sum that the processor does as one are rounded once, Pillow's twice."""
    images = {"all colours": colours(step=5)}
    cases = [("all colours", (factor,)) for factor in FACTORS]
    expected = [PILLOW[name](images["all colours"], *as_float32(argument)) for _, argument in cases]
    answers = mapped(getattr(ops, name), images, cases, images["all colours"].shape)
    assert_equal(name, cases, answers, expected)


def test_every_colour_is_as_grey_as_pillows() -> None:
    image = colours(step=3)
    grey = tf.function(lambda image: ops.color(image, 0.0), autograph=False)(tf.constant(image))
    np.testing.assert_array_equal(grey, PILLOW["color"](image, 0.0))


def test_every_range_stretches_as_pillows() -> None:
    stretched = tf.function(ops.auto_contrast, autograph=False)
    for low in range(0, 255, 5):
        for high in range(low + 1, 256, 6):
            # The ends of the range, and as many values between them as the picture has pixels.
            image = np.linspace(low, high, 64).astype(np.uint8).reshape(8, 8, 1).repeat(3, axis=-1)
            expected = PILLOW["auto_contrast"](image)
            np.testing.assert_array_equal(stretched(tf.constant(image)), expected, err_msg=f"{low}...{high}")


@pytest.mark.parametrize("fill", [FILL, "noise"])
def test_cutout(fill: int | str) -> None:
    image = photographs()["bison-97x131"]
    paint = np.random.RandomState(3).randint(0, 256, image.shape).astype(np.uint8) if fill == "noise" else fill
    function = tf.function(lambda *given: ops.cutout(*given, fill=paint), autograph=False)
    for row, column, half_size in ((0, 0, 20), (48, 65, 40), (96, 130, 1), (3, 129, 300), (95, 0, 0)):
        answer = function(tf.constant(image), (tf.constant(row), tf.constant(column)), tf.constant(half_size))
        np.testing.assert_array_equal(answer, cutout(image, (row, column), half_size, paint))


def test_python_numbers_are_constants_of_the_graph() -> None:
    image = edge_cases()["noise"]
    for name in ARGUMENTS:
        argument = arguments(name)[-1]
        function = tf.function(lambda image, name=name, argument=argument: getattr(ops, name)(image, *argument))
        answer = function(tf.constant(image))
        assert (answer.shape, answer.dtype) == (image.shape, tf.uint8)
        np.testing.assert_array_equal(answer, PILLOW[name](image, *argument), err_msg=name)
