"""What every operation leaves alone, undoes or fills: laws that hold whatever the reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from augment_pictures import OBLONG, edge_cases, photographs, pictures

from efficientnet_tf.augment import ops

FILL = 128
NOTHING_CHANGES: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "invert, twice": lambda image: ops.invert(ops.invert(image)),
    "posterize to 8 bits": lambda image: ops.posterize(image, 8),
    "solarize from 256": lambda image: ops.solarize(image, 256),
    "solarize_add of 0": lambda image: ops.solarize_add(image, 0),
    "solarize_add below 0": lambda image: ops.solarize_add(image, 100, threshold=0),
    "color 1": lambda image: ops.color(image, 1.0),
    "contrast 1": lambda image: ops.contrast(image, 1.0),
    "brightness 1": lambda image: ops.brightness(image, 1.0),
    "sharpness 1": lambda image: ops.sharpness(image, 1.0),
    "rotate by 0": lambda image: ops.rotate(image, 0.0),
    "rotate by 360": lambda image: ops.rotate(image, 360.0),
    "rotate by -720": lambda image: ops.rotate(image, -720.0),
    "rotate by 180, twice": lambda image: ops.rotate(ops.rotate(image, 180.0), 180.0),
    "shear_x by 0": lambda image: ops.shear_x(image, 0.0),
    "shear_y by 0": lambda image: ops.shear_y(image, 0.0),
    "translate_x by 0": lambda image: ops.translate_x(image, 0.0),
    "translate_y by 0": lambda image: ops.translate_y(image, 0),
    "translate_x by less than half a pixel": lambda image: ops.translate_x(image, 0.49),
    "cutout of nothing": lambda image: ops.cutout(image, (0, 0), 0),
}
SAME: dict[str, tuple[Callable[[tf.Tensor], tf.Tensor], Callable[[np.ndarray], np.ndarray]]] = {
    "solarize from 0 inverts": (lambda image: ops.solarize(image, 0), lambda image: 255 - image),
    "brightness 0 is black": (lambda image: ops.brightness(image, 0.0), np.zeros_like),
    "brightness below 0 is black": (lambda image: ops.brightness(image, -1.0), np.zeros_like),
    "rotate by 180 turns over": (lambda image: ops.rotate(image, 180.0), lambda image: image[::-1, ::-1]),
    "translate_x far away": (lambda image: ops.translate_x(image, 1000.0), lambda image: np.full_like(image, FILL)),
    "translate_y far away": (lambda image: ops.translate_y(image, -1000.0), lambda image: np.full_like(image, FILL)),
    "cutout of everything": (lambda image: ops.cutout(image, (0, 0), 10_000), lambda image: np.full_like(image, FILL)),
    "solarize_add of 255": (
        lambda image: ops.solarize_add(image, 255),
        lambda image: np.where(image < 128, np.uint8(255), image),
    ),
}


@pytest.mark.parametrize("law", NOTHING_CHANGES)
def test_nothing_changes(law: str) -> None:
    for name, image in pictures().items():
        np.testing.assert_array_equal(NOTHING_CHANGES[law](tf.constant(image)), image, err_msg=name)


@pytest.mark.parametrize("law", SAME)
def test_same(law: str) -> None:
    answer, expected = SAME[law]
    for name, image in pictures().items():
        np.testing.assert_array_equal(answer(tf.constant(image)), expected(image), err_msg=name)


@pytest.mark.parametrize("operation", [ops.auto_contrast, ops.equalize])
@pytest.mark.parametrize("value", [0, 1, 128, 255])
def test_one_value_has_no_histogram_to_stretch(operation: Callable[[tf.Tensor], tf.Tensor], value: int) -> None:
    image = np.full((7, 5, 3), value, np.uint8)
    np.testing.assert_array_equal(operation(image), image)


def test_auto_contrast_reaches_both_ends_of_every_channel() -> None:
    for name, image in photographs().items():
        answer = ops.auto_contrast(image).numpy()
        np.testing.assert_array_equal(answer.min(axis=(0, 1)), 0, err_msg=name)
        # 254 where (high - low) * (255 / (high - low)) falls short of 255, as it may in Pillow too.
        assert (answer.max(axis=(0, 1)) >= 254).all(), name


def test_channels_are_equalized_each_for_itself() -> None:
    image = photographs()["bison-97x131"]
    answer = ops.equalize(image).numpy()
    for channel in range(3):
        alone = image[..., channel : channel + 1].repeat(3, axis=-1)
        np.testing.assert_array_equal(ops.equalize(alone)[..., channel], answer[..., channel])


def test_grey_pictures_have_no_colour_to_lose() -> None:
    grey = edge_cases()["gradient across"]
    for factor in (0.0, 0.3, 1.9, 5.14):
        np.testing.assert_array_equal(ops.color(grey, factor), grey)


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (-90, 3), (270, 3), (450, 1)])
def test_rotate_turns_counter_clockwise(degrees: int, turns: int) -> None:
    for name in ("bison-224x224", "fish16-224x224"):
        image = photographs()[name]
        np.testing.assert_array_equal(ops.rotate(image, float(degrees)), np.rot90(image, turns))
        np.testing.assert_array_equal(ops.rotate(image, degrees), np.rot90(image, turns))


@pytest.mark.parametrize("pixels", [1, 40, -1, -130])
def test_translate_takes_from_that_many_pixels_on(pixels: int) -> None:
    height, width = OBLONG
    image = photographs()["hammer3-97x131"]
    across = np.full_like(image, FILL)
    across[:, max(0, -pixels) : width - max(0, pixels)] = image[:, max(0, pixels) : width - max(0, -pixels)]
    np.testing.assert_array_equal(ops.translate_x(image, pixels), across)
    if abs(pixels) < height:
        down = np.full_like(image, FILL)
        down[max(0, -pixels) : height - max(0, pixels)] = image[max(0, pixels) : height - max(0, -pixels)]
        np.testing.assert_array_equal(ops.translate_y(image, pixels), down)


def test_across_and_down_are_one_another_transposed() -> None:
    image = photographs()["aulaPalatina-97x131"]
    for across, down, argument in ((ops.shear_x, ops.shear_y, -0.27), (ops.translate_x, ops.translate_y, 33.4)):
        turned = tf.transpose(down(np.ascontiguousarray(image.swapaxes(0, 1)), argument), [1, 0, 2])
        np.testing.assert_array_equal(across(image, argument), turned)


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterize_keeps_that_many_bits(bits: int) -> None:
    ramp = np.arange(256, dtype=np.uint8)[:, None, None].repeat(3, axis=-1)
    answer = ops.posterize(ramp, bits).numpy()
    assert np.unique(answer).size == 2**bits
    assert (ramp.astype(int) - answer < 2 ** (8 - bits)).all()


@pytest.mark.parametrize(
    ("first", "end"),
    [
        ((0, 0), (97, 131)),
        ((10, 20), (11, 21)),
        ((-5, 100), (5, 200)),
        ((90, -9), (99, 9)),
        ((40, 50), (40, 60)),
        ((9, 9), (3, 3)),
    ],
)
@pytest.mark.parametrize("fill", [FILL, "noise"])
def test_fill_rectangle(first: tuple[int, int], end: tuple[int, int], fill: int | str) -> None:
    image = photographs()["bison-97x131"]
    paint = ops.noise(image.shape, tf.constant([1, 2])) if fill == "noise" else fill
    expected = image.copy()
    where = tuple(slice(max(0, start), max(0, stop)) for start, stop in zip(first, end, strict=True))
    expected[where] = np.broadcast_to(paint, image.shape)[where]
    answer = ops.fill_rectangle(image, tf.constant(first), tf.constant(end), fill=paint)
    np.testing.assert_array_equal(answer, expected)


def test_noise_is_even_and_follows_from_its_seed() -> None:
    one = ops.noise([97, 131, 3], tf.constant([1, 2])).numpy()
    assert (one.dtype, one.shape) == (np.uint8, (97, 131, 3))
    np.testing.assert_array_equal(ops.noise([97, 131, 3], tf.constant([1, 2])), one)
    assert np.mean(ops.noise([97, 131, 3], tf.constant([1, 3])).numpy() != one) > 0.99
    counts = np.bincount(one.ravel(), minlength=256)
    # Of 149 expected: six standard deviations.
    assert 75 < counts.min() <= counts.max() < 225
