"""Artifacts against Keras: what is compared, which bounds, what an artifact costs, and what goes wrong."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile

import numpy as np
import pytest
import tensorflow as tf
from networks import randomise

from efficientnet_tf import EfficientNet
from efficientnet_tf.errors import MissingDependencyError
from efficientnet_tf.exporting import figures, saved_model, verify
from efficientnet_tf.exporting.deploy import deploy, trained
from efficientnet_tf.exporting.outputs import answers
from efficientnet_tf.exporting.verify import BOUNDS, Bounds, compare, read_photographs
from efficientnet_tf.runtimes import measuring
from efficientnet_tf.runtimes.measuring import RuntimeFailure, measure
from efficientnet_tf.specs import Preprocessing

LABELS = ["animals", "fishes", "monuments", "renewable", "tools"]
RECORD = Preprocessing((32, 32))
DRAWN = "synthetic:classes=5,count=40,size=32"


def network(seed=0):
    model = randomise(EfficientNet("tiny", weights=None, image_size=32, classes=5), seed)
    classifier = model.get_layer("predictions")
    kernel, bias = classifier.get_weights()
    # So that photographs are told apart, and most are clear.
    classifier.set_weights([np.random.default_rng(seed).normal(0, 1.5, kernel.shape), bias])
    return model


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def photographs(model):
    return read_photographs(trained(model), RECORD, DRAWN, 10)


def write_tflite(model, path, *, batch=1):
    """Write a `.tflite` file in this process, which the exporter does in another one."""
    signature = [tf.TensorSpec((batch, 32, 32, 3), tf.float32, name="image")]
    module = tf.Module()
    module.kept = [variable.value for variable in model.variables]
    serve = tf.function(lambda image: answers(model, image), input_signature=signature)
    with tempfile.TemporaryDirectory() as scratch:
        tf.saved_model.save(module, scratch, signatures={"serving_default": serve})
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(scratch).convert())
    return path


@pytest.fixture(scope="module")
def artifact(model, tmp_path_factory):
    return write_tflite(deploy(model), tmp_path_factory.mktemp("artifact") / "model.tflite")


@pytest.fixture(scope="module")
def row(artifact, photographs):
    return compare(artifact, "none", photographs, threads=(1,))


# What is compared.


def test_float_artifact(row, photographs):
    assert (row["verified"], row["reason"], row["photographs"]) == (True, None, 10)
    assert row["max_difference"] < 1e-5
    assert row["total_variation"] < 1e-5
    assert (row["top1_agreement"], row["clear_top1_agreement"]) == (1.0, 1.0)
    assert row["logit_sqnr_db"] > 80
    assert 0 <= row["kl"] < 1e-5
    assert row["accuracy"] is None
    assert row["outputs"] == {}
    assert len(row["pictures"]) == 10
    moved = [picture["total_variation"] for picture in row["pictures"]]
    assert moved == sorted(moved, reverse=True)
    worst = row["pictures"][0]
    best = worst["classes"][0]
    assert best["index"] == photographs.expected[worst["photograph"]].argmax()
    assert best["keras"] == round(float(photographs.expected[worst["photograph"]].max()), 6)
    json.dumps(row, allow_nan=False)


def test_what_it_costs(row):
    assert row["latency"].keys() == {"1"}
    times = row["latency"]["1"]
    assert 0 < times["p50"] <= times["p90"] <= times["p99"]
    assert row["latency_ms"] == times["p50"]
    assert 0 < row["peak_memory_mb"] < 200
    assert row["operations"]["CONV_2D"] + row["operations"]["DEPTHWISE_CONV_2D"] == 26


def test_tensorflow_is_not_loaded_for_what_it_does_not_run(artifact, photographs, tmp_path, monkeypatch):
    for name in ("tensorflow", "keras"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} was loaded')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    measured = measure(artifact, photographs.pixels[:1], threads=(1, 2))
    assert list(measured.latency) == ["1", "2"]
    np.testing.assert_allclose(measured.answers["probabilities"], photographs.expected[:1], atol=1e-5)


def test_outputs_other_than_probabilities(model, tmp_path):
    outputs = ("logits", "features", "pooled_features")
    found = read_photographs(trained(model), RECORD, DRAWN, 3, outputs=outputs)
    assert found.others["features"].shape == (3, *deploy(model, outputs=["features"]).output["features"].shape[1:])
    path = write_tflite(deploy(model, outputs=outputs), tmp_path / "model.tflite", batch=2)
    row = compare(path, "none", found, batch=2, threads=(1,))
    assert (row["verified"], row["reason"]) == (True, None)
    assert set(row["outputs"]) == set(outputs)
    for figures_of_it in row["outputs"].values():
        assert 90 < figures_of_it["sqnr_db"] <= 200
        assert figures_of_it["largest_relative_difference"] < 1e-5
    assert {row[name] for name in figures.NO_CLASSES} == {None}
    # Where they are wanted and not there, nothing is verified.
    wanted = dataclasses.replace(found, outputs=("probabilities", *outputs))
    row = compare(path, "none", wanted, threads=(1,))
    assert not row["verified"]
    assert re.match(r"^no output 'probabilities' among ", row["reason"])


def test_another_network_is_refused(artifact):
    others = read_photographs(trained(network(seed=1)), RECORD, DRAWN, 10)
    for quantize, reason in (
        ("none", r"^largest difference 0\.\d+, allowed 0\.0001$"),
        ("int8", r"^\d+ % of the probability moved to other classes, allowed 10 %$"),
    ):
        row = compare(artifact, quantize, others, threads=(1,))
        assert not row["verified"]
        assert re.match(reason, row["reason"])


@pytest.mark.slow
def test_saved_model_is_asked_for_pixels_and_for_files(model, tmp_path):
    found = read_photographs(trained(model), RECORD, DRAWN, 3, labels=LABELS)
    path = saved_model.write(deploy(model), tmp_path / "saved_model", RECORD, LABELS)
    measured = measure(path, found.pixels, files=found.files, threads=(1,))
    np.testing.assert_allclose(measured.encoded, found.expected, atol=1e-4)
    np.testing.assert_allclose(measured.answers["probabilities"], found.expected, atol=1e-4)
    # The worse of both counts.
    wrong = dataclasses.replace(measured, encoded=np.roll(found.expected, 1, axis=-1))
    assert verify._figures(wrong, found)["max_difference"] > 0.01


# Bounds.


def of(**changed):
    found = dict.fromkeys(figures.NO_CLASSES) | {"outputs": {}}
    return found | {"max_difference": 0.0, "total_variation": 0.0, "clear_photographs": 0} | changed


@pytest.mark.parametrize(
    ("bounds", "found", "reason"),
    [
        (Bounds(largest=1e-4), of(max_difference=2e-4), "largest difference 0.0002, allowed 0.0001"),
        (Bounds(largest=1e-4), of(max_difference=float("nan")), "largest difference nan, allowed 0.0001"),
        (
            Bounds(total_variation=0.05),
            of(total_variation=0.0612),
            "6.1 % of the probability moved to other classes, allowed 5 %",
        ),
        (
            Bounds(same_top=1.0),
            of(clear_photographs=12, clear_top1_agreement=11 / 12),
            "another top class on 1 of the 12 photographs where Keras leads by 0.1 or more, allowed 0",
        ),
        (Bounds(same_top=0.95), of(clear_photographs=12, clear_top1_agreement=11 / 12), None),
        (Bounds(same_top=0.95), of(clear_photographs=100, clear_top1_agreement=0.95), None),
        (
            Bounds(same_top=0.95),
            of(clear_photographs=100, clear_top1_agreement=0.94),
            "another top class on 6 of the 100 photographs where Keras leads by 0.1 or more, allowed 5",
        ),
        (
            Bounds(sqnr_db=40.0),
            of(outputs={"features": {"sqnr_db": 31.26}}),
            "features has 31.3 dB of signal to noise, 40 dB are needed",
        ),
    ],
)
def test_bounds(bounds, found, reason):
    assert verify._broken(bounds, found) == reason


def test_every_quantisation_has_bounds():
    from efficientnet_tf.config import QUANTIZATIONS

    assert set(BOUNDS) == {name for names in QUANTIZATIONS.values() for name in names}


# Figures that quantised outputs must not spoil.


def test_what_an_integer_output_cannot_express_is_not_held_against_it():
    expected = np.array([[0.9, 0.0996, 0.0004]])
    rounded = np.round(expected * 256) / 256
    assert rounded[0, 2] == 0
    assert figures.logit_sqnr(rounded, expected) > 30
    assert figures.divergence(rounded, expected) < 0.01
    # But a network that leaves no doubt where there is some does not get away with it.
    certain = np.array([[1.0, 0.0, 0.0]])
    assert figures.logit_sqnr(certain, expected) < 10
    assert figures.divergence(certain, expected) > 0.1


def test_figures_of_nothing_that_is_a_number():
    found = figures.class_figures([np.full((2, 3), np.nan)], np.full((2, 3), 1 / 3))
    assert verify._broken(BOUNDS["int8"], {**found, "outputs": {}}) == (
        "nan % of the probability moved to other classes, allowed 10 %"
    )


# What goes wrong.


def test_damaged_file_is_a_reason(photographs, tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"not a model")
    row = compare(tmp_path / "model.tflite", "none", photographs)
    assert not row["verified"]
    assert "model.tflite is not a TensorFlow Lite file that can be run" in row["reason"]
    assert (row["max_difference"], row["latency"], row["photographs"]) == (None, {}, 10)


def test_missing_runtime(artifact, photographs, tmp_path, monkeypatch):
    (tmp_path / "ai_edge_litert.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"^LiteRT is not installed\. Run: pip install ai-edge-litert$"):
        compare(artifact, "none", photographs)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("kill -SEGV $$", "its runtime ended with SIGSEGV"),
        ("echo cannot >&2; exit 3", "its runtime ended with exit code 3: cannot"),
    ],
)
def test_crash_is_a_reason(script, reason, artifact, photographs, tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(measuring.sys, "executable", str(program))
    row = compare(artifact, "none", photographs)
    assert (row["verified"], row["reason"]) == (False, reason)


def test_time_limit(artifact, photographs):
    with pytest.raises(RuntimeFailure, match=r"^its runtime did not finish within 0\.01 s$"):
        measure(artifact, photographs.pixels, timeout=0.01)
