"""The figures of the benchmark of TensorFlow Lite files."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "latency.py"


@pytest.fixture(scope="module")
def latency():
    specification = importlib.util.spec_from_file_location("latency", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_figures(latency):
    rounds = {
        "keras.applications B0": [[20.0, 22.0, 30.0], [40.0, 44.0, 50.0]],
        "b0": [[10.0, 11.0, 12.0], [20.0, 20.0, 90.0]],
    }
    theirs, ours = latency.figures(rounds, {"b0": {"bytes": 5}})
    assert "times_faster" not in theirs
    assert ours == {
        "file": "b0",
        "median_ms": 16.0,
        "lower_quartile_ms": 10.75,
        "upper_quartile_ms": 37.5,
        "lowest_ms": 10.0,
        "compared_with": "keras.applications B0",
        # Of the medians of each round, 22 / 11 and 44 / 20.
        "times_faster": pytest.approx(2.1),
        "times_faster_lowest": 2.0,
        "times_faster_highest": pytest.approx(2.2),
        "bytes": 5,
    }


def test_help_needs_no_tensorflow(latency, capsys):
    with pytest.raises(SystemExit, match="0"):
        latency.main(["--help"])
    assert "results/latency.csv" in capsys.readouterr().out
