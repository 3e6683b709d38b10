"""Operations with `legacy=True` beside the official arithmetic, and what the official code does otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pytest
import tensorflow as tf
from augment_models import LEGACY, LEGACY_ARGUMENTS, PILLOW
from augment_operations import as_tensors, colours, in_graph, official_form, takes_legacy
from augment_pictures import edge_cases, photographs
from official_augmentation import OFFICIAL

from efficientnet_tf.augment import ops

EXACT = (
    *("equalize", "invert", "brightness", "solarize_add", "posterize", "solarize", "contrast", "color"),
    *("shear_x", "shear_y", "translate_x", "translate_y"),
)
TWO_PHOTOGRAPHS = {name: photographs()[name] for name in ("bison-224x224", "fish16-97x131")}
CHOSEN = {**edge_cases(), **TWO_PHOTOGRAPHS}

Answer = tuple[str, tuple[float, ...], np.ndarray, np.ndarray]


def answers(name: str, step: int = 7, pictures: Mapping[str, np.ndarray] = CHOSEN) -> Iterator[Answer]:
    """Yield picture, argument, the operation's answer in its official form, and the official one."""
    values = LEGACY_ARGUMENTS[name]
    for argument in [()] if values is None else [(value,) for value in values[::step]]:
        for picture, image in pictures.items():
            # The official Sharpness fails on fewer than 3 rows or columns.
            if name != "sharpness" or min(image.shape[:2]) >= 3:
                answer = in_graph(name, official=True)(tf.constant(image), *as_tensors(argument)).numpy()
                yield picture, argument, answer, OFFICIAL[name](tf.constant(image), *argument).numpy()


def test_who_takes_legacy() -> None:
    alike = {"auto_contrast", "equalize", "invert", "brightness", "solarize_add", "cutout"}
    assert {name for name in OFFICIAL if not takes_legacy(name)} == alike


@pytest.mark.parametrize("name", EXACT)
def test_values_are_those_of_the_official_code(name: str) -> None:
    for picture, argument, answer, official in answers(name, step=1 if name in ("posterize", "solarize") else 5):
        np.testing.assert_array_equal(answer, official, err_msg=f"{name}{argument} of {picture}")


def test_color_is_the_official_one_for_every_third_value_of_each_channel() -> None:
    image = colours(step=3)
    for factor in (0.0, 0.1, 0.64, 1.0, 1.9, 5.14):
        official = OFFICIAL["color"](tf.constant(image), factor)
        np.testing.assert_array_equal(official_form("color")(image, factor), official)


def test_rotate_is_the_official_one_but_for_a_pixel_half_way_between_two() -> None:
    differing = [(answer != official).any(axis=-1) for _, _, answer, official in answers("rotate", step=3)]
    assert max(map(np.sum, differing)) <= 1
    assert sum(map(np.sum, differing)) <= 3


def test_sharpness_is_one_level_of_the_smoothed_picture_off_at_most() -> None:
    differing = []
    for picture, (factor,), answer, official in answers("sharpness"):
        difference = np.abs(answer.astype(int) - official)
        assert difference.max() <= math.ceil(abs(1 - factor)), f"{factor} of {picture}"
        differing.append(np.mean(difference > 0))
    assert np.mean(differing) < 0.1


def test_auto_contrast_is_the_official_one_but_for_its_32_bits() -> None:
    differences = [np.abs(answer.astype(int) - official) for _, _, answer, official in answers("auto_contrast")]
    assert max(difference.max() for difference in differences) <= 1
    assert np.mean([np.mean(difference > 0) for difference in differences]) < 0.01


@pytest.mark.parametrize("name", ["color", "contrast", "sharpness", "shear_x", "shear_y"])
def test_the_official_form_differs_from_pillow(name: str) -> None:
    image = photographs()["bison-224x224"]
    expected = PILLOW[name](image, 0.3)
    assert not np.array_equal(official_form(name)(image, 0.3), expected)
    np.testing.assert_array_equal(getattr(ops, name)(image, 0.3, legacy=False), expected)


def test_contrast_takes_the_number_of_pixels_for_a_mean() -> None:
    for height, width, mean in ((224, 224, 196), (97, 131, 49), (256, 256, 255), (99, 999, 255), (1, 1, 0)):
        black = tf.zeros([height, width, 3], tf.uint8)
        np.testing.assert_array_equal(np.unique(ops.contrast(black, 0.0, legacy=True)), [mean])
        np.testing.assert_array_equal(np.unique(ops.contrast(black, 0.0)), [0])


@pytest.mark.parametrize(("bits", "kept"), [(-3, 0), (0, 0), (8, 8), (9, 8), (12, 8)])
def test_bits_out_of_range_are_brought_inside(bits: int, kept: int) -> None:
    """The official code leaves one bit of all of these but 8: of 0, and of the 9 that magnitude 23 asks for."""
    image = CHOSEN["gradient across"]
    expected = image if kept == 8 else np.zeros_like(image)
    for given in (bits, tf.constant(bits)):
        np.testing.assert_array_equal(ops.posterize(image, given), expected)
    assert np.unique(LEGACY["posterize"](image, bits)).size == (256 if bits == 8 else 2)


@pytest.mark.parametrize(("threshold", "inverted"), [(-5, True), (0, True), (256, False), (307, False), (768, False)])
def test_thresholds_out_of_range_are_brought_inside(threshold: int, inverted: bool) -> None:
    """The official code takes 256 for 0, and 307 for 51."""
    image = CHOSEN["gradient across"]
    for given in (threshold, tf.constant(threshold)):
        np.testing.assert_array_equal(ops.solarize(image, given), 255 - image if inverted else image)
