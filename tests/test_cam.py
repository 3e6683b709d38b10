"""Class activation maps: what they are made of, and what they show."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from networks import randomise

import efficientnet_tf as efn
from efficientnet_tf.cam import raw_class_activation_map
from efficientnet_tf.errors import UsageError
from efficientnet_tf.model import with_probabilities

CLASSES, SIDE = 7, 64
PANDA = 388


def network(**arguments) -> keras.Model:
    """Return a tiny network whose classes differ; always the same."""
    keras.utils.set_random_seed(0)
    model = efn.EfficientNet("tiny", weights=None, classes=CLASSES, image_size=SIDE, **arguments)
    generator = np.random.default_rng(0)
    dense = model.get_layer("predictions")
    dense.set_weights([generator.normal(0, 1, weight.shape) for weight in dense.get_weights()])
    return randomise(model, 1)


def pictures(number: int = 3, scale: float = 255.0) -> np.ndarray:
    return np.random.default_rng(2).uniform(0, scale, (number, SIDE, SIDE, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return network(dropout=0.5)


def plain(output, name="plain") -> keras.Model:
    """Return a network with a convolution, and what `output` makes of its map behind it."""
    image = keras.Input((SIDE, SIDE, 3))
    return keras.Model(image, output(layers.Conv2D(5, 3, strides=8, name="conv")(image)), name=name)


def of_logits(logits: np.ndarray, activation) -> np.ndarray:
    return np.asarray(keras.activations.get(activation)(keras.ops.convert_to_tensor(logits)))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"dropout": 0.0},
        {"classifier_activation": None},
        {"classifier_activation": "sigmoid"},
        {"include_preprocessing": False},
    ],
    ids=str,
)
def test_mean_of_the_map_and_bias_are_the_logit(arguments):
    own = network(**arguments)
    images = pictures(scale=1.0 if "include_preprocessing" in arguments else 255.0)
    bias = own.get_layer("predictions").get_weights()[1]
    logits = np.stack([raw_class_activation_map(own, images, c).mean(axis=(1, 2)) + bias[c] for c in range(CLASSES)])
    answers = of_logits(logits.T, arguments.get("classifier_activation", "softmax"))
    np.testing.assert_allclose(answers, own.predict_on_batch(images), rtol=1e-4, atol=1e-5)
    # The same class for each picture, however it is said.
    maps = efn.class_activation_map(own, images, 4)
    np.testing.assert_array_equal(efn.class_activation_map(own, images, [4] * 3), maps)


def test_gradients_at_the_last_map_give_the_same(model):
    images = pictures()
    classes = [0, 3, 6]
    own, by_gradient = (raw_class_activation_map(model, images, classes, layer) for layer in (None, "top_activation"))
    # Of a mean over h x w positions, each has that part of the weight.
    np.testing.assert_allclose(by_gradient * own[0].size, own, rtol=1e-4, atol=1e-5)
    maps = [efn.class_activation_map(model, images, classes, layer) for layer in (None, "top_activation")]
    np.testing.assert_allclose(*maps, atol=1e-4)


def test_maps_are_as_large_as_the_images_and_end_at_one(model):
    images = pictures()
    for layer in (None, "stem_activation", "block1a_project_bn"):
        maps = efn.class_activation_map(model, images, layer=layer)
        assert (maps.shape, maps.dtype) == ((3, SIDE, SIDE), np.float32)
        assert maps.min() >= 0.0
        np.testing.assert_allclose(maps.max(axis=(1, 2)), 1.0, atol=1e-6)


def test_gradients_are_of_the_logit_and_of_frozen_networks_too(model):
    images = pictures()
    expected = raw_class_activation_map(model, images, 2, "stem_activation")
    # The weights by finite differences: how the logit changes with each channel.
    stem = model.get_layer("stem_activation").output
    dense = model.get_layer("predictions")
    maps = np.asarray(keras.Model(model.inputs[0], stem)(images))
    rest = keras.Model(stem, dense.input)
    kernel = dense.get_weights()[0][:, 2]

    def logit(moved: np.ndarray) -> np.ndarray:
        return np.asarray(rest(moved)) @ kernel

    step, positions = 0.02, maps.shape[1] * maps.shape[2]
    weights = [
        (logit(maps + step * channel) - logit(maps - step * channel)) / (2 * step * positions)
        for channel in np.eye(maps.shape[-1], dtype=np.float32)
    ]
    by_hand = np.einsum("nhwc,cn->nhw", maps, np.stack(weights))
    np.testing.assert_allclose(by_hand, expected, atol=1e-3 * np.abs(expected).max())
    frozen = network(dropout=0.5)
    frozen.trainable = False
    np.testing.assert_allclose(raw_class_activation_map(frozen, images, 2, "stem_activation"), expected, atol=1e-6)


def test_the_class_is_the_most_probable_of_each_image(model):
    images = pictures(8)
    top = model.predict_on_batch(images).argmax(axis=1)
    np.testing.assert_array_equal(efn.class_activation_map(model, images), efn.class_activation_map(model, images, top))


def test_nothing_for_the_class_is_an_empty_map():
    own = plain(lambda x: layers.Dense(2, name="d")(layers.GlobalAveragePooling2D()(layers.ReLU()(x))))
    own.get_layer("d").set_weights([np.full((5, 2), -1.0), np.zeros(2)])
    assert np.all(efn.class_activation_map(own, pictures()) == 0.0)


def test_networks_of_other_kinds():
    # Without bias, with an activation layer of its own, and a softmax behind logits; names are of no consequence.
    def head(x):
        x = layers.Dropout(0.1)(layers.GlobalAveragePooling2D(name="g")(x))
        return layers.Activation("softmax")(layers.Dense(3, use_bias=False, name="d")(x))

    own = plain(head)
    raw = raw_class_activation_map(own, pictures(), 1)
    vectors = keras.Model(own.inputs[0], own.get_layer("g").output)(pictures())
    np.testing.assert_allclose(
        raw.mean(axis=(1, 2)), np.asarray(vectors) @ own.get_layer("d").get_weights()[0][:, 1], rtol=1e-4, atol=1e-5
    )
    logits = network(classifier_activation=None)
    np.testing.assert_array_equal(
        *(efn.class_activation_map(each, pictures(), 1) for each in (logits, with_probabilities(logits)))
    )
    # A model inside a model, as in transfer learning with keras.applications.
    base = plain(lambda x: x, name="base")
    outer = keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), base, layers.GlobalAveragePooling2D(), layers.Dense(2, "softmax")]
    )
    assert raw_class_activation_map(outer, pictures(), 0).shape == (3, 8, 8)
    # Without global pooling Grad-CAM alone is possible.
    flat = plain(lambda x: layers.Dense(2, "softmax")(layers.Flatten()(x)))
    assert efn.class_activation_map(flat, pictures(), 0, "conv").shape == (3, SIDE, SIDE)


def test_a_network_that_was_saved(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = efn.load_model(tmp_path / "model.keras")
    for layer in (None, "stem_conv"):
        np.testing.assert_allclose(
            *(raw_class_activation_map(each, pictures(), 1, layer) for each in (model, loaded)), atol=1e-6
        )


def test_16_bit_networks_give_maps_too():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        own = network()
    finally:
        keras.config.set_dtype_policy("float32")
    assert own.get_layer("top_activation").output.dtype == "bfloat16"
    for layer in (None, "stem_conv"):
        maps, expected = (raw_class_activation_map(each, pictures(), 1, layer) for each in (own, network()))
        assert maps.dtype == np.float32
        np.testing.assert_allclose(maps, expected, atol=0.1 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"layer": "top_activatoin"},
            r"Unknown layer 'top_activatoin'\. Did you mean 'top_activation'\? "
            r"Allowed: layers of 'efficientnet_tiny' whose output is a map, such as 'top_activation'\.",
        ),
        (
            {"layer": "predictions"},
            r"The output of layer 'predictions' of 'efficientnet_tiny' is no map \[N, height, width, channels\]\.",
        ),
        (
            {"class_indices": 7},
            r"class_indices must be a whole number of 0\.\.\.6, or 3 of them, one for each image; got 7\.",
        ),
        (
            {"class_indices": [0, 1]},
            r"class_indices must be a whole number of 0\.\.\.6, or 3 of them, one for each image; got \[0, 1\]\.",
        ),
        (
            {"class_indices": "panda"},
            r"class_indices must be a whole number of 0\.\.\.6, or 3 of them, one for each image; got panda\.",
        ),
        (
            {"images": np.zeros((64, 64, 3))},
            r"images must be \[N, height, width, channels\], got shape \(64, 64, 3\)\.",
        ),
    ],
    ids=str,
)
def test_wrong_arguments(model, arguments, message):
    with pytest.raises(UsageError, match=f"^{message}$"):
        efn.class_activation_map(model, **{"images": pictures(), **arguments})


def test_networks_without_the_classifier_that_is_needed():
    headless = efn.EfficientNet("tiny", weights=None, include_top=False, image_size=SIDE)
    flat = plain(lambda x: layers.Dense(2)(layers.Flatten()(x)))
    for own in (headless, flat):
        message = (
            f"'{own.name}' does not end in global average pooling and a Dense layer, as class activation maps need. "
            "Name a layer, for Grad-CAM."
        )
        with pytest.raises(UsageError, match=f"^{message}$"):
            efn.class_activation_map(own, pictures())
    message = "'efficientnet_tiny' does not end in a Dense layer, of whose logits Grad-CAM takes gradients."
    with pytest.raises(UsageError, match=f"^{message}$"):
        efn.class_activation_map(headless, pictures(), layer="stem_conv")


def test_the_network_looks_at_the_animal():
    reference = np.load(Path(__file__).parent / "golden" / "lite0_reference.npz")
    panda = reference["images_uint8"][list(reference["logits"].argmax(axis=1)).index(PANDA)][None]
    lite0 = efn.EfficientNet("lite0")
    raw = raw_class_activation_map(lite0, panda)
    logit = raw.mean() + lite0.get_layer("predictions").bias[PANDA]
    expected = reference["logits"].max(axis=1)[reference["logits"].argmax(axis=1) == PANDA][0]
    assert float(logit) == pytest.approx(expected, rel=1e-3)
    for layer in (None, "block7a_project_bn"):
        heat = efn.class_activation_map(lite0, panda, layer=layer)[0]
        # The animal's head is left of the centre; the border is rock, and shadow.
        border = np.ones_like(heat, bool)
        border[20:-20, 20:-20] = False
        assert heat[40:160, 30:150].mean() > 3 * heat[border].mean()
