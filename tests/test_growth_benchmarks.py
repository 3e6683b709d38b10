"""benchmarks/growth.py and benchmarks/prediction.py: what they compare, divide and predict."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from efficientnet_tf.benchmarking.training_networks import OURS, TrainingJob
from efficientnet_tf.benchmarking.worker import Taken

SCRIPTS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def load():
    """Return a function that imports a script of benchmarks/."""

    def load_script(name: str) -> ModuleType:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(SCRIPTS)
            return importlib.import_module(name)

    return load_script


def test_growth_is_an_exponent_between_neighbours(load, monkeypatch):
    growth = load("growth")
    log = []

    class FakeWorker:
        """An image takes a tenth of a second, and half of that in batches of 4."""

        def __init__(self, job: TrainingJob) -> None:
            self.job = job

        def step(self, number: int) -> Taken:
            log.append(self.job.batch_size)
            return Taken((0.1 * self.job.batch_size / (2 if self.job.batch_size == 4 else 1),) * number, 1.0, 10**9)

        def close(self) -> None:
            log.append(-self.job.batch_size)

    monkeypatch.setattr(growth, "Worker", FakeWorker)
    jobs = [(size, TrainingJob(OURS, "b0", size, 224, 1)) for size in (1, 2, 4)]
    rows = growth.growth_rows("batch", jobs, rounds=2)
    assert [row["ms_per_image"] for row in rows] == pytest.approx([100.0, 100.0, 50.0])
    assert "exponent" not in rows[0]
    assert [row["exponent"] for row in rows[1:]] == pytest.approx([0.0, -1.0])
    assert log == [1, 2, 4, 1, 2, 4, -1, -2, -4]
    by_size = [(side, TrainingJob(OURS, "b0", 1, side, 1)) for side in (112, 224)]
    assert growth.growth_rows("resolution", by_size, rounds=1)[1]["exponent"] == pytest.approx(0.0)


def test_two_processes_are_compared_with_one_in_the_same_round(load, monkeypatch):
    growth = load("growth")
    rates = iter([10.0, 18.0, 20.0, 30.0, 10.0, 16.0])
    monkeypatch.setattr(growth, "_rate_of", lambda processes: next(rates))
    one, two = growth.process_rows(rounds=3)
    assert (one["images_per_second"], one["efficiency"]) == (10.0, 1.0)
    assert (two["images_per_second"], two["batch_size"]) == (18.0, 32)
    assert two["efficiency"] == pytest.approx(0.8)


def test_predictions_say_that_they_are(load):
    growth = load("growth")
    rows = growth.prediction_rows()
    assert {row["series"] for row in rows} == {"PREDICTION"}
    assert [row["value"] for row in rows] == [8, 8, 32]
    # 5.3 million gradients of four bytes, 7/4 times over the bus.
    assert rows[0]["exchange_seconds"] == pytest.approx(1.75 * 4 * 5_288_548 / 12e9)
    assert all(0 < row["efficiency"] < row["efficiency_if_hidden"] <= 1 for row in rows)


def test_a_folder_of_photographs_is_predicted(load, tmp_path):
    prediction = load("prediction")
    assert prediction._parts(10_000) == (250, 1000)
    folder = prediction._folder(tmp_path, 3)
    assert [path.name for path in sorted(folder.iterdir())] == ["000000.jpg", "000001.jpg", "000002.jpg"]
    seconds, worked = prediction._run([sys.executable, "-c", "sum(range(10**6))"])
    assert seconds > 0
    assert worked > 0


@pytest.mark.parametrize("script", ["growth", "prediction"])
def test_help_needs_no_measurement(script):
    done = subprocess.run([sys.executable, SCRIPTS / f"{script}.py", "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert f"results/{script}.csv" in done.stdout
