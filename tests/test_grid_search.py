"""The grid search for coefficients, on accuracies whose best is known."""

from __future__ import annotations

import csv
import itertools
import json
import math

import pytest

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.search import search_coefficients
from efficientnet_tf.search.candidates import Outcome
from efficientnet_tf.search.grid import grid, grid_candidates, rank
from efficientnet_tf.specs import Coefficients, scale, spec

BEST = Coefficients(1.2, 1.1, 1.15)
#: Networks that B0 becomes in steps of 0.1: three of the 21 triples round to another's.
DISTINCT = 18


def _peak(at: Coefficients, base: str = "b0"):
    """Return an accuracy that is largest where a base is scaled by these coefficients."""
    wanted = scale(base, phi=1, alpha=at.alpha, beta=at.beta, gamma=at.gamma)

    def accuracy(network):
        distance = [
            network.depth - wanted.depth,
            network.width - wanted.width,
            (network.image_size - wanted.image_size) / 224,
        ]
        return 1 / (1 + math.hypot(*distance))

    return accuracy


def test_the_grid_is_what_the_paper_says():
    found = grid()
    assert len(found) == len(set(found)) == 109
    assert all(abs(one.product - 2) <= 0.1 + 1e-9 for one in found)
    values = [round(1 + 0.05 * number, 2) for number in range(21)]
    counted = [t for t in itertools.product(values, repeat=3) if abs(t[0] * t[1] ** 2 * t[2] ** 2 - 2) <= 0.1 + 1e-9]
    assert [(one.alpha, one.beta, one.gamma) for one in found] == counted
    assert BEST in found


@pytest.mark.parametrize("at", [BEST, Coefficients(1.0, 1.0, 1.4), Coefficients(1.9, 1.0, 1.0)])
def test_the_best_is_found(at):
    result = search_coefficients("b0", _peak(at))
    assert result.coefficients == at
    assert result.spec == scale("b0", phi=1, alpha=at.alpha, beta=at.beta, gamma=at.gamma)
    assert [one.accuracy for one in result.ranked] == sorted((one.accuracy for one in result.ranked), reverse=True)
    assert len(result.ranked) == 109


def test_files_of_a_search(tmp_path):
    folder = tmp_path / "search"
    result = search_coefficients("b0", _peak(BEST), step=0.1, folder=folder)
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(grid(0.1)) == 21
    assert [int(row["trial"]) for row in rows] == list(range(21))
    assert {row["state"] for row in rows} == {"done"}
    with (folder / "result.csv").open() as file:
        ranked = list(csv.DictReader(file))
    assert [float(ranked[0][name]) for name in ("alpha", "beta", "gamma")] == [*vars(result.coefficients).values()]
    assert {"processor", "python"} <= set(ranked[0])
    assert spec(str(folder / "best.json")) == result.spec
    question = json.loads((folder / "search.json").read_text())
    assert question == {
        "search": "coefficients",
        "step": 0.1,
        "tolerance": 0.1,
        "base": "b0",
        "accuracy": "test_grid_search._peak.<locals>.accuracy",
    }


def test_nothing_is_trained_twice(tmp_path):
    asked, stopped = [], []

    def accuracy(network):
        asked.append(network.name)
        if len(asked) == 8 and not stopped:
            stopped.append(network.name)
            raise KeyboardInterrupt
        return _peak(BEST)(network)

    with pytest.raises(KeyboardInterrupt):
        search_coefficients("b0", accuracy, step=0.1, folder=tmp_path / "search")
    assert len(asked) == 8
    interrupted = asked.pop()
    result = search_coefficients("b0", accuracy, step=0.1, folder=tmp_path / "search")
    assert asked[7] == interrupted
    assert len(asked) == len(set(asked)) == DISTINCT
    straight = search_coefficients("b0", _peak(BEST), step=0.1, folder=tmp_path / "straight")
    assert result == straight
    # A third start has nothing to ask.
    assert search_coefficients("b0", accuracy, step=0.1, folder=tmp_path / "search") == straight
    assert len(asked) == DISTINCT


def _filters(network):
    return [block.filters_out for block in network.expand()]


def test_networks_that_are_the_same_are_trained_once(tmp_path):
    asked = []

    def accuracy(network):
        asked.append(network)
        return 0.5

    result = search_coefficients("tiny", accuracy, folder=tmp_path / "search")
    # The tiny network has so few blocks and filters that many triples round to the same.
    built = {(one.image_size, one.stem_filters, one.head_filters, *_filters(one)) for one in asked}
    assert len(asked) == len(built) < 30
    assert len(result.ranked) == 109


def test_seeds_and_standard_errors():
    seen = []

    def accuracy(network, seed):
        seen.append(seed)
        return _peak(BEST)(network) + 0.01 * seed

    result = search_coefficients("b0", accuracy, step=0.1, seeds=(0, 1, 2))
    assert sorted(set(seen)) == [0, 1, 2]
    assert seen == sorted(seen), "all triples with one seed come before the next seed"
    assert result.ranked[0].seeds == 3
    assert result.ranked[0].standard_error == pytest.approx(0.01 / math.sqrt(3))
    assert search_coefficients("b0", _peak(BEST), step=0.1).ranked[0].standard_error is None


def test_of_equals_the_cheaper_is_first():
    result = search_coefficients("b0", lambda _: 0.5, step=0.1)
    ratios = [one.madds_ratio for one in result.ranked]
    assert ratios == sorted(ratios)


def test_failures(tmp_path):
    asked = []

    def accuracy(network):
        asked.append(network.name)
        if len(asked) == 5:
            raise EfficientNetError("The loss is nan.")
        return _peak(BEST)(network)

    result = search_coefficients("b0", accuracy, step=0.1, folder=tmp_path / "search")
    assert len(result.ranked) == 20
    with (tmp_path / "search" / "trials.csv").open() as file:
        (failed,) = [row for row in csv.DictReader(file) if row["state"] == "failed"]
    assert (failed["network"], failed["accuracy"], failed["reason"]) == (asked[4], "", "The loss is nan.")
    # It is tried again; what is done is not.
    again = search_coefficients("b0", accuracy, step=0.1, folder=tmp_path / "search")
    assert len(again.ranked) == 21
    assert asked[DISTINCT:] == [asked[4]]

    def never(_):
        raise EfficientNetError("No disk.")

    with pytest.raises(EfficientNetError, match=r"^The first \d+ trainings all failed; the last one: No disk\.$"):
        search_coefficients("b0", never, step=0.1)
    candidates = grid_candidates(spec("b0"), [BEST], [0])
    with pytest.raises(EfficientNetError, match=r"^No triple was trained with every seed: all have failures\.$"):
        rank(candidates, [Outcome("failed")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 0.0}, "step must be from 0.01 to 1, got 0."),
        ({"step": 1.5}, "step must be from 0.01 to 1, got 1.5."),
        ({"tolerance": -0.1}, "tolerance must be at least 0 and below 1, got -0.1."),
        (
            {"step": 0.3, "tolerance": 0.01},
            "In steps of 0.3 no alpha * beta^2 * gamma^2 is within 0.01 of 2: the nearest is 1.9, of 1.9, 1, 1. "
            "Give a larger --tolerance or a smaller --step.",
        ),
        ({"step": 0.01, "tolerance": 0.5}, "Steps of 0.01 and a tolerance of 0.5 make 50050 candidates; "),
        ({"workers": 0}, "workers must be at least 1, got 0."),
        ({"seeds": ()}, "seeds must be at least one."),
    ],
)
def test_what_cannot_be_searched(options, message):
    with pytest.raises(UsageError) as error:
        search_coefficients("b0", lambda _: 0.5, **options)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "accuracy must return a number of at least 0, got nan for b0-phi1-"),
        (-1, "accuracy must return a number of at least 0, got -1.0 for b0-phi1-"),
        ("good", "accuracy must return a number, got 'good' for b0-phi1-"),
    ],
)
def test_an_accuracy_that_is_none(value, message):
    with pytest.raises(UsageError) as error:
        search_coefficients("b0", lambda _: value, step=0.1)
    assert str(error.value).startswith(message)


def test_a_folder_of_another_search(tmp_path):
    folder = tmp_path / "search"
    search_coefficients("b0", lambda _: 0.5, step=0.1, folder=folder)
    with pytest.raises(UsageError) as error:
        search_coefficients("lite0", lambda _: 0.5, step=0.2, folder=folder)
    assert str(error.value) == (
        f"{folder} holds another search: its step is 0.1, not 0.2, its base is b0, not lite0. Give a new --study_dir."
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").touch()
    with pytest.raises(UsageError) as error:
        search_coefficients("b0", lambda _: 0.5, folder=tmp_path / "other")
    assert (
        str(error.value) == f"{tmp_path / 'other'} is not an empty folder and holds no search. Give a new --study_dir."
    )


def test_a_damaged_table(tmp_path):
    folder = tmp_path / "search"
    search_coefficients("b0", lambda _: 0.5, step=0.2, folder=folder)
    (folder / "trials.csv").write_text("trial,state\n0,done\n")
    with pytest.raises(EfficientNetError) as error:
        search_coefficients("b0", lambda _: 0.5, step=0.2, folder=folder)
    assert str(error.value) == (
        f"{folder / 'trials.csv'} is damaged ('key'); remove it, and finished trainings are read anew."
    )
