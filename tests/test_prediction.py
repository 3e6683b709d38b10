"""Predictions: with the zoo, a run's network, and every kind of artifact."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from efficientnet_tf.cli import predict
from efficientnet_tf.config import PredictConfig
from efficientnet_tf.data.sources import SAMPLE, checked
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.exporting import deploy, export, tflite
from efficientnet_tf.prediction import open_predictor, predict_files
from efficientnet_tf.pretrained import EfficientNet
from efficientnet_tf.specs import Preprocessing

COFFEE = Path(skimage.__file__).parent / "data" / "coffee.png"


def test_real_photographs_are_recognised(capsys):
    files = [str(SAMPLE / "animals" / "panda.jpg"), str(SAMPLE / "animals" / "dog.jpg"), str(COFFEE)]
    assert predict.main(["--variant=lite0", "--weights=imagenet", "--json", "--top=3", *files]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [row["file"] for row in result["predictions"]] == files
    first = [row["top"][0] for row in result["predictions"]]
    assert [entry["label"] for entry in first] == ["giant panda", "German shepherd", "espresso"]
    assert [entry["index"] for entry in first] == [388, 235, 967]
    assert all(len(row["top"]) == 3 for row in result["predictions"])
    assert all(0.5 < entry["probability"] <= 1 for entry in first)
    assert result["skipped"] == []


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """A small network with every kind of artifact of it."""
    folder = tmp_path_factory.mktemp("artifacts")
    model = EfficientNet("lite0", weights="imagenet", image_size=64)
    export(model, folder)
    model.save(folder / "model.keras")
    return folder


def test_all_artifacts_say_the_same(artifacts):
    answers = []
    for name in ("model.keras", "saved_model", "model.tflite", "tfjs"):
        with open_predictor(PredictConfig(artifact=str(artifacts / name))) as predictor:
            result = predict_files(predictor, [SAMPLE / "monuments"], top=2, batch_size=7)
        answers.append([[entry["probability"] for entry in row["top"]] for row in result["predictions"]])
        assert len(answers[-1]) == 70
    for other in answers[1:]:
        np.testing.assert_allclose(other, answers[0], atol=1e-4)


def test_batches_do_not_matter(artifacts):
    predictor = open_predictor(PredictConfig(artifact=str(artifacts / "model.tflite")))
    one, some, all_at_once = (predict_files(predictor, [SAMPLE / "tools"], batch_size=size) for size in (1, 5, 64))
    assert one == some == all_at_once


def test_names_are_of_no_consequence_and_order_is_kept(artifacts, tmp_path):
    predictor = open_predictor(PredictConfig(artifact=str(artifacts / "model.tflite")))
    pictures = [tmp_path / "ü 2.jpg", tmp_path / "1.jpg"]
    for picture in pictures:
        Image.new("RGB", (70, 90), (200, 10, 10)).save(picture)
    result = predict_files(predictor, pictures)
    assert [row["file"] for row in result["predictions"]] == [str(picture) for picture in pictures]
    assert sum(entry["probability"] for entry in result["predictions"][0]["top"]) <= 1.0001


def test_a_long_list_is_read_while_the_network_works_and_its_progress_is_shown(artifacts, monkeypatch, capsys):
    monkeypatch.setattr(checked, "_SHOW_AFTER", -1.0)
    monkeypatch.setattr(checked, "_LINE_EVERY", -1.0)
    with open_predictor(PredictConfig(artifact=str(artifacts / "model.tflite"))) as predictor:
        result = predict_files(predictor, [SAMPLE / "monuments"], batch_size=30)
    assert [Path(row["file"]) for row in result["predictions"]] == sorted((SAMPLE / "monuments").glob("*.jpg"))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["Predicting: 30 of 70", "Predicting: 60 of 70"]


def test_logits_are_shown_as_probabilities(artifacts, tmp_path):
    model = EfficientNet("lite0", weights="imagenet", image_size=64, classifier_activation=None)
    model.save(tmp_path / "logits.keras")
    answers = [
        predict_files(open_predictor(PredictConfig(artifact=str(path))), [SAMPLE / "tools"], top=2)["predictions"]
        for path in (tmp_path / "logits.keras", artifacts / "model.keras")
    ]
    for own, other in zip(*answers, strict=True):
        assert [e["probability"] for e in own["top"]] == pytest.approx(
            [e["probability"] for e in other["top"]], abs=1e-5
        )


@pytest.fixture
def bare(tmp_path):
    """A `.tflite` file that says nothing of labels and preprocessing, as those of others may be."""
    model = deploy(EfficientNet("tiny", weights=None, classes=3))
    return tflite.write(model, tmp_path / "model.tflite")


def test_labels_that_do_not_fit(bare):
    beside = bare.parent / "preprocessing.json"
    beside.write_text(json.dumps(Preprocessing((32, 32)).to_json()))
    (bare.parent / "labels.txt").write_text("one\ntwo\n")
    predictor = open_predictor(PredictConfig(artifact=str(bare)))
    with pytest.raises(EfficientNetError, match=r"model\.tflite has 3 outputs, and labels\.txt names 2 classes\.$"):
        predict_files(predictor, [SAMPLE / "tools"])
    for text in ("[]", "null", "{}", "not json"):
        beside.write_text(text)
        with pytest.raises(EfficientNetError, match=r"preprocessing\.json is not a preprocessing record: "):
            open_predictor(PredictConfig(artifact=str(bare)))


def test_artifact_without_a_record(bare):
    with pytest.raises(UsageError, match=r"model\.tflite does not say how photographs become its input; put prepro"):
        open_predictor(PredictConfig(artifact=str(bare)))
    (bare.parent / "preprocessing.json").write_text(json.dumps(Preprocessing((32, 32)).to_json()))
    predictor = open_predictor(PredictConfig(artifact=str(bare)))
    assert predictor.labels == ["0", "1", "2"]


def test_an_exported_file_needs_nothing_beside_it(artifacts, tmp_path):
    (tmp_path / "model.tflite").write_bytes((artifacts / "model.tflite").read_bytes())
    predictor = open_predictor(PredictConfig(artifact=str(tmp_path / "model.tflite")))
    assert predictor.labels[388] == "giant panda"
    assert predictor.record.image_size == (64, 64)
