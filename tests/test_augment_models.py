"""The two references of `legacy=True` agree: NumPy's models, and the official arithmetic run by TensorFlow."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from augment_models import LEGACY, LEGACY_ARGUMENTS, PILLOW, cutout
from augment_pictures import edge_cases, photographs
from official_augmentation import OFFICIAL

EVERY_BYTE = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=-1)
INEXACT = ("sharpness", "rotate")
CHOSEN = {**edge_cases(), "fish16-97x131": photographs()["fish16-97x131"]}


def answers(name: str, step: int = 7) -> list[tuple[str, tuple[float, ...], np.ndarray, np.ndarray]]:
    """Return picture, argument, NumPy's answer and TensorFlow's, for every picture and every `step`th argument."""
    arguments = [()] if LEGACY_ARGUMENTS[name] is None else [(value,) for value in LEGACY_ARGUMENTS[name][::step]]
    return [
        (picture, argument, LEGACY[name](image, *argument), OFFICIAL[name](tf.constant(image), *argument).numpy())
        for picture, image in CHOSEN.items()
        # The official Sharpness fails on fewer than 3 rows or columns.
        if name != "sharpness" or min(image.shape[:2]) >= 3
        for argument in arguments
    ]


def test_every_operation_has_both() -> None:
    assert set(OFFICIAL) == {*LEGACY, "cutout"}
    assert set(PILLOW) == set(LEGACY) == set(LEGACY_ARGUMENTS)


@pytest.mark.parametrize("name", sorted(set(LEGACY) - set(INEXACT)))
def test_models_are_the_official_arithmetic(name: str) -> None:
    for picture, argument, model, official in answers(name):
        np.testing.assert_array_equal(model, official, err_msg=f"{name}{argument} of {picture}")


def test_sharpness_is_the_official_arithmetic_but_for_the_order_of_its_sum() -> None:
    shares = []
    for picture, (factor,), model, official in answers("sharpness"):
        difference = np.abs(model.astype(int) - official)
        # One grey level of the smoothed picture, blended.
        assert difference.max() <= math.ceil(abs(1 - factor)), f"{factor} of {picture}"
        shares.append(np.mean(difference > 0))
    assert np.mean(shares) < 0.1


def test_rotate_is_the_official_arithmetic_but_for_the_last_digit_of_its_cosine() -> None:
    moved = [np.mean((model != official).any(axis=-1)) for _, _, model, official in answers("rotate")]
    # A pixel whose place lies half-way between two may come from the other one.
    assert np.mean(moved) < 1e-4


@pytest.mark.parametrize(("bits", "shift"), [(0, 7), (1, 7), (2, 6), (8, 0), (9, 7), (11, 7), (12, 7)])
def test_a_shift_beyond_7_is_one_of_7(bits: int, shift: int) -> None:
    posterized = OFFICIAL["posterize"](tf.constant(EVERY_BYTE), bits).numpy()
    np.testing.assert_array_equal(posterized, EVERY_BYTE >> shift << shift)


@pytest.mark.parametrize(("threshold", "compared"), [(0, 0), (255, 255), (256, 0), (307, 51), (768, 0)])
@pytest.mark.parametrize("in_graph", [False, True])
def test_a_threshold_above_255_loses_its_higher_bits(threshold: int, compared: int, in_graph: bool) -> None:
    def solarized(image: tf.Tensor) -> tf.Tensor:
        return OFFICIAL["solarize"](image, threshold)

    image = EVERY_BYTE
    answer = (tf.function(solarized) if in_graph else solarized)(tf.constant(image)).numpy()
    np.testing.assert_array_equal(answer, np.where(image < compared, image, 255 - image))


@pytest.mark.parametrize(
    ("height", "width", "mean"), [(224, 224, 196), (97, 131, 49), (256, 256, 255), (300, 300, 255)]
)
def test_the_official_mean_is_the_number_of_pixels(height: int, width: int, mean: int) -> None:
    black = tf.zeros([height, width, 3], tf.uint8)
    np.testing.assert_array_equal(np.unique(OFFICIAL["contrast"](black, 1e-6)), [mean - 1])
    np.testing.assert_array_equal(np.unique(OFFICIAL["contrast"](black, 0)), [mean])


def test_every_colour_has_the_official_grey() -> None:
    # All 256 ** 3 colours agree; these are every fifth value of each channel.
    values = np.arange(0, 256, 5, dtype=np.uint8)
    colours = np.stack(np.meshgrid(values, values, values), axis=-1).reshape(values.size, -1, 3)
    np.testing.assert_array_equal(LEGACY["color"](colours, 0), OFFICIAL["color"](tf.constant(colours), 0))


def test_the_official_grey_is_at_most_one_level_darker_than_pillows() -> None:
    values = np.arange(0, 256, 5, dtype=np.uint8)
    colours = np.stack(np.meshgrid(values, values, values), axis=-1).reshape(values.size, -1, 3)
    official = LEGACY["color"](colours, 0).astype(int)
    np.testing.assert_array_equal(np.unique(PILLOW["color"](colours, 0) - official), [0, 1])


@pytest.mark.parametrize("center", [(0, 0), (48, 65), (96, 130), (3, 129)])
@pytest.mark.parametrize("half_size", [0, 1, 20, 40, 100])
def test_cutout_is_the_official_arithmetic(center: tuple[int, int], half_size: int) -> None:
    image = photographs()["bison-97x131"]
    official = OFFICIAL["cutout"](tf.constant(image), center, half_size)
    np.testing.assert_array_equal(cutout(image, center, half_size), official)
