"""The answers of keras.applications, timm and torchvision on the same weights, read from files in their formats."""

from __future__ import annotations

import pytest
from peers import KERAS, about, keras_difference, load_peer, peer_difference

from efficientnet_tf import specs
from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.pretrained import build_network
from efficientnet_tf.weights.origins import as_trained, origin_of

QUICK = (*(f"EfficientNetB{number}" for number in range(4)), "EfficientNetV2B0", "EfficientNetV2S")
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in KERAS]


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("name", NAMES)
def test_keras_applications(name, tmp_path):
    difference, largest = keras_difference(name, tmp_path, ending=".keras" if name.endswith("B0") else ".h5")
    assert largest > 0.1
    assert difference < 1e-4 * largest


@pytest.mark.parametrize("name", list(about()["networks"]))
def test_timm_and_torchvision(name, tmp_path):
    difference, largest = peer_difference(name, tmp_path)
    assert largest > 0.1
    assert difference < 1e-4 * largest


def test_padding_and_epsilon_travel_with_the_weights(tmp_path):
    for name, traits in about()["networks"].items():
        if name.endswith(("b0", "b5")):
            spec = load_peer(name, tmp_path).spec
            assert (spec.padding, spec.batch_norm_epsilon) == (traits["padding"], traits["batch_norm_epsilon"])


@pytest.mark.parametrize("network", list(about()["inputs"]["torchvision"]))
def test_preprocessing_is_that_of_torchvision(network):
    theirs = about()["inputs"]["torchvision"][network]["IMAGENET1K_V1"]
    ours = as_trained(specs.spec(network), "torchvision", {})
    record = ours.preprocessing()
    assert record.image_size == (theirs["crop_size"],) * 2
    assert record.crop_padding == theirs["resize_size"] - theirs["crop_size"]
    assert record.interpolation == theirs["interpolation"]
    assert ours.mean == pytest.approx([value * 255 for value in theirs["mean"]])
    assert ours.std == pytest.approx([value * 255 for value in theirs["std"]])
    assert ours.batch_norm_epsilon == theirs["batch_norm_epsilon"]


@pytest.mark.parametrize(
    "variant", ["tf_efficientnet_b0", "tf_efficientnet_es", "tf_efficientnetv2_s", "tf_efficientnetv2_m"]
)
def test_preprocessing_is_that_of_timm(variant):
    for tag, theirs in about()["inputs"]["timm"][variant].items():
        config = {key: list(value) if isinstance(value, tuple) else value for key, value in theirs.items()}
        ours = as_trained(specs.spec(variant), "timm-tf", {"pretrained_cfg": config})
        assert ours.mean == pytest.approx([value * 255 for value in theirs["mean"]]), tag
        assert ours.crop == ("none" if theirs.get("crop_mode") == "squash" else "center"), tag
        size = ours.image_size
        assert size == (theirs.get("test_input_size") or theirs["input_size"])[1], tag
        assert size / (size + ours.crop_padding) == pytest.approx(theirs["crop_pct"], abs=2e-3), tag


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("models/tf_efficientnet_b0_aa-827b6e33.pth", "timm-tf"),
        ("tf_efficientnetv2_s.in21k/model.safetensors", "timm-tf"),
        ("efficientnet_b0_ra-3dd342df.pth", "timm"),
        ("efficientnet_tf/model.safetensors", None),
        ("efficientnet_tf/tf-b0.pth", None),
    ],
)
def test_the_name_of_a_file_of_timm(path, origin):
    tensors = {"conv_stem.weight": None}
    if origin:
        assert origin_of(tensors, path, {}) == origin
    else:
        with pytest.raises(EfficientNetError, match="is timm's, but not whether"):
            origin_of(tensors, path, {})


def test_timm_without_its_name_is_refused_with_the_reason(tmp_path):
    load_peer("timm.tf_efficientnet_lite0", tmp_path)
    (tmp_path / "tf_efficientnet_lite0.safetensors").rename(tmp_path / "best.safetensors")
    with pytest.raises(
        EfficientNetError, match=r"is timm's, but not whether its network pads as TensorFlow or as PyTo"
    ):
        build_network("lite0", weights=tmp_path / "best.safetensors")
    network = build_network("lite0", weights=tmp_path / "best.safetensors", origin="timm-tf")
    assert network.spec.padding == "same"
    (tmp_path / "config.json").write_text(
        '{"architecture": "tf_efficientnet_lite0", "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], '
        '"crop_pct": 0.875, "interpolation": "bilinear"}}'
    )
    record = build_network("lite0", weights=tmp_path / "best.safetensors").record
    assert (record.interpolation, record.crop_padding) == ("bilinear", 32)
    assert [value * 255 + offset for value, offset in zip(record.scale, record.offset, strict=True)] == [1.0, 1.0, 1.0]
