"""`efficientnet-evaluate` on a run, on every kind of artifact of it, and on the zoo."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from source_files import noise

import efficientnet_tf as efn
from efficientnet_tf.cli import evaluate
from efficientnet_tf.config import EvaluateConfig, TrainConfig
from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.sources import SAMPLE, read_source
from efficientnet_tf.errors import UsageError
from efficientnet_tf.evaluation import Evaluation, evaluate_probabilities
from efficientnet_tf.evaluation.photographs import photographs_of
from efficientnet_tf.evaluation.report import print_evaluation, write_predictions
from efficientnet_tf.exporting import export
from efficientnet_tf.run import Run
from efficientnet_tf.specs import Preprocessing

LABELS = ("a", "b", "c", "d", "e", "f")
RECORD = Preprocessing((32, 32), scale=(1 / 128,) * 3, offset=(-0.5,) * 3)


def small_network() -> keras.Model:
    """Return a network that answers with the class of the nearest brightness, as it remembers them a bit too bright."""
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Rescaling(1 / 128, -0.5, name="rescaling")(image)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    model = keras.Model(image, keras.layers.Dense(6, activation="softmax", name="predictions")(x), name="small")
    centres = (28.0 * np.arange(6) + 48.5) / 128 - 0.5
    # The square of a distance but for what all classes share, three channels together.
    model.get_layer("predictions").set_weights([np.tile(2 * 50 * centres / 3, (3, 1)), -50 * centres**2])
    return model


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of the small network, its data of six classes, one brighter than the other, and its exports."""
    folder = tmp_path_factory.mktemp("evaluate")
    for number in range(42):
        file = folder / "data" / LABELS[number // 7] / f"{number:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(noise(2 * number))
    model = small_network()
    written = Run(folder / "run")
    config = TrainConfig(variant="lite0", data=str(folder / "data"), validation_fraction=0.5)
    written.begin(config.resolve(), LABELS, RECORD)
    written.save_model(model)
    export(model, written.path / "export", labels=LABELS)
    return written.path


@pytest.fixture(scope="module")
def evaluation(run) -> Evaluation:
    """The run on its own data."""
    return efn.evaluate(EvaluateConfig(model_dir=str(run)))


def figures(capsys, *words: str) -> dict:
    """Run the command with `--json` and return what it prints."""
    code = evaluate.main(["--json", *map(str, words)])
    output = capsys.readouterr()
    assert code == 0, output.err
    return json.loads(output.out)


def validation(run: Path, fraction: float = 0.5):
    return read_source(str(run.parent / "data"), "validation", validation_fraction=fraction)


def probabilities_by_hand(run: Path) -> np.ndarray:
    """Return the network's answers to the run's validation photographs, one call a photograph."""
    model = keras.models.load_model(run / "model.keras")
    pictures = [decode_and_crop(Path(path).read_bytes(), RECORD).numpy() for path in validation(run).paths]
    return np.concatenate([model.predict_on_batch(picture[None]) for picture in pictures])


def test_a_run_on_what_it_was_validated_on(run, evaluation):
    result, examples, answers = evaluation.to_json(), validation(run), probabilities_by_hand(run)
    assert (result["examples"], len(examples)) == (24, 24)  # half of seven in each class, rounded up
    expected = evaluate_probabilities(answers, np.array(examples.labels), LABELS)
    assert 0.3 < expected["top1"] < 0.9
    for key in ("top1", "top5", "confusion", "per_class", "balanced_accuracy", "macro_f1"):
        assert result[key] == expected[key], key
    assert result["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert result["ece"] == pytest.approx(expected["ece"], abs=1e-5)
    assert list(result)[:9] == [
        *("examples", "top1", "top5", "loss", "balanced_accuracy", "macro_f1", "ece", "per_class", "confusion")
    ]
    assert {key: result[key] for key in list(result)[9:]} == {
        "network": str(run),
        "data": str(run.parent / "data"),
        "split": "validation",
        "views": 1,
        "skipped": [],
    }


def test_the_batch_size_changes_not_a_bit(run, evaluation):
    other = efn.evaluate(EvaluateConfig(model_dir=str(run), batch_size=3))
    assert other.figures == evaluation.figures
    np.testing.assert_array_equal(other.answers.scores.own, evaluation.answers.scores.own)
    assert other.answers.files == evaluation.answers.files == validation(run).paths


@pytest.mark.parametrize("name", ["export/saved_model", "export/model.tflite", "export/tfjs"])
def test_all_artifacts_have_the_same_figures(run, evaluation, capsys, name):
    result = figures(capsys, f"--artifact={run / name}")  # the data of the run that it lies in
    for key in ("examples", "top1", "top5", "confusion", "per_class", "data"):
        assert result[key] == evaluation.to_json()[key], key
    assert result["loss"] == pytest.approx(evaluation.figures["loss"], rel=1e-5)


def test_data_of_its_own(run):
    own, other = run.parent / "data", f"{run.parent}/run/../data"
    config = EvaluateConfig(model_dir=str(run))
    for changes, examples in (
        ({}, 24),
        ({"split": "train"}, 18),
        ({"validation_fraction": 0.3}, 12),
        ({"data": str(own)}, 24),
        ({"data": other}, 6),  # which is not by its name the run's
    ):
        assert len(photographs_of(dataclasses.replace(config, **changes), Run(run)).source) == examples


def test_ten_crops_by_hand(run):
    result = efn.evaluate(EvaluateConfig(model_dir=str(run), crops=10))
    assert result.views == 10
    model, examples = keras.models.load_model(run / "model.keras"), validation(run)
    larger = dataclasses.replace(RECORD, image_size=(64, 64), crop_padding=0)
    rows = []
    for path in examples.paths:
        square = decode_and_crop(Path(path).read_bytes(), larger).numpy()
        crops = [square[y : y + 32, x : x + 32] for y, x in ((0, 0), (0, 32), (32, 0), (32, 32), (16, 16))]
        rows.append(model.predict_on_batch(np.stack([*crops, *(crop[:, ::-1] for crop in crops)])).mean(0))
    expected = evaluate_probabilities(np.stack(rows), np.array(examples.labels), LABELS)
    assert result.figures["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert result.figures["confusion"] == expected["confusion"]


def test_predictions_for_people_and_in_a_table(run, evaluation, tmp_path, capsys):
    table = tmp_path / "answers.csv"
    assert evaluate.main([f"--model_dir={run}", f"--output={table}"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{run} on 24 photographs of {run.parent / 'data'} (validation):\n")
    for name, key in (("top-1", "top1"), ("top-5", "top5"), ("macro-F1", "macro_f1"), ("loss", "loss")):
        assert f"  {name:<18} {evaluation.figures[key]:.4f}\n" in text
    rows = text[text.index("class, the worst first") :].splitlines()[2:8]
    recalls = [float(line.split()[2]) for line in rows]
    assert recalls == sorted(recalls)
    assert "Most often confused:" in text
    assert text.endswith(f"Every prediction is in {table}.\n")
    answers = probabilities_by_hand(run)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == list(validation(run).paths)
    assert [row["label"] for row in rows] == [LABELS[label] for label in validation(run).labels]
    assert [row["predicted"] for row in rows] == [LABELS[index] for index in answers.argmax(-1)]
    np.testing.assert_allclose([float(row["probability"]) for row in rows], answers.max(-1), atol=2e-6)


def test_predictions_as_json(evaluation, tmp_path):
    file = tmp_path / "answers.json"
    write_predictions(str(file), evaluation.to_json(), evaluation.predictions())
    written = json.loads(file.read_text())
    assert written.pop("predictions") == evaluation.predictions()
    assert written == evaluation.to_json()


def test_many_classes_and_names_that_are_markup(capsys):
    labels = [f"[red]{number}" for number in range(25)]
    probabilities = np.eye(25)[np.r_[1, 1:25]]
    result = evaluate_probabilities(probabilities, np.arange(25), labels)
    about = {"network": "net", "data": "d", "split": "test", "views": 2}
    print_evaluation({**result, **about, "skipped": [{"file": "x.jpg", "reason": "an empty file"}]})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "net on 25 photographs of d (test), the mean of 2 views each:"
    assert "and 5 classes more, all better; --json has them." in lines
    assert "  [red]0 taken for [red]1: 1 of 1" in lines
    assert lines[-2:] == ["skipped x.jpg: an empty file", "1 file skipped."]


def test_photographs_by_the_names_of_imagenet(tmp_path, capsys):
    for name, photograph in (("giant_panda", "panda.jpg"), ("n02106662", "dog.jpg")):
        for side in ("train", "test"):
            (tmp_path / side / name).mkdir(parents=True)
            shutil.copy(SAMPLE / "animals" / photograph, tmp_path / side / name)
    result = figures(capsys, "--variant=lite0", f"--data={tmp_path}", "--split=test")
    assert (result["examples"], result["top1"], result["top5"], result["balanced_accuracy"]) == (2, 1.0, 1.0, 1.0)
    assert [label for label, row in result["per_class"].items() if row["examples"]] == [
        "German shepherd",
        "giant panda",
    ]
    assert result["network"] == "efficientnet_lite0"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crops": 5}, "crops must be 1 or 10, got 5."),
        ({"crops": 10, "tta": ("flip",)}, "Give --crops=10 or --tta, not both; got --tta=flip."),
        ({"tta": ("flop",)}, "Unknown tta 'flop'. Did you mean 'flip'? Allowed: flip, zoom."),
        ({"output": "x.txt"}, "--output must end in .csv or .json, got 'x.txt'."),
        ({"split": "val"}, "Unknown split 'val'. Allowed: train, validation, test."),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0."),
        (
            {"artifact": "a", "variant": "b0"},
            "Give one of --model_dir, --artifact, --variant; got --artifact and --variant.",
        ),
        ({"weights": "imagenet"}, "--weights belongs to --variant, which is not given; got imagenet."),
    ],
)
def test_settings_that_are_not_allowed(values, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        EvaluateConfig(**values)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--artifact={run}/export/model.tflite", "--data=absent"], 2, "No such data: 'absent'. Allowed: "),
        (["--model_dir={run}", "--split=test"], 1, "'{data}' has no images for 'test'. Allowed: train, validation."),
        (
            ["--model_dir={run}", "--data=sample"],
            2,
            "The data's class 'animals' is unknown to {run}. It knows: a, b, c, d, e, f.",
        ),
        (
            ["--model_dir={run}", "--data=synthetic:classes=7,size=32"],
            2,
            "The data has 7 classes, and {run} knows 6.",
        ),
        (["--model_dir={run}", "--output={run}/config.json"], 2, "--output={run}/config.json exists already. Give a n"),
        (["--model_dir={run}", "--output=absent/x.csv"], 2, "--output=absent/x.csv is to be in the folder absent, wh"),
        ([], 2, "There is no run under runs/. "),
        (["--artifact=absent.tflite"], 2, "There is no artifact absent.tflite. Allowed: "),
        (["--artifact={moved}"], 2, "--data is missing. Allowed: 'sample' (the bundled photographs); "),
    ],
)
def test_wrong_command_lines(run, tmp_path, monkeypatch, capsys, words, code, message):
    monkeypatch.chdir(tmp_path)
    moved = tmp_path / "model.tflite"
    for name in ("model.tflite", "preprocessing.json", "labels.txt"):
        shutil.copy(run / "export" / name, tmp_path)
    before = sorted(tmp_path.iterdir())
    names = {"run": run, "data": run.parent / "data", "moved": moved}
    assert evaluate.main([word.format(**names) for word in words]) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("efficientnet-evaluate")]
    assert len(lines) == 1
    assert lines[0].startswith(f"efficientnet-evaluate: {message.format(**names)}")
    assert sorted(tmp_path.iterdir()) == before
