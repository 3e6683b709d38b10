"""The networks against keras.applications, the official counts, and Keras' own saving and cloning."""

from __future__ import annotations

import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from networks import randomise

from efficientnet_tf import specs
from efficientnet_tf.errors import UsageError
from efficientnet_tf.layers import StochasticDepth
from efficientnet_tf.model import Head, build_model
from efficientnet_tf.pretrained import EfficientNet

SMALL = ["b0", "lite4", "edgetpu-s", "condconv-4e", "v2-b3", "mobilenetv1", "mobilenetv2", "resnet50", "tiny"]
REST = [variant for variant in specs.list_variants() if variant not in SMALL]


@pytest.mark.parametrize("variant", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in REST)])
def test_model_has_as_many_parameters_as_the_spec(variant):
    model = EfficientNet(variant, weights=None)
    counted = specs.count(variant)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == counted.trainable
    normal = [weight for weight in model.weights if "seed" not in weight.path]
    assert sum(int(np.prod(weight.shape)) for weight in normal) == counted.total
    assert model.input_shape == (None, specs.spec(variant).image_size, specs.spec(variant).image_size, 3)


def test_b0_equals_keras_applications():
    reference = keras.applications.EfficientNetB0(weights=None, classifier_activation=None)
    randomise(reference, seed=1)
    model = EfficientNet("b0", weights=None, classifier_activation=None, include_preprocessing=False)
    for layer in reference.layers:
        if layer.get_weights() and not isinstance(layer, keras.layers.Normalization):
            model.get_layer(layer.name).set_weights(layer.get_weights())
    image = np.random.default_rng(2).normal(size=(2, 224, 224, 3)).astype("float32")
    expected = keras.Model(reference.get_layer("stem_conv_pad").input, reference.output)(image).numpy()
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(model(image).numpy(), expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


FAMILIES = {
    "v2-b0": ("EfficientNetV2B0", {"include_preprocessing": False}),
    "v2-s": ("EfficientNetV2S", {"include_preprocessing": False}),
    "mobilenetv1": ("MobileNet", {}),
    "mobilenetv2": ("MobileNetV2", {}),
}


@pytest.mark.parametrize("variant", FAMILIES)
def test_other_families_equal_keras_applications(variant):
    name, arguments = FAMILIES[variant]
    shape = {"input_shape": (96, 96, 3), "weights": None, "classifier_activation": None}
    reference = randomise(getattr(keras.applications, name)(**shape, **arguments), seed=1)
    model = EfficientNet(variant, include_preprocessing=False, **shape)
    theirs = [layer.get_weights() for layer in reference.layers if layer.get_weights()]
    ours = [layer for layer in model.layers if any("seed" not in weight.path for weight in layer.weights)]
    for layer, arrays in zip(ours, theirs, strict=True):
        # MobileNet's classifier is a 1x1 convolution.
        layer.set_weights([array.reshape(weight.shape) for array, weight in zip(arrays, layer.weights, strict=True)])
    image = np.random.default_rng(2).normal(size=(2, 96, 96, 3)).astype("float32")
    expected = reference(image).numpy()
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(model(image).numpy(), expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


def test_grey_and_four_channels():
    for channels in (1, 4):
        model = EfficientNet("tiny", weights=None, input_shape=(48, 32, channels))
        assert model(np.zeros((2, 48, 32, channels), np.uint8)).shape == (2, 10)
        assert model.get_layer("stem_conv").kernel.shape[2] == channels


def test_a_tensor_to_start_from():
    image = keras.Input((32, 32, 3), name="picture")
    model = EfficientNet("tiny", weights=None, input_tensor=keras.layers.RandomFlip(seed=1)(image))
    assert model.inputs == [image]
    assert model(np.zeros((1, 32, 32, 3), np.uint8)).shape == (1, 10)
    with pytest.raises(UsageError, match=r"^input_tensor has a shape of its own; give neither image_size nor input_s"):
        EfficientNet("tiny", weights=None, input_tensor=image, image_size=64)


def test_strides_of_edgetpu_lie_where_they_were_trained():
    early, late = (EfficientNet(name, weights=None, image_size=64) for name in ("edgetpu-s", "edgetpu-s-2020"))
    sides = [m.get_layer("block2a_expand_activation").output.shape[1] for m in (early, late)]
    assert sides == [32, 16]
    assert early.count_params() == late.count_params()
    names = [layer.name for layer in early.layers]
    assert not any(name.startswith("block1") and name.endswith("_add") for name in names)
    assert "block2b_add" in names


def test_symmetric_padding_is_that_of_pytorch():
    model = build_model(specs.spec("tiny").replace(padding="symmetric"), Head(10, dropout=0.0))
    layer = keras.Model(model.get_layer("rescaling").output, model.get_layer("stem_conv").output)
    x = np.random.default_rng(1).normal(size=(1, 32, 32, 3)).astype("float32")
    kernel = model.get_layer("stem_conv").get_weights()[0]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.einsum("ijk,ijko->o", padded[0, 2:5, 4:7], kernel)  # output (1, 2)
    np.testing.assert_allclose(layer(x).numpy()[0, 1, 2], expected, atol=1e-5)


def test_layer_names_are_those_of_keras_applications():
    reference = {layer.name for layer in keras.applications.EfficientNetB0(weights=None).layers}
    names = {layer.name for layer in EfficientNet("b0", weights=None).layers}
    # Ours has one scaling layer, padding inside its convolutions, and pooling that keeps its dimensions.
    other = re.compile(r"^(input_layer|rescaling|normalization)(_\d+)?$|_pad$|_se_reshape$")
    assert {name for name in reference - names if not other.search(name)} == set()
    assert names - reference <= {"image", "rescaling"}


def test_uint8_and_float32_pixels_give_the_same():
    model = EfficientNet("lite0", weights=None, image_size=64, classes=3)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(model(pixels).numpy(), model(pixels.astype("float32")).numpy())


def test_any_size_and_features():
    model = EfficientNet("lite0", weights=None, input_shape=(None, None, 3), include_top=False, pooling="avg")
    assert model(np.zeros((1, 70, 50, 3), np.uint8)).shape == (1, 1280)
    maximum = EfficientNet("lite0", weights=None, image_size=64, include_top=False, pooling="max")
    assert maximum.output_shape == (None, 1280)
    assert EfficientNet("b0", weights=None, image_size=64, include_top=False).output_shape == (None, 2, 2, 1280)


def test_survival_probability_falls_linearly():
    model = EfficientNet("b0", weights=None, survival_probability=0.5)
    drops = [layer for layer in model.layers if isinstance(layer, StochasticDepth)]
    assert [layer.name for layer in drops][:2] == ["block2b_drop", "block3b_drop"]
    assert drops[0].survival_probability == pytest.approx(1 - 0.5 * 2 / 16, abs=1e-12)
    assert drops[-1].survival_probability == pytest.approx(1 - 0.5 * 14 / 16, abs=1e-12)
    assert not any(
        isinstance(layer, StochasticDepth)
        for layer in EfficientNet("b0", weights=None, survival_probability=1.0).layers
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"image_size": 64, "input_shape": (64, 64, 3)},
            "Give image_size or input_shape, not both; got 64 and (64, 64, 3).",
        ),
        (
            {"input_shape": (64, 64, 2)},
            "input_shape must be (height, width, channels) with 1, 3 or 4 channels, got (64, 64, 2).",
        ),
        ({"classes": 0}, "classes must be at least 1, got 0."),
        ({"dropout": 1.0}, "dropout must be in [0, 1), got 1.0."),
        ({"survival_probability": 0.0}, "survival_probability must be in (0, 1], got 0.0."),
        ({"pooling": "sum"}, "Unknown pooling 'sum'. Allowed: avg, max."),
        ({"classifier_activation": "relu"}, "classifier_activation must be one of softmax, sigmoid, None; got 'relu'."),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        EfficientNet("lite0", weights=None, **arguments)


@pytest.fixture(scope="module")
def small():
    """A small B0 with statistics that matter, pixels, and its answer."""
    model = EfficientNet("b0", weights=None, image_size=64, classes=7)
    randomise(model, seed=3)
    pixels = np.random.default_rng(4).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    return model, pixels, model(pixels).numpy()


def test_clone_gives_identical_outputs(small):
    model, pixels, expected = small
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(pixels).numpy(), expected)
    drop = clone.get_layer("block7a_dwconv"), clone.get_layer("block6b_drop")
    assert drop[1].survival_probability == model.get_layer("block6b_drop").survival_probability


@pytest.mark.parametrize("imports", ["import keras, efficientnet_tf", "import efficientnet_tf, keras"])
def test_saved_model_loads_in_a_fresh_interpreter(small, imports, tmp_path):
    model, pixels, expected = small
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "arrays.npz", pixels=pixels, expected=expected)
    code = f"""
import sys, numpy as np
{imports}
arrays = np.load(sys.argv[2])
model = keras.models.load_model(sys.argv[1])
np.testing.assert_array_equal(model(arrays["pixels"]).numpy(), arrays["expected"])
print(type(model.get_layer("block6b_drop")).__module__)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "model.keras"), str(tmp_path / "arrays.npz")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "efficientnet_tf.layers.stochastic_depth"


def test_stochastic_depth_keeps_the_expected_value():
    layer = StochasticDepth(0.7, seed=5)
    inputs = np.random.default_rng(6).normal(size=(4000, 2, 2, 3)).astype("float32")
    outputs = np.array(layer(inputs, training=True))
    kept = outputs[:, 0, 0, 0] != 0
    assert abs(kept.mean() - 0.7) < 0.03
    np.testing.assert_allclose(outputs[kept], inputs[kept] / np.float32(0.7), rtol=1e-6)
    assert not outputs[~kept].any()
    np.testing.assert_array_equal(np.array(layer(inputs, training=False)), inputs)


def test_stochastic_depth_round_trip():
    layer = StochasticDepth(0.7, seed=5, name="drop")
    copy = StochasticDepth.from_config(layer.get_config())
    assert (copy.survival_probability, copy.seed, copy.name) == (0.7, 5, "drop")
    with pytest.raises(UsageError, match=r"^survival_probability must be in \(0, 1\], got 1\.5\.$"):
        StochasticDepth(1.5)


def test_mixed_precision_ends_in_float32():
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = build_model(specs.spec("lite0"), Head(classes=3), input_shape=(64, 64, 3))
    finally:
        keras.config.set_dtype_policy(policy)
    output = model(np.zeros((1, 64, 64, 3), np.uint8))
    assert output.dtype == "float32"
    assert model.get_layer("top_activation").output.dtype == "bfloat16"


def test_initializers_are_the_official_ones():
    model = EfficientNet("b0", weights=None)
    kernel = model.get_layer("block6a_expand_conv").get_weights()[0]
    assert kernel.std() == pytest.approx(np.sqrt(2 / kernel.shape[-1]), rel=0.02)
    assert np.abs(kernel).max() > 3 * kernel.std()  # a truncated normal would stop at two deviations
    depthwise = model.get_layer("block6b_dwconv").get_weights()[0]
    assert depthwise.std() == pytest.approx(np.sqrt(2 / 25), rel=0.02)
    classifier, bias = model.get_layer("predictions").get_weights()
    assert np.abs(classifier).max() == pytest.approx(1 / np.sqrt(1000), rel=0.01)
    assert not bias.any()
