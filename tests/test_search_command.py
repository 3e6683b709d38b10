"""`efficientnet-scale --search` and `--study` as a user meets them."""

from __future__ import annotations

import json

import pytest

from efficientnet_tf.cli import scale as command
from efficientnet_tf.config import ScaleConfig, TrainConfig
from efficientnet_tf.config.search import STUDIES
from efficientnet_tf.errors import MissingDependencyError, UsageError
from efficientnet_tf.search import report, running, search_coefficients
from efficientnet_tf.search.candidates import Outcome
from efficientnet_tf.specs import count, scale, spec


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


def test_a_study_is_drawn(tmp_path, monkeypatch, capsys):
    class Counted:
        """In place of trainings."""

        def __init__(self, *_):
            pass

        def __call__(self, candidate, report):
            return Outcome("done", 1 / (1 + 1e6 / count(candidate.spec).madds), 1.0)

        def stop(self):
            pass

    monkeypatch.setattr(running, "Proxy", Counted)
    monkeypatch.chdir(tmp_path)
    words = ["--study=figure8", "--base=tiny", "--data=sample", "--phi=1,2", "--seeds=2", "--json"]
    assert command.main(words) == 0
    output, told = capsys.readouterr()
    rows = json.loads(output)["rows"]
    assert [row["curve"] for row in rows] == ["base", *("compound", "depth", "width", "resolution") * 2]
    assert {row["seeds"] for row in rows} == {2}
    assert "[1/18] curve base, value 0, seed 0: done, accuracy " in told
    assert (tmp_path / "searches" / "figure8-tiny-sample" / "figure8.png").stat().st_size > 10_000


def test_triples_that_make_the_best_network_as_well_are_named(capsys):
    result = search_coefficients("tiny", lambda network: 1 / network.image_size, step=0.1)
    report.print_grid(spec("tiny"), result)
    told = capsys.readouterr().out
    (line,) = [line for line in told.splitlines() if line.startswith("At phi 1 these round to the same network")]
    named = line.partition(": ")[2].partition(". A larger")[0].split("; ")
    assert named
    for triple in named:
        alpha, beta, gamma = map(float, triple.split(", "))
        same = scale("tiny", phi=1, alpha=alpha, beta=beta, gamma=gamma)
        assert [block.filters_out for block in same.expand()] == [block.filters_out for block in result.spec.expand()]


def test_a_training_that_fails_is_told_with_its_own_words(tmp_path):
    settings = TrainConfig(data=str(tmp_path / "nothing"), recipe="proxy", weights="none").resolve()
    with pytest.raises(UsageError) as error:
        search_coefficients("tiny", settings, step=0.5, tolerance=0.25, folder=tmp_path / "search")
    assert str(tmp_path / "nothing") in str(error.value)
    assert not list(tmp_path.iterdir()), "nothing is left behind"
