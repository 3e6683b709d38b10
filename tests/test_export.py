"""Exported artifacts, read by the runtimes that their users have, and the report on them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from efficientnet_tf.data.sources import FORMS, SAMPLE
from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.exporting import export, tflite, verify
from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.exporting.writers import WRITERS
from efficientnet_tf.pretrained import EfficientNet
from efficientnet_tf.runtimes import open_artifact
from efficientnet_tf.runtimes.litert import LiteRTModel
from efficientnet_tf.specs import preprocessing_for

LABELS = ["animals", "fishes", "monuments", "renewable", "tools"]


@pytest.fixture(scope="module")
def model():
    """Pre-trained features under a classifier that tells photographs apart; small, so that exports are quick."""
    network = EfficientNet("lite0", weights="imagenet", image_size=96, classes=5)
    classifier = network.get_layer("predictions")
    kernel, bias = classifier.get_weights()
    generator = np.random.default_rng(0)
    classifier.set_weights([generator.normal(0, 0.03, kernel.shape), generator.normal(0, 0.1, bias.shape)])
    return network


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """A finished export in all formats, and its rows."""
    folder = tmp_path_factory.mktemp("out") / "export"
    rows = export(model, folder, quantize=["none", "float16", "dynamic"], labels=LABELS)
    return folder, rows


def test_files_and_report(folder):
    folder, rows = folder
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [
            "labels.txt",
            "preprocessing.json",
            "report.json",
            "report.html",
            "MODEL_CARD.md",
            "saved_model",
            "model.tflite",
            "model_float16.tflite",
            "model_dynamic.tflite",
            "tfjs",
            "tfjs_float16",
        ]
    )
    report = json.loads((folder / "report.json").read_text())
    assert report["artifacts"] == rows
    assert re.fullmatch("[0-9a-f]{64}", report["network"])
    assert {"format", "quantize", "file", "bytes", "max_difference", "mean_difference", "top1_agreement"} <= set(
        rows[0]
    )
    assert {"photographs", "latency_ms", "verified", "reason"} <= set(rows[0])
    assert (folder / "labels.txt").read_text().splitlines() == LABELS
    for row in rows:
        assert (row["verified"], row["reason"], row["photographs"]) == (True, None, 16), row
        assert row["latency_ms"] > 0
        bounds = verify.BOUNDS[row["quantize"]]
        assert bounds.largest is None or row["max_difference"] <= bounds.largest
        assert bounds.total_variation is None or row["total_variation"] <= bounds.total_variation
    # Variables once, not once more for Keras.
    size = {row["file"]: row["bytes"] for row in rows}
    assert size["saved_model"] < 1.2 * size["model.tflite"]
    assert size["model_dynamic.tflite"] < 0.3 * size["model.tflite"]
    assert 0.45 < size["model_float16.tflite"] / size["model.tflite"] < 0.55
    assert 0.45 < size["tfjs_float16"] / size["tfjs"] < 0.6


def test_differences_are_real(folder):
    rows = {(row["format"], row["quantize"]): row for row in folder[1]}
    # What was rounded must differ, or the comparison did not reach the artifact.
    for key in (("tflite", "float16"), ("tfjs", "float16"), ("tflite", "dynamic")):
        assert rows[key]["max_difference"] > 1e-6


@pytest.mark.parametrize("name", ["saved_model", "model.tflite", "tfjs"])
def test_every_runtime_answers_as_keras_for_any_number_of_pictures(name, folder, model):
    artifact = open_artifact(folder[0] / name)
    try:
        pixels = np.random.default_rng(5).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
        np.testing.assert_allclose(artifact.predict(pixels), model(pixels).numpy(), atol=1e-5, rtol=0)
        assert artifact.predict(pixels[:1]).shape == (1, 5)
        assert list(artifact.labels) == LABELS
        assert artifact.preprocessing == preprocessing_for("lite0", 96)
    finally:
        artifact.close()


def test_saved_model_serves_files_without_this_package(folder, model):
    file = SAMPLE / "animals" / "panda.jpg"
    code = """
import sys, numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
assert "efficientnet_tf" not in sys.modules
data = tf.constant([open(sys.argv[2], "rb").read()] * 2)
answer = loaded.signatures["encoded"](image_bytes=data)["probabilities"].numpy()
inputs = {key: sorted(value.structured_input_signature[1]) for key, value in loaded.signatures.items()}
assert inputs == {"serving_default": ["image"], "encoded": ["image_bytes"], "features": ["image"]}, inputs
np.save(sys.argv[3], answer)
"""
    target = folder[0].parent / "answer.npy"
    command = [sys.executable, "-c", code, str(folder[0] / "saved_model"), str(file), str(target)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    from efficientnet_tf.data.decoding import decode_and_crop

    pixels = decode_and_crop(tf.constant(file.read_bytes()), preprocessing_for("lite0", 96)).numpy()
    expected = model(pixels[None]).numpy()
    np.testing.assert_allclose(np.load(target), np.repeat(expected, 2, 0), atol=1e-5, rtol=0)


def test_tflite_is_static_and_folded(folder):
    artifact = LiteRTModel(folder[0] / "model.tflite")
    operations = artifact.operations()
    assert operations["CONV_2D"] + operations["DEPTHWISE_CONV_2D"] == 49
    # Shape arithmetic, or a multiplication for each normalisation, would show here.
    assert not {"SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE"} & set(operations)
    assert operations.get("MUL", 0) <= 1
    assert operations["ADD"] <= 10


def test_damaged_artifact_is_caught(model, tmp_path, monkeypatch):
    """An artifact of another network must not pass for this one."""
    other = deploy(EfficientNet("lite0", weights=None, image_size=96, classes=5))
    monkeypatch.setitem(WRITERS, "tflite", lambda job, path, quantize: tflite.write(other, path))
    for quantize in ("none", "dynamic"):
        with pytest.raises(EfficientNetError, match=r"^Not exported, since it answers otherwise than Keras: model"):
            export(model, tmp_path / "export", formats=["tflite"], quantize=[quantize])


def test_labels_of_another_network_are_refused(model, tmp_path):
    (tmp_path / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    # They would name the older artifact's outputs.
    message = f"{tmp_path} holds an export of another network (labels.txt differs). Give another --output_dir."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        export(model, tmp_path, formats=["tflite"], labels=list("abcde"))


def test_missing_runtime_is_never_reported_as_verified(model, tmp_path, monkeypatch):
    def missing(*args, **options):
        raise MissingDependencyError("LiteRT is not installed. Run: pip install ai-edge-litert")

    monkeypatch.setattr(verify, "measure", missing)
    rows = export(model, tmp_path, formats=["tflite"])
    assert rows[0]["verified"] is False
    assert rows[0]["reason"] == "LiteRT is not installed. Run: pip install ai-edge-litert"
    with pytest.raises(MissingDependencyError, match=r"^LiteRT is not installed\. Run: pip install ai-edge-litert$"):
        export(model, tmp_path, formats=["tflite"], verify="sample")


def test_wrong_arguments(model, tmp_path):
    with pytest.raises(UsageError, match=r"^labels must name the 5 classes of the network, got 2\.$"):
        export(model, tmp_path, labels=["a", "b"])
    message = f"No such data: {str(tmp_path / 'absent')!r}. Allowed: {FORMS}."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        export(model, tmp_path, formats=["tflite"], verify=str(tmp_path / "absent"))
    with pytest.raises(UsageError, match=r"^Unknown quantisation 'int4'\. Did you mean 'int8'\? Allowed: none, "):
        tflite.write(deploy(model), tmp_path / "a.tflite", quantize="int4")


def test_files_that_are_no_artifact(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(UsageError, match=r"a\.txt is not an artifact that can be run\. Allowed: a SavedModel folder, "):
        open_artifact(tmp_path / "a.txt")
    (tmp_path / "a.tflite").write_bytes(b"not a model")
    with pytest.raises(EfficientNetError, match=r"a\.tflite is not a TensorFlow Lite file that can be run: "):
        open_artifact(tmp_path / "a.tflite")
    with pytest.raises(UsageError, match=r" is a folder of artifacts\. Give one of them: a\.tflite\.$"):
        open_artifact(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"not a model")
    with pytest.raises(EfficientNetError, match=r" is not a SavedModel that can be loaded: "):
        open_artifact(tmp_path)


def test_saved_model_lists_its_assets(folder):
    assets = folder[0] / "saved_model" / "assets"
    assert sorted(os.listdir(assets)) == ["labels.txt", "preprocessing.json"]
