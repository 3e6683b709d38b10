"""Augmentations choose as often as their tables say: rows, operations, probabilities, directions, levels."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from augment_choices import assert_distributed, assert_frequencies, choices, chosen_step, seeds
from augment_pictures import photographs

from efficientnet_tf.augment import Augmenter, augmenter
from efficientnet_tf.augment.choosing import Arguments, numbered, picture_sides
from efficientnet_tf.augment.policies.levels import OPERATIONS, SPACES
from efficientnet_tf.augment.policies.tables import POLICIES, RANDAUGMENT, TRIVIALAUGMENT

Array = np.ndarray[Any, Any]

MANY = 4000
HEIGHT, WIDTH = 100, 300
DIRECTED = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")
PICTURE = photographs()["fish16-97x131"]


def factor_of_side(name: str, space: str) -> float:
    sides = {"TranslateX": WIDTH, "TranslateY": HEIGHT, "Cutout": HEIGHT}
    return sides[name] if SPACES[space][name].of_side else 1.0


def outcome(name: str, argument: float) -> tuple[str, float]:
    return name, 0.0 if name == "Identity" else round(argument, 9)


def outcomes(name: str, share: float, level: int, space: str) -> dict[tuple[str, float], float]:
    """Return the probability of each operation and argument that a table's cell can lead to."""
    ramp, side = SPACES[space][name], factor_of_side(name, space)
    result: dict[tuple[str, float], float] = defaultdict(float)
    result["Identity", 0.0] += 1 - share
    for sign in (1, -1) if ramp.signed else (1,):
        result[outcome(name, ramp.at(level, sign) * side)] += share / (2 if ramp.signed else 1)
    return result


@pytest.mark.parametrize("policy", ["v0", "reduced_imagenet", "reduced_cifar10", "svhn", "test"])
@pytest.mark.parametrize("legacy", [False, True])
def test_rows_probabilities_and_directions_of_a_policy(policy: str, legacy: bool) -> None:
    space = "legacy" if legacy else "fixed"
    names, arguments, _ = choices(
        chosen_step(f"autoaugment:{policy},legacy={str(legacy).lower()}"), MANY, HEIGHT, WIDTH
    )
    expected: dict[Any, float] = defaultdict(float)
    for row in POLICIES[policy]:
        first, second = (outcomes(*cell, space) for cell in row)
        for one, probability in first.items():
            for other, other_probability in second.items():
                expected[one, other] += probability * other_probability / len(POLICIES[policy])
    pairs = [
        (outcome(*one), outcome(*other))
        for one, other in zip(
            zip(names[:, 0], arguments[:, 0], strict=True), zip(names[:, 1], arguments[:, 1], strict=True), strict=True
        )
    ]
    assert_frequencies(Counter(pairs), expected)


@pytest.mark.parametrize(
    ("text", "space"),
    [
        ("randaugment:n=2,m=15", "fixed"),
        ("randaugment:n=2,m=28,legacy", "legacy_randaugment"),
        ("randaugment:n=2,m=9,increasing", "increasing"),
    ],
)
def test_randaugment_draws_operations_and_directions_evenly(text: str, space: str) -> None:
    names, arguments, _ = choices(chosen_step(text), MANY, HEIGHT, WIDTH)
    pairs = Counter(zip(names[:, 0], names[:, 1], strict=True))
    assert_frequencies(pairs, {(one, other): 1 / 256 for one in RANDAUGMENT for other in RANDAUGMENT})
    level = float(text.split("m=")[1].split(",")[0])
    expected: dict[Any, float] = {}
    for name in RANDAUGMENT:
        ramp, side = SPACES[space][name], factor_of_side(name, space)
        for sign in (1, -1) if ramp.signed else (1,):
            expected[outcome(name, ramp.at(level, sign) * side)] = 1 / 16 / (2 if ramp.signed else 1)
    found = Counter(outcome(*cell) for cell in zip(names.flat, arguments.flat, strict=True))
    assert_frequencies(found, expected)


def test_directions_of_one_picture_are_drawn_anew_for_each_operation() -> None:
    names, arguments, _ = choices(chosen_step("randaugment:n=2,m=10"), MANY)
    both = np.isin(names, DIRECTED).all(axis=1)
    signs = Counter(tuple(row) for row in np.sign(arguments[both]))
    assert_frequencies(signs, {(one, other): 0.25 for one in (-1, 1) for other in (-1, 1)})


def test_trivialaugment_draws_operations_and_31_levels_evenly() -> None:
    names, arguments, _ = choices(chosen_step("trivialaugment"), MANY, HEIGHT, WIDTH)
    assert names.shape == (MANY, 1)
    assert_frequencies(Counter(names[:, 0]), dict.fromkeys(TRIVIALAUGMENT, 1 / 14))
    strengths: Counter[int] = Counter()
    for name, argument in zip(names[:, 0], arguments[:, 0], strict=True):
        if name in DIRECTED:
            strength = abs(argument) / factor_of_side(name, "wide") / SPACES["wide"][name].slope * 30
            assert abs(strength - round(strength)) < 1e-9
            strengths[round(strength)] += 1
    assert sum(strengths.values()) > MANY / 4
    assert_frequencies(strengths, dict.fromkeys(range(31), 1 / 31))


def test_places_are_even_over_the_picture() -> None:
    _, _, places = choices(chosen_step("randaugment:n=1"), MANY)
    assert places.shape == (MANY, 1, 2)
    for axis in (0, 1):
        assert_distributed(places[:, 0, axis], places[:, 0, axis])
    assert abs(np.corrcoef(places[:, 0].T)[0, 1]) < 4 / math.sqrt(MANY)


@pytest.mark.parametrize(("m", "std"), [(10, 2), (15, 0.5), (1, 3), (29, 4)])
def test_std_spreads_the_level_normally_within_0_to_30(m: float, std: float) -> None:
    names, arguments, _ = choices(chosen_step(f"randaugment:n=2,m={m},std={std}"), MANY, HEIGHT, WIDTH)
    of_picture: dict[int, list[float]] = defaultdict(list)
    for (picture, _), name in np.ndenumerate(names):
        # Translations end at half a picture, which is level 11.
        if name in DIRECTED and not name.startswith("Translate"):
            place = list(names[picture]).index(name)
            argument = abs(arguments[picture, place])
            of_picture[picture].append(argument / factor_of_side(name, "fixed") / SPACES["fixed"][name].slope * 10)
    for found in of_picture.values():
        assert found == pytest.approx(found[:1] * len(found))
    levels = np.array([found[0] for found in of_picture.values()])
    assert len(levels) > MANY / 4
    inside = levels[(levels > 1e-9) & (levels < 30 - 1e-9)]
    below, above = (0.5 * math.erfc((m - bound) * sign / std / 2**0.5) for bound, sign in ((0, 1), (30, -1)))
    kinds = Counter(np.where(levels <= 1e-9, "0", np.where(levels >= 30 - 1e-9, "30", "between")))
    assert_frequencies(kinds, {"0": below, "30": above, "between": 1 - below - above})
    shares = np.array([0.5 * math.erfc((m - level) / std / 2**0.5) for level in inside])
    assert_distributed(inside, (shares - below) / (1 - below - above))


def pictures(function: Augmenter, count: int = 12) -> list[Array]:
    return [function(PICTURE, seed).numpy() for seed in seeds(count)]


def test_the_level_follows_progress() -> None:
    function = augmenter("randaugment:n=2,m=20,start=5")
    assert function.follows_progress
    np.testing.assert_array_equal(pictures(function), pictures(augmenter("randaugment:n=2,m=5")))
    for share, level in ((0.2, 8), (1.0, 20), (1.5, 20), (-1.0, 5), (0.5, 12.5)):
        function.set_progress(share)
        np.testing.assert_array_equal(pictures(function), pictures(augmenter(f"randaugment:n=2,m={level}")))


def test_progress_reaches_datasets_that_are_made_already() -> None:
    function = augmenter("cutout:size=0.1+randaugment:n=1,m=20,start=5")
    dataset = tf.data.Dataset.from_tensor_slices(seeds(6)).map(lambda seed: function(PICTURE, seed), 2)
    before = list(dataset.as_numpy_iterator())
    np.testing.assert_array_equal(before, pictures(function, 6))
    function.set_progress(1.0)
    after = list(dataset.as_numpy_iterator())
    np.testing.assert_array_equal(after, pictures(function, 6))
    assert not np.array_equal(before, after)


def test_what_does_not_follow_progress() -> None:
    function = augmenter("randaugment:n=2,m=20+augmix+mixup")
    assert not function.follows_progress
    before = function.describe(PICTURE, seeds(1)[0])
    function.set_progress(1.0)
    assert function.describe(PICTURE, seeds(1)[0]) == before


@pytest.mark.parametrize("space", SPACES)
def test_arguments_in_tensorflow_are_those_of_the_table(space: str) -> None:
    levels = np.array([0, 1, 2.5, 7, 10, 11.25, 28])
    cases = [(number, level, sign) for number in range(17) for level in levels for sign in (False, True)]
    numbers, given, signs = (np.array(column) for column in zip(*cases, strict=True))
    sides = picture_sides(tf.zeros([HEIGHT, WIDTH, 3], tf.uint8))
    assert sides.numpy().tolist() == [1, WIDTH, HEIGHT, HEIGHT]
    arguments = Arguments(OPERATIONS, space)
    expected = []
    for number, level, sign in cases:
        ramp, name = SPACES[space][OPERATIONS[number]], OPERATIONS[number]
        expected.append(ramp.at(level, -1 if sign and ramp.signed else 1) * factor_of_side(name, space))
    found = arguments.at(tf.constant(numbers, tf.int32), tf.constant(given), tf.constant(signs), sides)
    assert found.numpy().tolist() == expected
    table = arguments.table(numbers[:, np.newaxis], given[:, np.newaxis])
    rows = tf.range(len(cases))
    assert table(rows, tf.constant(signs)[:, tf.newaxis], sides)[:, 0].numpy().tolist() == expected
    assert table(rows[5], tf.constant(signs)[5:6], sides).numpy().tolist() == expected[5:6]


def test_sides_of_a_picture_of_unknown_size() -> None:
    sides = tf.function(picture_sides, input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)])
    assert sides(tf.zeros([5, 3, 3], tf.uint8)).numpy().tolist() == [1, 3, 5, 3]


def test_numbers_of_rows() -> None:
    assert numbered(("a", "b", "c"), [["b", "b"], ["c", "a"]]).tolist() == [[1, 1], [2, 0]]
