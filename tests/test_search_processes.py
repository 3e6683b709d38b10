"""Searches in real processes: trained, ranked and drawn, killed and gone on with, stopped."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from efficientnet_tf.config import TrainConfig, network_of, read_config
from efficientnet_tf.search.candidates import Candidate
from efficientnet_tf.search.proxy import Proxy
from efficientnet_tf.specs import count, scale, spec

#: Three triples: (1, 1, 1.5), (1, 1.5, 1) and (2, 1, 1).
THREE = ("--search", "--base=tiny", "--data=sample", "--step=0.5", "--tolerance=0.25", "--epochs=1", "--batch_size=16")


def _start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "efficientnet_tf.cli.scale", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _lines_until(process: subprocess.Popen[str], begin: str) -> list[str]:
    """Return what a process prints up to a line that begins so."""
    watchdog = threading.Timer(300, process.kill)
    watchdog.start()
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(begin):
            break
    watchdog.cancel()
    assert "".join(lines[-1:]).startswith(begin), (lines, process.stderr.read())
    return lines


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Return the folder in which the search ran, and its result."""
    folder = tmp_path_factory.mktemp("straight")
    process = _start(folder, *THREE, "--json")
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return folder, json.loads(output), errors


@pytest.mark.slow
def test_a_grid_search_trains_ranks_and_draws(straight):
    folder, result, told = straight
    study = folder / "searches" / "coefficients-tiny-sample"
    assert result["folder"] == "searches/coefficients-tiny-sample"
    assert len(result["rows"]) == 3
    rows = _rows(study / "trials.csv")
    assert [row["state"] for row in rows] == ["done"] * 3
    assert {(row["alpha"], row["beta"], row["gamma"]) for row in rows} == {
        ("1", "1", "1.5"),
        ("1", "1.5", "1"),
        ("2", "1", "1"),
    }
    for row in rows:
        run = study / "runs" / row["key"]
        assert json.loads((run / "metrics.json").read_text())["top1"] == pytest.approx(float(row["accuracy"]), abs=1e-6)
        assert not (run / "checkpoints").exists()
        assert (run / "model.keras").exists()
    accuracies = [float(row["accuracy"]) for row in rows]
    assert result["rows"][0]["accuracy"] == max(accuracies)
    best = scale("tiny", phi=1, **{name: result[name] for name in ("alpha", "beta", "gamma")})
    assert spec(str(study / "best.json")) == best
    assert (study / "grid.png").stat().st_size > 10_000
    assert "[1/3] alpha 1, beta 1, gamma 1.5, seed 0: done, accuracy " in told
    assert "One seed tells nothing of chance" in told


@pytest.mark.slow
def test_the_winner_is_accepted_by_other_commands(straight):
    folder, result, _ = straight
    words = [f"--variant={result['spec']}", "--weights=none", "--data=sample", "--steps=2", "--batch_size=8"]
    for name, extra, said in (
        ("train", [*words, "--model_dir=run"], "tiny-phi1-"),
        ("scale", [f"--base={result['spec']}", "--phi=1"], "tiny-phi1-"),
        ("benchmark", [f"--variant={result['spec']}"], "tiny-phi1-"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", f"efficientnet_tf.cli.{name}", *extra],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (name, done.stderr)
        assert said in done.stdout
    # The run holds all of the architecture: its file may go.
    assert network_of(TrainConfig.from_json(read_config(folder / "run" / "config.json"))) == spec(
        str(folder / result["spec"])
    )


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on(straight, tmp_path):
    whole, _, _ = straight
    process = _start(tmp_path, *THREE)
    _lines_until(process, "[1/3]")
    # The second training has begun, or begins: the search alone is killed, as by the kernel for want of memory.
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    study = tmp_path / "searches" / "coefficients-tiny-sample"
    (first,) = _rows(study / "trials.csv")
    before = (study / "runs" / first["key"] / "model.keras").stat().st_mtime_ns
    again = _start(tmp_path, *THREE)
    output, errors = again.communicate(timeout=600)
    assert again.returncode == 0, errors
    assert "Going on: 1 trainings are done." in output
    assert (study / "runs" / first["key"] / "model.keras").stat().st_mtime_ns == before
    told = ("alpha", "beta", "gamma", "key", "accuracy", "state")
    straight_rows = _rows(whole / "searches" / "coefficients-tiny-sample" / "trials.csv")
    assert [[row[name] for name in told] for row in _rows(study / "trials.csv")] == [
        [row[name] for name in told] for row in straight_rows
    ]


@pytest.mark.slow
def test_a_search_that_is_stopped_ends_its_trainings(tmp_path):
    process = _start(tmp_path, *THREE, "--workers=2", "--study_dir=study")
    _lines_until(process, "[1/3]")
    os.kill(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 130, (output, errors)
    assert errors.endswith("efficientnet-scale: stopped.\n")
    for folder in Path("/proc").glob("[0-9]*"):
        words = (folder / "cmdline").read_bytes() if (folder / "cmdline").exists() else b""
        assert str(tmp_path).encode() not in words, "a training is left"


@pytest.mark.slow
def test_an_architecture_is_searched_for(tmp_path):
    words = ["--search=architecture", "--base=tiny", "--data=sample", "--trials=3", "--epochs=1", "--batch_size=16"]
    process = _start(tmp_path, *words, "--workers=2", "--target_madds=1M", "--pruner=median", "--json")
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    result = json.loads(output)
    study = tmp_path / "searches" / "architecture-tiny-sample"
    assert len(result["rows"]) == len(_rows(study / "trials.csv")) == 3
    assert (study / "optuna.db").exists()
    assert (study / "front.png").stat().st_size > 10_000
    assert count(str(study / "best.json")).madds == result["madds"]


@pytest.mark.slow
def test_a_poor_training_ends_early_and_is_not_begun_again(tmp_path):
    reported = []

    def report(epoch, accuracy):
        reported.append((epoch, accuracy))
        return True

    settings = TrainConfig(data="sample", weights="none", recipe="proxy", epochs=40, batch_size=16).resolve().to_json()
    candidate, measure = Candidate(spec("tiny")), Proxy(tmp_path, settings, 1)
    outcome = measure(candidate, report)
    assert (outcome.state, [epoch for epoch, _ in reported]) == ("pruned", [1])
    assert outcome.accuracy == reported[0][1]
    assert not (tmp_path / candidate.key).exists()
    again = measure(candidate, report)
    assert (again.state, again.accuracy, len(reported)) == ("pruned", outcome.accuracy, 1)
