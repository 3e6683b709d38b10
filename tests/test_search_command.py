"""`efficientnet-scale --search` and `--study` as a user meets them."""

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

from efficientnet_tf.cli import scale as command
from efficientnet_tf.config import ScaleConfig
from efficientnet_tf.config.search import STUDIES
from efficientnet_tf.errors import MissingDependencyError, UsageError
from efficientnet_tf.search import search_coefficients
from efficientnet_tf.specs import count, scale, spec

#: Three triples: (1, 1, 1.5), (1, 1.5, 1) and (2, 1, 1).
THREE = ("--search", "--base=tiny", "--data=sample", "--step=0.5", "--tolerance=0.25", "--epochs=1", "--batch_size=16")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--search"],
            "--data is missing. Allowed: sample, a folder of class folders, csv:FILE, tfds:NAME[:SPLIT], "
            "tfrecord:GLOB, idx:FOLDER, synthetic.",
        ),
        (
            ["--search=colours"],
            "Unknown search 'colours'. Allowed: coefficients, architecture.",
        ),
        (["--study=figure7", "--data=sample"], "Unknown study 'figure7'. Did you mean 'figure8'? Allowed: figure3, "),
        (["--search", "--study=figure8", "--data=sample"], "Give one of --search, --study."),
        (["--search", "--phi=2", "--data=sample"], "Give one of --search, --phi."),
        (["--search", "--target_madds=1G", "--data=sample"], "Give one of --search, --target_madds."),
        (["--step=0.1"], "--step belongs to --search=coefficients, which is not asked for."),
        (
            ["--search", "--trials=3", "--data=sample"],
            "--trials belongs to --search=architecture, which is not asked for.",
        ),
        (["--widths=1,2"], "--widths belongs to --study=figure3 or --study=figure4, which is not asked for."),
        (["--data=sample"], "--data belongs to --search or --study, which is not asked for."),
        (
            ["--study=figure3", "--data=sample", "--depths=1,two"],
            "depths must be numbers separated by commas, got '1,two'.",
        ),
        (
            ["--search", "--data=sample", "--recipe=prox"],
            "Unknown recipe 'prox'. Did you mean 'proxy'? Allowed: fashion, ",
        ),
        (["--search", "--data=sample", "--workers=0"], "workers must be at least 1, got 0."),
        (["--search", "--data=sample", "--step=0"], "step must be above 0.0, got 0.0."),
        (
            ["--search", "--data=sample", "--save=best.json"],
            "--save is for a scaling; a search and a study write into ",
        ),
        (["--save=all.json"], "--save needs one network: one --phi, a target, or factors."),
        (["--phi=1", "--save=one.txt"], "--save must be a .json file, got 'one.txt'."),
        (
            ["--search", "--data=sample", "--step=0.3", "--tolerance=0.01"],
            "In steps of 0.3 no alpha * beta^2 * gamma^2 is within 0.01 of 2: the nearest is 1.9, of 1.9, 1, 1. ",
        ),
        (
            ["--search=architecture", "--base=resnet50", "--data=sample"],
            "An architecture is searched for around blocks of kinds mbconv and fused; resnet50 has bottleneck blocks.",
        ),
    ],
)
def test_refusals(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(words) == 2
    assert capsys.readouterr().err.startswith(f"efficientnet-scale: {message}")
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_without_tensorflow_one_line_says_what_to_install(monkeypatch, capsys):
    def missing():
        raise MissingDependencyError("TensorFlow is not installed.")

    monkeypatch.setattr(command, "require_tensorflow", missing)
    assert command.main(["--search", "--data=sample"]) == 1
    assert capsys.readouterr().err == "efficientnet-scale: TensorFlow is not installed.\n"


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_looks_where_its_recipe_says(study):
    points = ScaleConfig(study=study, data="sample").points()
    assert (
        points
        == {
            "figure3": {
                "depths": (1, 2, 3, 4, 6, 8),
                "widths": (1, 1.4, 1.8, 2.6, 3.8),
                "resolutions": (1, 1.3, 1.5, 1.7, 1.9, 2.2, 2.5),
            },
            "figure4": {"widths": (1, 1.4, 1.8, 2.6, 3.8), "depths": (1, 2), "resolutions": (1, 1.3)},
            "figure8": {"phi": (1, 2, 3, 4)},
        }[study]
    )
    assert ScaleConfig(study="figure3", data="sample", widths=("1", "2")).points()["widths"] == (1.0, 2.0)
    assert ScaleConfig(study="figure8", data="sample", phi=("1", "2")).points() == {"phi": (1.0, 2.0)}


def test_trainings_have_the_settings_that_were_given():
    config = ScaleConfig(
        search="coefficients", data="sample", epochs=3, batch_size=8, learning_rate=0.01, seeds=3, seed=4
    )
    training = config.training()
    assert (training.recipe, training.epochs, training.batch_size, training.learning_rate) == ("proxy", 3, 8, 0.01)
    assert (training.weights, training.augment, training.survival_probability) == ("none", "none", 1.0)
    assert config.all_seeds() == (4, 5, 6)


def test_a_scaled_network_as_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(["--base=lite0", "--phi=1", "--save=out/one.json"]) == 0
    assert "lite0-phi1 is in out/one.json: --variant=out/one.json\n" in capsys.readouterr().out
    assert spec("out/one.json") == scale("lite0", phi=1)
    assert command.main(["--base=out/one.json", "--width=2", "--save=two.json"]) == 0
    assert spec("two.json") == scale("lite0", phi=1).replace(
        name="lite0-phi1-w2", width=2 * scale("lite0", phi=1).width
    )
    assert command.main(["--target_madds=1G", "--save=three.json"]) == 0
    assert 0.8e9 < count("three.json").madds <= 1e9


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
def test_the_winner_is_accepted_by_every_command(straight):
    folder, result, _ = straight
    words = [f"--variant={result['spec']}", "--weights=none", "--data=sample", "--steps=2", "--batch_size=8"]
    for name, extra in (
        ("train", [*words, "--model_dir=run"]),
        ("evaluate", ["--model_dir=run", "--data=sample"]),
        ("export", ["--model_dir=run", "--format=tflite"]),
        ("scale", [f"--base={result['spec']}", "--phi=1"]),
        ("benchmark", [f"--variant={result['spec']}", "--mode=memory", "--compare=plain", "--batch_size=2"]),
    ):
        done = subprocess.run(
            [sys.executable, "-m", f"efficientnet_tf.cli.{name}", *extra],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (name, done.stderr)


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
def test_an_architecture_is_searched_for_and_poor_trainings_end_early(tmp_path):
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
def test_a_study_is_drawn(tmp_path):
    words = ["--study=figure8", "--base=tiny", "--data=sample", "--phi=1", "--epochs=1", "--batch_size=16", "--json"]
    process = _start(tmp_path, *words)
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    rows = json.loads(output)["rows"]
    assert [row["curve"] for row in rows] == ["base", "compound", "depth", "width", "resolution"]
    assert (tmp_path / "searches" / "figure8-tiny-sample" / "figure8.png").stat().st_size > 10_000


def test_a_training_that_fails_is_told_with_its_own_words(tmp_path):
    from efficientnet_tf.config import TrainConfig

    settings = TrainConfig(data=str(tmp_path / "nothing"), recipe="proxy", weights="none").resolve()
    with pytest.raises(UsageError) as error:
        search_coefficients("tiny", settings, step=0.5, tolerance=0.25, folder=tmp_path / "search")
    assert str(tmp_path / "nothing") in str(error.value)
    assert not list(tmp_path.iterdir()), "nothing is left behind"
