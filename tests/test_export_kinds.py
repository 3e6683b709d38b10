"""Exports of every kind at once, as the command makes them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from networks import randomise

from efficientnet_tf.config import QUANTIZATIONS, ExportConfig
from efficientnet_tf.config.export import TUNED
from efficientnet_tf.errors import UsageError
from efficientnet_tf.exporting import export, tflite
from efficientnet_tf.exporting.source import Source
from efficientnet_tf.exporting.writers import Job
from efficientnet_tf.model import preprocessing_of
from efficientnet_tf.pretrained import EfficientNet
from efficientnet_tf.runtimes import open_artifact

LABELS = ["a", "b", "c", "d"]
KINDS = ("int8", "weights")


@pytest.fixture(scope="module")
def model():
    network = randomise(EfficientNet("tiny", weights=None, classes=4), seed=1)
    classifier = network.get_layer("predictions")
    classifier.set_weights([0.3 * array for array in classifier.get_weights()])
    return network


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds") / "out"
    export(
        model,
        folder,
        formats=["tflite", "onnx", "keras"],
        quantize=KINDS,
        labels=LABELS,
        outputs=["probabilities", "pooled_features"],
        image_size=40,
        calibration_images=8,
        verify_images=4,
    )
    return folder


def rows(folder):
    return {row["file"]: row for row in json.loads((folder / "report.json").read_text())["artifacts"]}


def test_the_command_names_the_kinds_that_are_written():
    assert set(QUANTIZATIONS["tflite"]) == set(tflite.KINDS)


def test_the_command_names_the_kinds_that_are_tuned():
    assert set(TUNED) == set(tflite.FASTER)


def test_what_a_file_is_tuned_for(model):
    def tuned_for(model, form, quantize, **options):
        job = Job(Source(model, LABELS, preprocessing_of(model), "x"), ExportConfig(variant="b0", **options), print)
        return job.interface(form, quantize)["tuned_for"]

    assert tuned_for(model, "tflite", "none") == tuned_for(model, "tflite", "int8") == "processor"
    assert tuned_for(model, "tflite", "float16") is tuned_for(model, "onnx", "none") is None
    assert tuned_for(model, "tflite", "none", tuned_for="accelerator") == "accelerator"
    other = EfficientNet("edgetpu-s", weights=None, classes=4, image_size=32)
    assert tuned_for(other, "tflite", "int8") == "accelerator"


def test_every_kind_is_verified(folder):
    found = rows(folder)
    assert list(found) == ["model_int8.tflite", "model_weights.tflite", "model.onnx", "model.keras"]
    assert all(row["verified"] for row in found.values())
    assert {"pooled_features"} == set(found["model_int8.tflite"]["outputs"])
    assert found["model.onnx"]["max_difference"] <= 1e-4


def test_the_report_names_the_layers_that_lose_most(folder):
    found = rows(folder)
    for name in ("model_int8.tflite", "model_weights.tflite"):
        layers = found[name]["quantization"]["layers"]
        assert layers == sorted(layers, key=lambda layer: layer["sqnr_db"])
        assert len(layers) > 50
    assert "quantization" not in found["model.onnx"]
    assert all(isinstance(number, int) for number in found["model_int8.tflite"]["edge_tpu"].values())
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What quantisation costs" in page
    assert (
        f"at the 10 layers that lose most, of {len(found['model_int8.tflite']['quantization']['layers'])}; the" in page
    )
    assert "An Edge TPU would" in page


def test_a_file_alone_knows_its_labels_and_its_preprocessing(folder, model, tmp_path):
    for name in ("model_int8.tflite", "model.onnx"):
        shutil.copyfile(folder / name, tmp_path / name)
        artifact = open_artifact(tmp_path / name)
        try:
            assert list(artifact.labels) == LABELS
            assert artifact.preprocessing.image_size == (40, 40)
            pixels = np.full((3, 40, 40, 3), 120, np.uint8)
            assert {key: value.shape for key, value in artifact.answers(pixels).items()} == {
                "probabilities": (3, 4),
                "pooled_features": (3, model.get_layer("avg_pool").output.shape[-1]),
            }
        finally:
            artifact.close()


def test_an_unknown_output_is_named_before_anything_is_written(model, tmp_path):
    with pytest.raises(UsageError, match=r"^Unknown output 'feature'\. Did you mean 'features'\? Allowed: "):
        export(model, tmp_path / "out", formats=["tflite"], outputs=["feature"])
    assert list(tmp_path.iterdir()) == []


def test_integers_take_the_bytes_of_a_picture(folder):
    (image,) = open_artifact(folder / "model_int8.tflite")._run.get_input_details().values()
    assert image["dtype"] == np.uint8
    assert image["shape"].tolist() == [1, 40, 40, 3]
