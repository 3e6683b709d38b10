"""Cutout and random erasing: what is hidden, where, how often, and what is there instead."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from augment_choices import assert_distributed, assert_frequencies, seeds
from augment_pictures import photographs

from efficientnet_tf.augment import augmenter
from efficientnet_tf.augment.hiding import Erase
from efficientnet_tf.augment.policies.grammar import Erasing

Array = np.ndarray[Any, Any]

HEIGHT, WIDTH = 40, 60
BLACK = np.zeros([HEIGHT, WIDTH, 3], np.uint8)
MANY = 1000


def results(text: str, count: int = MANY, image: Array = BLACK) -> Array:
    """Return the picture of each seed: uint8 [count, height, width, 3]."""
    function = augmenter(text)
    dataset = tf.data.Dataset.from_tensor_slices(seeds(count, second=5))
    dataset = dataset.map(lambda seed: function(image, seed), num_parallel_calls=2)
    return next(iter(dataset.batch(count).as_numpy_iterator()))


def rectangle(hidden: Array) -> tuple[int, int, int, int]:
    """Return first row and column, height and width of what is true, which must be a filled rectangle."""
    rows, columns = np.flatnonzero(hidden.any(axis=1)), np.flatnonzero(hidden.any(axis=0))
    first_row, first_column, height, width = rows[0], columns[0], np.ptp(rows) + 1, np.ptp(columns) + 1
    assert hidden.sum() == height * width
    assert hidden[first_row : first_row + height, first_column : first_column + width].all()
    return int(first_row), int(first_column), int(height), int(width)


@pytest.mark.parametrize(("size", "half"), [(0.5, 10), (0.25, 5), (2.0, 40)])
def test_cutout_is_a_square_about_an_even_place_cut_off_at_the_border(size: float, half: int) -> None:
    pictures = results(f"cutout:size={size},fill=grey")
    assert set(np.unique(pictures)) <= {0, 128}
    centers = set()
    for picture in pictures:
        row, column, height, width = rectangle((picture == 128).all(axis=-1))
        assert height <= 2 * half
        assert width <= 2 * half
        ends = (row + height, column + width)
        # Where it is cut off on one side only, the other tells the centre.
        center = [
            first + half if first > 0 else end - half if end < side else -1
            for first, end, side in zip((row, column), ends, (HEIGHT, WIDTH), strict=True)
        ]
        centers.add((center[0], center[1]))
        expected = [
            (max(0, middle - half), min(side, middle + half))
            for middle, side in zip(center, (HEIGHT, WIDTH), strict=True)
            if middle >= 0
        ]
        found = [(first, end) for first, end, middle in zip((row, column), ends, center, strict=True) if middle >= 0]
        assert found == expected
    assert len(centers) > (MANY / 4 if half < 40 else 0)


def test_every_pixel_is_a_centre_as_often_as_another() -> None:
    """A square of 2 x 2 pixels tells its centre everywhere."""
    pictures = results("cutout:size=0.05,fill=grey", 3 * MANY)
    assert (pictures == 128).any(axis=(1, 2, 3)).all()
    lasts = [np.flatnonzero((picture == 128).any(axis=(1, 2)))[-1] for picture in pictures]
    assert_frequencies(Counter(int(last) for last in lasts), dict.fromkeys(range(HEIGHT), 1 / HEIGHT))
    lasts = [np.flatnonzero((picture == 128).any(axis=(0, 2)))[-1] for picture in pictures]
    assert_frequencies(Counter(int(last) for last in lasts), dict.fromkeys(range(WIDTH), 1 / WIDTH))


def test_cutout_too_small_for_a_pixel_hides_nothing() -> None:
    assert not results("cutout:size=0.01,fill=grey", 5).any()
    assert augmenter("cutout:size=0.01").describe(BLACK, seeds(1)[0]) == "Cutout 0 px"


def test_erasing_hides_its_share_of_pictures_and_of_each() -> None:
    pictures = results("erasing:p=0.4,fill=grey")
    changed = (pictures == 128).any(axis=(1, 2, 3))
    assert_frequencies(Counter(changed.tolist()), {True: 0.4, False: 0.6})
    function = augmenter("erasing:p=0.4,fill=grey")
    for picture, seed in zip(pictures[:40], seeds(40, second=5), strict=True):
        words = "unchanged"
        if picture.any():
            _, _, height, width = rectangle((picture == 128).all(axis=-1))
            words = f"Erasing {height} x {width} px"
        assert function.describe(BLACK, seed) == words


@pytest.mark.parametrize(("smallest", "largest", "aspect"), [(0.02, 1 / 3, 0.3), (0.1, 0.1, 1.0), (0.2, 0.4, 0.5)])
def test_erased_rectangles_have_the_asked_areas_and_shapes(smallest: float, largest: float, aspect: float) -> None:
    step = Erase(Erasing(p=1, smallest=smallest, largest=largest, aspect=aspect))
    # Large, so that rounding to pixels hardly counts.
    side = 4000
    image = tf.zeros([side, side, 3], tf.uint8)
    dataset = tf.data.Dataset.from_tensor_slices(seeds(2 * MANY))
    rows = dataset.map(lambda seed: step._rectangle(image, seed)).batch(2 * MANY)
    applied, first, size = next(iter(rows.as_numpy_iterator()))
    assert applied.all()
    assert (first >= 0).all()
    assert (first + size <= side).all()
    areas = size.prod(axis=1) / side**2
    ratios = np.log(size[:, 0] / size[:, 1])
    assert areas.min() > smallest - 1e-3
    assert areas.max() < largest + 1e-3
    assert np.abs(ratios).max() < -math.log(aspect) + 1e-2
    if largest > smallest:
        assert_distributed(areas, np.clip((areas - smallest) / (largest - smallest), 0, 1))
    if aspect < 1:
        assert_distributed(ratios, np.clip(ratios / -math.log(aspect) / 2 + 0.5, 0, 1))
    for axis in (0, 1):
        # The longest would go beyond the picture, and are as long as it.
        free = size[:, axis] < side
        places = first[free, axis] / (side - size[free, axis])
        assert_distributed(places, places)


def test_erased_rectangles_reach_every_border() -> None:
    """A quarter of 4 x 4 pixels, a square of 2 x 2, has three places along each side."""
    pictures = results("erasing:p=1,smallest=0.25,largest=0.25,aspect=1,fill=grey", image=BLACK[:4, :4])
    places = Counter(rectangle((picture == 128).all(axis=-1)) for picture in pictures)
    assert_frequencies(places, {(row, column, 2, 2): 1 / 9 for row in range(3) for column in range(3)})


def test_erasing_never_and_always() -> None:
    assert not results("erasing:p=0", 50).any()
    assert results("erasing:p=1,fill=grey", 50).any(axis=(1, 2, 3)).all()


def test_erasing_can_take_all_and_stays_inside_narrow_pictures() -> None:
    square = np.zeros([9, 9, 3], np.uint8)
    assert (results("erasing:p=1,smallest=1,largest=1,aspect=1,fill=grey", 20, square) == 128).all()
    assert (results("erasing:p=1,fill=grey", 20, square[:1, :1]) == 128).all()
    for picture in results("erasing:p=1,fill=grey", 60, np.zeros([3, 70, 3], np.uint8)):
        _, _, height, width = rectangle((picture == 128).all(axis=-1))
        assert height <= 3
        assert width <= 70


@pytest.mark.parametrize("text", ["cutout:size=1", "erasing:p=1,smallest=0.3"])
def test_noise_is_even_and_everywhere_else_the_picture_stays(text: str) -> None:
    image = photographs()["bison-97x131"]
    grey = results(f"{text}{':' if ':' not in text else ','}fill=grey", 20, np.zeros_like(image)) == 128
    noisy = results(text, 20, image)
    assert grey.any()
    np.testing.assert_array_equal(noisy[~grey], np.broadcast_to(image, noisy.shape)[~grey])
    values = noisy[grey]
    assert_frequencies(Counter(values.tolist()), dict.fromkeys(range(256), 1 / 256))
    # Neither pixels beside each other nor channels nor pictures have anything to do with each other.
    filled = [picture[where].reshape(-1, 3).astype(float) for picture, where in zip(noisy, grey, strict=True)]
    pairs = [(pixels[:-1].ravel(), pixels[1:].ravel()) for pixels in filled]
    pairs += [(pixels[:, 0], pixels[:, 1]) for pixels in filled]
    few = min(len(pixels) for pixels in filled)
    pairs += [(one[:few].ravel(), other[:few].ravel()) for one, other in pairwise(filled)]
    for one, other in pairs:
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / math.sqrt(len(one))
