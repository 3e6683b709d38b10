"""Settings: precedence, limits, recipes, and what is written of them."""

from __future__ import annotations

import json
import re

import pytest

from efficientnet_tf import config
from efficientnet_tf.config import ExportConfig, PredictConfig, TrainConfig, read_config
from efficientnet_tf.errors import UsageError
from efficientnet_tf.flags import parse


@pytest.mark.parametrize("name", config.list_recipes())
def test_recipes_are_settings_and_flagfiles(name):
    settings = config.read_recipe(name)
    assert settings
    resolved = TrainConfig(recipe=name).resolve()
    for key, value in settings.items():
        assert getattr(resolved, key) == value
    from_flagfile = parse("train", [f"--flagfile={config.RECIPES_FOLDER / name}.cfg"]).config
    assert from_flagfile == TrainConfig(**settings)


def test_weights_choose_the_recipe():
    assert TrainConfig().resolve().recipe == "finetune"
    assert TrainConfig(weights="none").resolve().recipe == "scratch"
    assert TrainConfig(weights="none", recipe="finetune").resolve().freeze == "bn"


def test_flags_win_over_the_configuration_and_it_over_the_recipe(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"variant": "lite1", "batch_size": 7, "epochs": 3, "model_dir": "runs/old"}))
    parsed = parse("train", [f"--config={file}", "--epochs=5"]).config
    resolved = parsed.resolve()
    assert (resolved.variant, resolved.batch_size, resolved.epochs) == ("lite1", 7, 5)
    assert resolved.optimizer == config.read_recipe("finetune")["optimizer"]
    assert resolved.model_dir is None  # the old run's folder would be overwritten


def test_another_duration_replaces_the_earlier_one(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(TrainConfig(steps=40).resolve().to_json()))
    assert parse("train", [f"--config={file}", "--epochs=2"]).config.resolve().head_epochs == 0
    file.write_text(json.dumps(TrainConfig().resolve().to_json()))
    assert parse("train", [f"--config={file}", "--steps=7"]).config.resolve().epochs is None


def test_resolved_configuration_runs_again():
    resolved = TrainConfig(variant="EfficientNetLite0", data="sample", steps=30).resolve()
    assert resolved.variant == "lite0"
    assert (resolved.steps, resolved.epochs) == (30, None)
    assert TrainConfig.from_json(json.loads(json.dumps(resolved.to_json()))).resolve() == resolved


def test_short_runs_keep_the_proportion_of_the_head():
    recipe = config.read_recipe("finetune")
    short = TrainConfig(epochs=2).resolve()
    assert short.head_epochs == int(2 * recipe["head_epochs"] / recipe["epochs"])
    with pytest.raises(UsageError, match=r"^head_epochs must be at most epochs, got 3 and 2\.$"):
        TrainConfig(epochs=2, head_epochs=3).resolve()


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (TrainConfig, {"batch_size": 0}, "batch_size must be at least 1, got 0."),
        (TrainConfig, {"learning_rate": 0.0}, "learning_rate must be above 0.0, got 0.0."),
        (TrainConfig, {"survival_probability": 1.5}, "survival_probability must be at most 1.0, got 1.5."),
        (TrainConfig, {"dropout": 1.0}, "dropout must be below 1.0, got 1.0."),
        (
            TrainConfig,
            {"strategy": "mirrord"},
            "Unknown strategy 'mirrord'. Did you mean 'mirrored'? Allowed: auto, single, mirrored, multiworker, tpu.",
        ),
        (TrainConfig, {"epochs": 3, "steps": 4}, "Give epochs or steps, not both; got 3 and 4."),
        (TrainConfig, {"tpu": "a", "strategy": "single"}, "--tpu=a needs --strategy=tpu or auto, got single."),
        (
            ExportConfig,
            {"format": ("tflight",)},
            "Unknown format 'tflight'. Did you mean 'tflite'? Allowed: saved_model, tflite, tfjs, onnx, keras.",
        ),
        (
            ExportConfig,
            {"format": ("tfjs",), "quantize": ("dynamic",)},
            "None of tfjs can be quantised as dynamic. Allowed: tfjs: none, float16, uint8.",
        ),
        (ExportConfig, {"format": ()}, "format is empty; give at least one value."),
        (ExportConfig, {"outputs": ()}, "outputs is empty; give at least one value."),
        (
            ExportConfig,
            {"batch": 4, "dynamic_batch": True},
            "Give --batch or --dynamic_batch, not both; got --batch=4.",
        ),
        (
            ExportConfig,
            {"format": ("onnx",), "dynamic_batch": True},
            "--dynamic_batch is for tflite, which is not among --format=onnx.",
        ),
        (
            ExportConfig,
            {"calibration": "sample", "quantize": ("none", "float16")},
            "--calibration is for weights, int8, mixed, int16x8, none of which is among --quantize=none,float16.",
        ),
        (
            ExportConfig,
            {"calibration_images": 200},
            "--calibration_images is for weights, int8, mixed, int16x8, none of which is among --quantize=none.",
        ),
        (
            ExportConfig,
            {"integer_io": "uint8", "quantize": ("int8",), "format": ("onnx", "tflite"), "offline": True},
            "--offline is for tfjs, which is not among --format=onnx,tflite.",
        ),
        (
            ExportConfig,
            {"integer_io": "uint8", "quantize": ("dynamic",)},
            "--integer_io is for int8, mixed, int16x8, none of which is among --quantize=dynamic.",
        ),
        (
            ExportConfig,
            {"tuned_for": "accelerator", "format": ("tflite", "onnx"), "quantize": ("float16",)},
            "--tuned_for is for TensorFlow Lite files of a fixed batch and the kinds none, int8, mixed; got "
            "--format=tflite,onnx --quantize=float16.",
        ),
        (
            ExportConfig,
            {"tuned_for": "processor", "dynamic_batch": True},
            "--tuned_for is for TensorFlow Lite files of a fixed batch and the kinds none, int8, mixed; got "
            "--format=saved_model,tflite,tfjs --quantize=none --dynamic_batch.",
        ),
        (ExportConfig, {"model_dir": "a", "variant": "b0"}, "Give --model_dir or --variant, not both; got a and b0."),
        (
            PredictConfig,
            {"artifact": "a", "variant": "b0"},
            "Give one of --model_dir, --artifact, --variant; got --artifact and --variant.",
        ),
        (PredictConfig, {"top": 0}, "top must be at least 1, got 0."),
    ],
)
def test_limits(kind, values, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        kind(**values)


def test_export_targets():
    assert ExportConfig().targets() == [("saved_model", "none"), ("tflite", "none"), ("tfjs", "none")]
    assert ExportConfig(image_size=96).image_size == 96
    assert [ExportConfig(batch=8).batch_of(form) for form in ("tflite", "onnx")] == [8, 8]
    assert [ExportConfig(dynamic_batch=True).batch_of(form) for form in ("tflite", "onnx")] == [None, None]
    only = ExportConfig(format=("tflite", "tfjs"), quantize=("float16", "dynamic"))
    assert only.targets() == [("tflite", "float16"), ("tflite", "dynamic"), ("tfjs", "float16")]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("batch_size", "8", 8), ("learning_rate", "1e-3", 0.001), ("variant", "b4", "b4"), ("warmup_epochs", "2", 2.0)],
)
def test_parse(name, text, value):
    assert TrainConfig.parse(name, text) == value
    assert ExportConfig.parse("quantize", "none, dynamic") == ("none", "dynamic")


def test_files_that_are_no_configuration(tmp_path):
    with pytest.raises(UsageError, match=r"^There is no configuration file .*absent\.json\.$"):
        config.read_config(tmp_path / "absent.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(UsageError, match=r"list\.json must hold one JSON object, got a list\.$"):
        config.read_config(tmp_path / "list.json")
    for text, message in (
        ('{"epochs": "3"}', 'epochs cannot be "3".'),
        ('{"variant": 5}', "variant cannot be 5."),
        ('{"data": ["sample"]}', 'data cannot be ["sample"].'),
        ('{"seed": true}', "seed cannot be true."),
    ):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
            parse("train", [f"--config={tmp_path / 'a.json'}"])
    (tmp_path / "a.json").write_text('{"epoch": 1}')
    with pytest.raises(UsageError, match=r"^Unknown setting 'epoch'\. Did you mean 'epochs'\? Allowed: variant, "):
        parse("train", [f"--config={tmp_path / 'a.json'}"])


def test_a_run_from_before_there_was_augmentation_runs_again_without(tmp_path):
    old = TrainConfig(data="sample", recipe="finetune").resolve().to_json()
    del old["augment"]
    (tmp_path / "config.json").write_text(json.dumps(old))
    assert read_config(tmp_path / "config.json")["augment"] == "none"
    (tmp_path / "config.json").write_text(json.dumps({"data": "sample", "preview": "look.png"}))
    assert read_config(tmp_path / "config.json") == {"data": "sample"}
