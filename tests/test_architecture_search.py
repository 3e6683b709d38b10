"""The search for an architecture, on accuracies whose best is known."""

from __future__ import annotations

import csv
import importlib.util
import random

import optuna
import pytest

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.search import search_architecture
from efficientnet_tf.search.architecture import random_architecture
from efficientnet_tf.search.objective import objective, pareto_front
from efficientnet_tf.search.space import Space
from efficientnet_tf.specs import Block, count, spec

TWO = spec("tiny").replace(name="two", blocks=(Block(2, 3, 2, 6, 16, 0.25), Block(2, 5, 2, 6, 32, 0.25)))
#: The best choice of each dimension, which is not the base's.
WANTED = {
    "convolution": ("mbconv3", "conv"),
    "kernel_size": (5, 3),
    "se_ratio": (0.25, 0.0),
    "skip": (True, False),
    "filters": (16, 40),
    "layers": (3, 2),
}


def _wanted(space: Space):
    return space.architecture(
        {f"stage{stage}_{name}": values[stage - 1] for name, values in WANTED.items() for stage in (1, 2)}, "wanted"
    )


def _agreement(network) -> float:
    """Return which share of the dimensions is as wanted."""
    space = Space(TWO)
    chosen, wanted = space.choice_of(network), space.choice_of(_wanted(space))
    return sum(chosen[name] == wanted[name] for name in wanted) / len(wanted)


@pytest.fixture(scope="module")
def found():
    return search_architecture(TWO, _agreement, trials=150, weight=0.0)


def test_the_best_is_found(found):
    assert found.accuracy == found.objective == 1.0
    assert found.best.replace(name="wanted") == _wanted(Space(TWO))
    assert len(found.rows) == 150
    later = [row["accuracy"] for row in found.rows[100:]]
    assert sum(later) / len(later) > sum(row["accuracy"] for row in found.rows[:10]) / 10 + 0.2


def test_every_architecture_of_the_space_can_be_counted_and_comes_back():
    draw, space = random.Random(0).choice, Space(spec("b0"))
    # Two stages have one layer, and cannot have fewer; 16 filters less a quarter are 16 again.
    assert space.size == (4 * 2 * 2 * 2 * 3 * 3) ** 7 * 2**3 // 3**3
    for number in range(50):
        network = random_architecture(space, draw, f"random{number}")
        assert space.architecture(space.choice_of(network), network.name) == network
        assert [row.strides for row in network.blocks] == [row.strides for row in spec("b0").blocks]
        assert count(network).madds > 0


def test_the_objective_weighs_cost():
    # Twice the cost is worth 5 % (MnasNet, section 3): 2 ** -0.07 is 0.953.
    assert objective(0.5, 200, 100) == pytest.approx(0.5 * 2**-0.07)
    assert objective(0.5, 100, 100) == 0.5
    cheap = search_architecture(TWO, lambda _: 0.5, trials=40)
    assert cheap.madds == min(row["madds"] for row in cheap.rows)
    assert cheap.objective == pytest.approx(objective(0.5, cheap.madds, count(TWO).madds))
    other = search_architecture(TWO, lambda _: 0.5, trials=3, target_madds=1e6)
    assert other.objective == pytest.approx(objective(0.5, other.madds, 1e6))


def test_the_front_is_what_nothing_beats(found):
    front = [row for row in found.rows if row["pareto"]]
    assert front
    for row in found.rows:
        beaten = any(
            other["madds"] <= row["madds"]
            and other["accuracy"] >= row["accuracy"]
            and (other["madds"], other["accuracy"]) != (row["madds"], row["accuracy"])
            for other in found.rows
        )
        twin = any(one["madds"] == row["madds"] and one["accuracy"] == row["accuracy"] for one in front)
        assert beaten != twin
    assert pareto_front([]) == []
    assert pareto_front([(1, 0.5), (1, 0.5), (1, 0.6)]) == [2]


def test_optuna_tells_nothing_of_what_is_usual(caplog):
    before = optuna.logging.get_verbosity()
    optuna.logging.enable_propagation()
    try:
        search_architecture(TWO, _agreement, trials=1)
    finally:
        optuna.logging.disable_propagation()
    assert caplog.messages == []
    assert optuna.logging.get_verbosity() == before == optuna.logging.INFO


def test_files_of_a_search(tmp_path):
    folder = tmp_path / "search"
    found = search_architecture(TWO, _agreement, trials=6, folder=folder, seed=3)
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == list(range(6))
    assert {"stage1_convolution", "stage2_layers", "madds", "accuracy", "seed"} <= set(rows[0])
    assert spec(str(folder / "best.json")) == found.best
    # Optuna's own tools read its storage.
    study = optuna.load_study(study_name="architecture", storage=f"sqlite:///{folder / 'optuna.db'}")
    assert [trial.value for trial in study.trials] == pytest.approx([row["objective"] for row in found.rows])
    assert study.best_trial.user_attrs["madds"] == found.madds


@pytest.mark.parametrize("moment", [1, 8, 15])
def test_a_search_that_was_stopped_ends_as_one_that_was_not(moment, tmp_path):
    asked, stopped = [], []

    def accuracy(network):
        asked.append(Space(TWO).choice_of(network))
        if len(asked) == moment and not stopped:
            stopped.append(moment)
            raise KeyboardInterrupt
        return _agreement(network)

    with pytest.raises(KeyboardInterrupt):
        search_architecture(TWO, accuracy, trials=20, folder=tmp_path / "search")
    interrupted = asked.pop()
    search_architecture(TWO, accuracy, trials=20, folder=tmp_path / "search")
    assert asked[moment - 1] == interrupted
    distinct = {tuple(chosen.values()) for chosen in asked}
    assert len(distinct) == len(asked), "nothing was trained twice"
    straight = search_architecture(TWO, _agreement, trials=20, folder=tmp_path / "straight")
    again = search_architecture(TWO, accuracy, trials=20, folder=tmp_path / "search")
    assert [_told(row) for row in again.rows] == [_told(row) for row in straight.rows]
    assert again.best == straight.best


def _told(row):
    return {name: value for name, value in row.items() if name != "seconds"}


def test_more_trials_go_on(tmp_path):
    asked = []

    def accuracy(network):
        asked.append(network.name)
        return _agreement(network)

    first = search_architecture(TWO, accuracy, trials=5, folder=tmp_path / "search")
    more = search_architecture(TWO, accuracy, trials=8, folder=tmp_path / "search")
    assert [_told(row)["network"] for row in more.rows[:5]] == [row["network"] for row in first.rows]
    assert asked == [f"two-trial{number}" for number in range(8)]


def test_several_workers_train_each_network_once(tmp_path):
    asked = []

    def accuracy(network):
        asked.append(network.replace(name=""))
        return _agreement(network)

    found = search_architecture(TWO, accuracy, trials=25, workers=4, folder=tmp_path / "search", sampler="random")
    assert len(found.rows) == 25
    assert len(asked) == len(set(asked))


def test_failed_trials_are_told(tmp_path):
    def accuracy(network):
        if network.name == "two-trial2":
            raise EfficientNetError("The loss is nan.")
        return 0.5

    found = search_architecture(TWO, accuracy, trials=4, folder=tmp_path / "search")
    assert [row["state"] for row in found.rows] == ["done", "done", "failed", "done"]
    study = optuna.load_study(study_name="architecture", storage=f"sqlite:///{tmp_path / 'search' / 'optuna.db'}")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE"]


def test_a_damaged_storage(tmp_path):
    search_architecture(TWO, _agreement, trials=1, folder=tmp_path / "search")
    storage = tmp_path / "search" / "optuna.db"
    storage.write_bytes(b"no database" * 1000)
    with pytest.raises(EfficientNetError) as error:
        search_architecture(TWO, _agreement, trials=2, folder=tmp_path / "search")
    assert str(error.value) == f"{storage} is damaged: file is not a database. Give a new --study_dir."


@pytest.mark.parametrize(
    ("base", "options", "message"),
    [
        (TWO, {"trials": 0}, "trials must be at least 1, got 0."),
        (TWO, {"target_madds": 0}, "target_madds must be a number above 0, got 0."),
        (TWO, {"sampler": "tep"}, "Unknown sampler 'tep'. Did you mean 'tpe'? Allowed: tpe, random."),
        (TWO, {"pruner": "medium"}, "Unknown pruner 'medium'. Did you mean 'median'? Allowed: none, median."),
        (
            "resnet50",
            {},
            "An architecture is searched for around blocks of kinds mbconv and fused; resnet50 has bottleneck blocks.",
        ),
        (
            "condconv-4e",
            {},
            "An architecture is searched for around blocks of kinds mbconv and fused; condconv-4e has CondConv blocks.",
        ),
    ],
)
def test_what_cannot_be_searched(base, options, message):
    with pytest.raises(UsageError) as error:
        search_architecture(base, _agreement, **options)
    assert str(error.value) == message


def test_without_optuna_one_line_says_what_to_install(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "optuna" else find(name))
    with pytest.raises(MissingDependencyError) as error:
        search_architecture(TWO, _agreement)
    assert str(error.value) == (
        "The search for an architecture needs Optuna. Run: pip install 'efficientnet_tf[search]'."
    )


def test_outside_the_space():
    with pytest.raises(UsageError, match=r"^b4 lies outside the space: its stage1_filters is 320\.$"):
        Space(TWO).choice_of(spec("b4").replace(blocks=(spec("b4").blocks[6], *TWO.blocks[1:])))
