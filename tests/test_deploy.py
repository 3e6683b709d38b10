"""The folded network answers as the trained one."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from networks import randomise

from efficientnet_tf.errors import UsageError
from efficientnet_tf.exporting import compiled
from efficientnet_tf.exporting.deploy import TRAINING_ONLY, deploy, trained
from efficientnet_tf.exporting.outputs import answers, output_names
from efficientnet_tf.features import endpoints
from efficientnet_tf.pretrained import EfficientNet


def network(variant: str = "lite0", **arguments) -> keras.Model:
    """Return a small network whose probabilities are neither 0 nor 1."""
    keras.utils.set_random_seed(7)
    model = randomise(EfficientNet(variant, weights=None, image_size=64, classes=6, **arguments), seed=0)
    classifier = model.get_layer("predictions")
    classifier.set_weights([0.1 * array for array in classifier.get_weights()])
    return model


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("variant", ["b0", "lite0"])
def test_deployed_network_has_no_normalisation_and_the_same_answers(variant, pixels):
    model = network(variant)
    deployed = deploy(model)
    assert not [layer.name for layer in deployed.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert not [layer.name for layer in deployed.layers if isinstance(layer, TRAINING_ONLY)]
    assert deployed.inputs[0].name == "image"
    np.testing.assert_allclose(deployed(pixels).numpy(), model(pixels).numpy(), atol=1e-5, rtol=0)
    # One bias for each channel took the place of four vectors.
    assert deployed.count_params() < model.count_params()


def test_logits_become_probabilities(pixels):
    model = network(classifier_activation=None)
    deployed = deploy(model)
    expected = keras.ops.softmax(model(pixels)).numpy()
    np.testing.assert_allclose(deployed(pixels).numpy(), expected, atol=1e-5, rtol=0)


def test_reduced_precision_is_deployed_in_float32(pixels):
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = network()
    finally:
        keras.config.set_dtype_policy(policy)
    deployed = deploy(model)
    assert {layer.compute_dtype for layer in deployed.layers} == {"float32"}
    assert np.abs(deployed(pixels).numpy() - model(pixels).numpy()).max() > 1e-3
    np.testing.assert_allclose(deployed(pixels).numpy(), trained(model)(pixels).numpy(), atol=1e-5, rtol=0)


def test_only_what_can_be_folded_is_folded():
    generator = np.random.default_rng(2)
    image = keras.Input((8, 8, 3), name="picture")
    scaled = keras.layers.Rescaling(1 / 128)(image)
    first = keras.layers.Conv2D(4, 3, padding="same", name="shared")(scaled)
    x = keras.layers.BatchNormalization(name="one_reader_of_two")(first)
    x = keras.layers.Add()([x, first])
    x = keras.layers.Conv2D(4, 1, activation="relu", name="activated")(x)
    x = keras.layers.BatchNormalization(name="after_activation")(x)
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2, name="multiplied")(x)
    x = keras.layers.BatchNormalization(scale=False, name="without_scale")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = randomise(keras.Model(image, keras.layers.Dense(3, activation="softmax")(x)), seed=3)
    deployed = deploy(model)
    kept = [layer.name for layer in deployed.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert kept == ["one_reader_of_two", "after_activation"]
    pixels = generator.integers(0, 256, (2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(deployed(pixels).numpy(), model(pixels).numpy(), atol=1e-5, rtol=0)


def test_outputs_are_those_of_the_trained_network(pixels):
    model = network("b0")
    chosen = ["logits", "pooled_features", "features", "reduction_3", "block4a"]
    deployed = deploy(model, outputs=chosen)
    assert output_names(deployed) == chosen
    layers = {"logits": "predictions", "pooled_features": "avg_pool"}
    inner = {**endpoints(model), "pooled_features": model.get_layer(layers["pooled_features"]).output}
    expected = keras.Model(model.input, {name: inner[name] for name in chosen[1:]})(pixels)
    found = answers(deployed, pixels)
    for name in chosen[1:]:
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(found[name] / scale, expected[name] / scale, atol=1e-5, rtol=0, err_msg=name)
    np.testing.assert_allclose(keras.ops.softmax(found["logits"]), model(pixels), atol=1e-5, rtol=0)


def test_an_output_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match=r"^Unknown output 'reduction3'\. Did you mean 'reduction_3'\? Allowed: "):
        deploy(network(), outputs=["reduction3"])


def test_another_size_is_the_network_built_for_it(pixels):
    model = network("b0")
    larger = EfficientNet("b0", weights=None, input_shape=(96, 64, 3), classes=6)
    larger.set_weights(model.get_weights())
    pixels = np.concatenate([pixels, pixels[:, ::-1][:, :32]], 1)
    deployed = deploy(model, image_size=(96, 64))
    assert deployed.input_shape == (None, 96, 64, 3)
    for other in (deployed, trained(model, image_size=(96, 64))):
        np.testing.assert_allclose(other(pixels).numpy(), larger(pixels).numpy(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("last", ["sigmoid", "activation", "softmax layer"])
def test_any_activation_at_the_end(last, pixels):
    model = network(classifier_activation="sigmoid" if last == "sigmoid" else None)
    if last != "sigmoid":
        layer = keras.layers.Softmax() if last == "softmax layer" else keras.layers.Activation("softmax")
        model = keras.Model(model.input, layer(model.output))
    deployed = deploy(model, outputs=["probabilities", "logits"])
    found = answers(deployed, pixels)
    np.testing.assert_allclose(found["probabilities"], model(pixels), atol=1e-5, rtol=0)
    activation = keras.ops.sigmoid if last == "sigmoid" else keras.ops.softmax
    np.testing.assert_allclose(activation(found["logits"]), model(pixels), atol=1e-5, rtol=0)


def test_the_network_of_keras_is_deployed_without_shape_arithmetic(pixels):
    model = keras.applications.EfficientNetB0(weights=None, input_shape=(64, 64, 3), classes=6)
    # Keras counts in its name, on from other tests.
    normalisation = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    randomise(model, seed=4)
    normalisation.mean, normalisation.variance = ([[[[100.0, 110.0, 120.0]]]] for _ in range(2))
    classifier = model.get_layer("predictions")
    classifier.set_weights([0.1 * array for array in classifier.get_weights()])
    deployed = deploy(model)
    assert deployed.inputs[0].name == "image"
    kinds = {type(layer).__name__ for layer in deployed.layers}
    assert not kinds & {"Reshape", "Normalization", "BatchNormalization", "Dropout"}
    np.testing.assert_allclose(deployed(pixels).numpy(), model(pixels).numpy(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"include_top": False}, "An export needs a classifier of two classes or more at its end; "),
        ({"include_top": False, "pooling": "avg"}, "An export needs a classifier of two classes or more at its end; "),
        ({"classes": 1, "classifier_activation": "sigmoid"}, "An export needs a classifier of two classes or more at "),
        ({"include_preprocessing": False}, "An export needs its preprocessing inside (include_preprocessing=True); "),
        ({"input_shape": (None, None, 3)}, "An export needs an input of fixed size, [N, height, width, 3]; "),
    ],
)
def test_what_cannot_be_exported_is_refused(arguments, message):
    size = {} if "input_shape" in arguments else {"image_size": 64}
    model = EfficientNet("lite0", weights=None, **size, **arguments)
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        deploy(model)


def test_sequential_models_are_refused():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)], name="own")
    message = "An export needs a functional model with one input and one output; 'own' has none."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        deploy(model)


def test_predict_is_one_graph_with_the_weights_inside(pixels):
    model = network("b0")
    deployed = deploy(model)
    np.testing.assert_allclose(deployed.predict_on_batch(pixels), deployed(pixels), atol=1e-6, rtol=0)
    np.testing.assert_allclose(deployed.predict(pixels, batch_size=2, verbose=0), deployed(pixels), atol=1e-6, rtol=0)
    assert deployed.predict_function._function.captured_inputs == []
    for form in ([pixels], {"image": pixels}):
        np.testing.assert_array_equal(deployed.predict(form, verbose=0), deployed.predict(pixels, verbose=0))
    several = deploy(model, outputs=["logits", "reduction_3"])
    found, expected = several.predict(pixels, batch_size=2, verbose=0), several(pixels)
    assert list(found) == ["logits", "reduction_3"]
    for name, answer in expected.items():
        np.testing.assert_allclose(found[name], answer, atol=1e-5 * float(np.abs(answer).max()), rtol=0)


def test_weights_assigned_before_the_first_prediction_count(pixels):
    deployed = deploy(network())
    classifier = deployed.get_layer("predictions")
    classifier.set_weights([np.zeros_like(array) for array in classifier.get_weights()])
    np.testing.assert_allclose(deployed.predict_on_batch(pixels), 1 / 6, atol=1e-6)


def test_a_network_too_large_for_a_graph_keeps_keras_own_function(monkeypatch, pixels):
    monkeypatch.setattr(compiled, "MOST_PARAMETERS", 1)
    deployed = deploy(network())
    np.testing.assert_allclose(deployed.predict_on_batch(pixels), deployed(pixels), atol=1e-6, rtol=0)
    assert deployed.predict_function.__module__.startswith(("keras", "tensorflow"))


def test_a_network_of_keras_with_an_input_tensor_is_deployed():
    """Such a model has a list of one input."""
    image = keras.Input((64, 64, 3))
    scaled = keras.layers.Rescaling(1.0, [-103.939, -116.779, -123.68])(image)
    model = keras.applications.ResNet50(weights=None, input_tensor=scaled, classes=3)
    assert isinstance(model.input, list)
    small = np.full((1, 64, 64, 3), 7, "uint8")
    np.testing.assert_allclose(deploy(model).predict_on_batch(small), trained(model).predict_on_batch(small), atol=1e-5)
    large = np.full((1, 96, 96, 3), 7, "uint8")
    other = deploy(model, image_size=96)
    np.testing.assert_allclose(other.predict_on_batch(large), trained(model, image_size=(96, 96))(large), atol=1e-5)
