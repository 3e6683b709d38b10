"""The largest network within a budget, against brute force."""

from __future__ import annotations

import random

import pytest

from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Spec, count, estimate_memory, match_madds, scale, solve_scale, spec


def figures(network: Spec, batch_size: int = 1) -> dict[str, int]:
    counted = count(network)
    return {
        "target_madds": counted.madds,
        "target_params": counted.trainable,
        "target_memory": estimate_memory(network, batch_size=batch_size).total,
    }


@pytest.mark.parametrize(
    ("base", "first", "last"),
    [("tiny", -460, 2000), ("b0", -100, 150), ("mobilenetv2", -2200, -2000), ("edgetpu-s", 800, 1000)],
)
def test_solutions_are_those_of_brute_force(base, first, last):
    table = {step: figures(scale(base, phi=step / 1000), 4) for step in range(first, last + 1)}
    steps = [step for step in table if step != 0]
    for name in table[first]:
        values = [table[step][name] for step in steps]
        assert values == sorted(values), name  # what the search relies on
    draw, checked = random.Random(7), 0
    for names in (["target_madds"], ["target_params"], ["target_memory"], list(table[first])):
        for _ in range(4):
            row = table[draw.randrange(first, last - 5)]
            targets = {name: row[name] + draw.choice((0, 0, 1, 1000)) for name in names}
            fitting = [s for s, found in table.items() if all(found[name] <= targets[name] for name in names)]
            if max(fitting) == last:  # the next thousandth may fit too
                continue
            checked += 1
            solution = solve_scale(base, **targets, batch_size=4)
            assert solution.phi == max(fitting) / 1000
            assert solution.shares == {name: table[max(fitting)][name] / targets[name] for name in names}
    assert checked > 8


@pytest.mark.parametrize("base", ["b0", "lite0", "condconv-4e", "v2-b0", "mobilenetv1", "resnet50"])
def test_the_base_is_within_its_own_budget(base):
    solution = solve_scale(base, target_madds=count(base).madds, target_params=count(base).trainable)
    assert solution.phi == 0
    assert solution.spec is spec(base)
    assert solution.shares == {"target_madds": 1.0, "target_params": 1.0}


def test_other_coefficients_and_small_budgets():
    wide = solve_scale("b0", target_params=20e6, alpha=1.0, beta=1.3, gamma=1.0)
    assert (wide.spec.depth, wide.spec.image_size) == (1.0, 224)
    assert wide.count.trainable <= 20e6 < count(scale("b0", width=wide.spec.width * 1.01)).trainable
    small = solve_scale("b0", target_madds=1e8)
    assert small.phi == -3.063
    assert 0.9 < small.shares["target_madds"] <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"A target is missing\. Allowed: target_madds, target_params, target_memory\."),
        ({"target_params": -1}, r"target_params must be a finite number above 0, got -1\."),
        ({"target_memory": float("nan")}, r"target_memory must be a finite number above 0, got nan\."),
        (
            {"target_madds": 1e5, "target_params": 1e9},
            r"target_madds=100000 cannot be met: the smallest network, b0-phi-10, has 3\.37174e\+06\.",
        ),
        (
            {"target_params": 100, "gamma": 2.0},
            r"target_params=100 cannot be met: the smallest network, b0-phi-2\.9-gamma2, has 2\.80593e\+06\.",
        ),
        (
            {"target_madds": 1e30},
            r"target_madds=1e\+30 cannot be met: "
            r"the largest network that scale allows, b0-phi18\.468, has 6\.20469e\+13\.",
        ),
        ({"target_madds": 1e9, "batch_size": 0}, r"batch_size must be at least 1, got 0\."),
        ({"target_madds": 1e9, "alpha": 0.5}, r"alpha must be from 1 to 2, got 0\.5\."),
    ],
)
def test_impossible_budgets(options, message):
    with pytest.raises(UsageError, match=f"^{message}$"):
        solve_scale("b0", **options)


@pytest.mark.parametrize("dimension", ["depth", "width", "resolution"])
def test_one_dimension_within_multiply_adds(dimension):
    madds = count(scale("tiny", phi=1)).madds
    allowed = [step for step in range(1000, 4000) if count(scale("tiny", **{dimension: step / 1000})).madds <= madds]
    assert match_madds("tiny", dimension, madds) == scale("tiny", **{dimension: allowed[-1] / 1000})


def test_impossible_dimensions():
    message = r"^Unknown dimension 'height'\. Allowed: depth, width, resolution\.$"
    with pytest.raises(UsageError, match=message):
        match_madds("b0", "height", 1e9)
    with pytest.raises(UsageError, match=r"^madds must be at least b0's 385814752, got 1000\.$"):
        match_madds("b0", "width", 1000)
