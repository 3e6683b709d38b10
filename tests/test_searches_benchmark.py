"""benchmarks/searches.py: which networks it compares, and what it writes."""

from __future__ import annotations

import argparse
import csv
import importlib
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from efficientnet_tf.search import search_architecture
from efficientnet_tf.search.space import Space
from efficientnet_tf.specs import count, spec

SCRIPTS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def searches() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        return importlib.import_module("searches")


def test_the_base_is_in_the_space_that_is_searched(searches):
    base = spec(str(searches.BASE))
    assert Space(base).choice_of(base)
    assert 4e6 < count(base).madds < 6e6


def test_random_networks_cost_as_much_as_the_best(searches):
    best = spec(str(searches.BASE))
    found = searches._random_of_cost(best, 5, seed=0)
    assert len({network.blocks for network in (best, *found)}) == 6
    for network in found:
        assert abs(count(network).madds / count(best).madds - 1) <= searches.SHARE
    assert [one.blocks for one in searches._random_of_cost(best, 5, seed=0)] == [one.blocks for one in found]


def test_trials_and_what_they_are_compared_with_are_written(searches, tmp_path, monkeypatch, capsys):
    def command(_, *words):
        folder = next(word.partition("=")[2] for word in words if word.startswith("--study_dir="))
        search_architecture(str(searches.BASE), lambda network: 1e6 / count(network).madds, trials=3, folder=folder)
        (Path(folder) / "front.png").write_bytes(b"picture")
        return 1.0

    class Trained:
        """In place of the training: all networks have the same accuracy."""

        def __init__(self, *_):
            pass

        def __call__(self, candidate, report):
            return searches_outcome

        def stop(self):
            pass

    from efficientnet_tf.search import running
    from efficientnet_tf.search.candidates import Outcome

    searches_outcome = Outcome("done", 0.75, 2.0)
    monkeypatch.setattr(searches, "_command", command)
    monkeypatch.setattr(running, "Proxy", Trained)
    options = argparse.Namespace(
        seeds=(0, 1), trials=3, random=4, data="nowhere", training=(), output_dir=tmp_path / "results"
    )
    searches.architecture(tmp_path / "work", options)
    with (tmp_path / "results" / "search_architecture.csv").open() as file:
        rows = list(csv.DictReader(file))
    kinds = [(row["search_seed"], row["kind"]) for row in rows]
    assert kinds == [(seed, kind) for seed in "01" for kind in ["trial"] * 3 + ["best again"] + ["random"] * 4]
    assert {row["seed"] for row in rows if row["kind"] == "random"} == {"1000", "1001"}
    assert "random of its cost: median 0.7500 of 0.7500 to 0.7500; 1 s" in capsys.readouterr().err
    assert (tmp_path / "results" / "search_architecture.png").read_bytes() == b"picture"
    assert (tmp_path / "results" / "search_compared.png").read_bytes().startswith(b"\x89PNG")
    assert spec(str(tmp_path / "results" / "search_architecture_best.json")).blocks
    shutil.rmtree(tmp_path / "work")
