"""A scaled network trains, saves, exports and is described like any other."""

from __future__ import annotations

import pytest

import efficientnet_tf as efn
from efficientnet_tf.config import ExportConfig, TrainConfig
from efficientnet_tf.errors import UsageError
from efficientnet_tf.flags import parse
from efficientnet_tf.model import preprocessing_of
from efficientnet_tf.run import open_run


@pytest.mark.slow
def test_a_scaled_network_from_training_to_export(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(variant="tiny", width=2.0, depth=1.5, weights="none", data="sample", steps=1, batch_size=8)
    result = efn.train(config)
    assert result.run.path.name == "tiny-d1.5-w2-sample"
    model = efn.load_model(result.run.path)
    assert model.name == "efficientnet_tiny-d1.5-w2"
    counted = efn.count(efn.scale("tiny", width=2.0, depth=1.5), classes=5)
    assert model.count_params() - sum(w.shape[0] for w in model.weights if "seed" in w.path) == counted.total
    again = parse("train", [f"--config={result.run.path / 'config.json'}"]).config
    assert (again.variant, again.width, again.depth) == ("tiny", 2.0, 1.5)
    rows = efn.export(model, tmp_path / "out", formats=["tflite"], labels=open_run(result.run.path).labels)
    assert rows[0]["verified"]


@pytest.mark.parametrize(
    ("arguments", "name", "size"),
    [
        (["--variant=b0", "--phi=1.5"], "b0-phi1.5", 276),
        (["--variant=resnet50", "--width=2"], "resnet50-w2", 224),
        (["--variant=EfficientNetB0"], "b0", 224),
    ],
)
def test_flags_name_a_scaled_network(arguments, name, size):
    from efficientnet_tf.config import network_of

    for command in ("train", "export", "predict", "convert"):
        spec = network_of(parse(command, arguments).config)
        assert (spec.name, spec.image_size) == (name, size)


def test_a_scaled_network_keeps_its_preprocessing():
    spec = efn.scale("v2-b0", depth=0.5)
    model = efn.EfficientNet(spec, weights=None, image_size=64)
    assert preprocessing_of(model) == efn.spec("v2-b0").preprocessing(64)
    assert preprocessing_of(efn.EfficientNet("edgetpu-s-2020", weights=None)).interpolation == "tf1_bicubic"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 0.0}, r"^width must be above 0\.0, got 0\.0\.$"),
        ({"depth": -1.0}, r"^depth must be above 0\.0, got -1\.0\.$"),
        ({"phi": 1000.0}, r"^phi must be from -10 to 100, got 1000\.$"),
        ({"phi": 1.0, "width": 2.0}, r"phi"),
    ],
)
def test_impossible_scales_are_refused_before_anything_is_built(values, message):
    with pytest.raises(UsageError, match=message):
        TrainConfig(variant="b0", **values)
    with pytest.raises(UsageError, match=message):
        ExportConfig(variant="b0", **values)
