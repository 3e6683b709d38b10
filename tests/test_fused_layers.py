"""The fused formulation of the layers against Keras' own: outputs, gradients, moving statistics."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import randomise
from one_step import SHAPE, assert_equal, pictures, step

import efficientnet_tf as efn
from efficientnet_tf.layers import (
    Activation,
    BatchNormalization,
    Excite,
    Squeeze,
    plain,
    plain_formulation,
)
from efficientnet_tf.layers.formulation import compiled_here
from efficientnet_tf.layers.normalised import note_of


def chain(activation: str | None, *, squeezes: bool = False, taps: bool = False) -> keras.Model:
    """A convolution, what is fused, and something behind it that makes gradients differ from pixel to pixel."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv2D(8, 1, use_bias=False, name="conv")(inputs)
    x = BatchNormalization(momentum=0.9, epsilon=1e-3, name="bn")(x)
    if activation:
        x = Activation(activation, pools=squeezes, name="activation")(x)
    y = x
    if squeezes:
        gate = Squeeze(keepdims=True, name="squeeze")(x)
        gate = keras.layers.Conv2D(8, 1, activation="sigmoid", name="gate")(gate)
        y = Excite(name="excite")([x, gate])
    y = keras.layers.Conv2D(3, 3, name="behind")(y)
    outputs = [y, x] if taps else y
    return randomise(keras.Model(inputs, outputs), seed=4)


@pytest.mark.parametrize("squeezes", [False, True])
@pytest.mark.parametrize("activation", ["silu", "relu", "relu6", "linear", "gelu", None])
def test_a_step_is_that_of_plain_keras(activation, squeezes):
    model = chain(activation, squeezes=squeezes and activation is not None)
    copy = plain(model)
    assert_equal(step(model, pictures()), step(copy, pictures()))


def test_what_a_user_taps_has_its_gradient_too():
    model = chain("silu", squeezes=True, taps=True)
    copy = plain(model)
    assert_equal(step(model, pictures()), step(copy, pictures()))


@pytest.mark.parametrize("squeezes", [False, True])
def test_frozen_statistics(squeezes):
    model = chain("silu", squeezes=squeezes)
    model.get_layer("bn").trainable = False
    copy = plain(model)
    assert not copy.get_layer("bn").trainable
    before = model.get_layer("bn").get_weights()
    result = step(model, pictures())
    assert "gradient of bn/gamma" not in result
    assert_equal(result, step(copy, pictures()))
    for one, other in zip(model.get_layer("bn").get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_variance_far_smaller_than_the_mean():
    x = pictures() * 0.01 + 100.0
    model = keras.Sequential([keras.Input(SHAPE), BatchNormalization(momentum=0.0)])
    output = step(model, x)["output 0"]
    exact = x.astype("float64")
    mean, variance = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    np.testing.assert_allclose(model.layers[0].moving_variance, variance, rtol=1e-4)
    # Keras' own is wrong by 1e-3 here.
    np.testing.assert_allclose(output, (exact - mean) / np.sqrt(variance + 1e-3), atol=3e-4)


@pytest.mark.parametrize("variant", ["b0", "v2-b0", "lite0", "tiny"])
def test_networks(variant):
    shape = (64, 64, 3)
    keras.utils.set_random_seed(1)
    options = {"classes": 7, "dropout": 0.0, "survival_probability": 1.0}
    model = randomise(efn.EfficientNet(variant, weights=None, input_shape=shape, **options), seed=2)
    x = np.random.default_rng(3).uniform(0, 255, (4, *shape)).astype("float32")
    copy = plain(model)
    # Through eighty layers roundings add up, in the plain formulation as well.
    assert_equal(step(model, x), step(copy, x), tolerance=5e-4)


def test_the_fused_formulation_is_what_runs():
    model = chain("silu", squeezes=True)
    seen = {}

    @tf.function
    def run(x):
        x = model.get_layer("bn")(x, training=True)
        seen["bn"] = note_of(x)
        x = model.get_layer("activation")(x, training=True)
        seen["activation"] = note_of(x)
        assert model.get_layer("squeeze")(x) is seen["activation"].pooled
        return x

    run(tf.zeros((2, 6, 5, 8)))
    assert (seen["bn"].activation, seen["activation"].activation) == ("linear", "silu")


def test_maps_between_are_not_computed():
    """What a forward step's results need: the moments, the means for the squeeze, and the gated map."""
    model = chain("silu", squeezes=True)
    run = tf.function(lambda x: model(x, training=True)).get_concrete_function(tf.TensorSpec((4, *SHAPE)))
    needed, waiting = {}, list(run.graph.outputs)
    while waiting:
        tensor = waiting.pop()
        op = tensor.op
        # TensorFlow divides an IdentityN, with which every custom gradient ends, into the identities that are used.
        inputs = [op.inputs[tensor.value_index]] if op.type == "IdentityN" else list(op.inputs)
        if tensor.name not in needed:
            needed[tensor.name] = op
            waiting += inputs
    calls = [op.type for op in needed.values() if "Call" in op.type]
    # An operation with effects, a StatefulPartitionedCall, would be run in any case.
    assert calls == ["PartitionedCall"] * 3


@pytest.mark.parametrize(
    ("where", "expected"),
    [("graph", True), ("eager", False), ("half", False), ("unknown", False), ("vector", False), ("plain", False)],
)
def test_where_it_runs(where, expected):
    dtype = tf.bfloat16 if where == "half" else tf.float32
    shape = {"unknown": (2, None, 4, 3), "vector": (2, 3)}.get(where, (2, 4, 4, 3))
    if where == "eager":
        assert compiled_here(tf.zeros(shape, dtype)) is expected
        return
    found = []

    @tf.function(input_signature=[tf.TensorSpec(shape, dtype)])
    def run(x):
        found.append(compiled_here(x))
        return x

    if where == "plain":
        with plain_formulation():
            run.get_concrete_function()
    else:
        run.get_concrete_function()
    assert found == [expected]


def test_a_machine_with_a_gpu_keeps_to_keras(monkeypatch):
    devices = tf.config.list_logical_devices("CPU")
    gpu = tf.config.LogicalDevice("/device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda: [*devices, gpu])
    with tf.Graph().as_default():
        assert not compiled_here(tf.zeros((2, 4, 4, 3)))


@pytest.mark.parametrize("change", [{"synchronized": True}, {"scale": False}, {"center": False}, {"dtype": "bfloat16"}])
def test_other_forms_of_normalisation_are_keras_own(change):
    layer = BatchNormalization(**change)
    layer.build((None, 4, 4, 3))
    with tf.Graph().as_default():
        assert not layer._fuses(tf.zeros((2, 4, 4, 3)))


def test_at_inference_nothing_is_compiled():
    model = chain("silu", squeezes=True)
    run = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec((4, *SHAPE)))
    assert not [op for op in run.graph.get_operations() if "Call" in op.type]


@pytest.mark.parametrize("shape", [(2, 6, 5, 8), (2, 1, 1, 1)])
def test_a_gate_of_another_form(shape):
    bn, activation, excite = BatchNormalization(), Activation("silu"), Excite()
    bn.build((None, 6, 5, 8))

    @tf.function
    def gradient(x, gate):
        with tf.GradientTape() as tape:
            tape.watch(gate)
            product = excite([activation(bn(x, training=True), training=True), gate])
        return tape.gradient(product, gate)

    x, gate = tf.random.stateless_normal((2, 6, 5, 8), (1, 2)), tf.ones(shape)
    y = activation(bn(x, training=True))
    axes = [axis for axis in range(4) if shape[axis] == 1]
    expected = tf.reduce_sum(y, axes, keepdims=True) if axes else y
    np.testing.assert_allclose(gradient(x, gate), expected, atol=1e-4)


def test_an_activation_of_the_same_name_is_its_own():
    def silu(z):
        return 2.0 * z

    bn, activation = BatchNormalization(epsilon=0.0), Activation(silu)
    bn.build((None, 1, 1, 1))
    run = tf.function(lambda x: activation(bn(x, training=True), training=True))
    assert run(tf.constant([[[[1.0]]], [[[3.0]]]])).numpy().ravel().tolist() == [-2.0, 2.0]


def test_plain_reaches_what_is_inside_and_keeps_what_is_frozen():
    inner = chain("silu", squeezes=True)
    inner.get_layer("bn").trainable = False
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, inner(inputs))
    copy = plain(model)
    inside = copy.layers[1]
    assert {type(layer).__module__.split(".")[0] for layer in inside.layers} == {"keras"}
    assert [layer.trainable for layer in inside.layers] == [layer.trainable for layer in inner.layers]
    np.testing.assert_allclose(copy(pictures()), model(pictures()), atol=1e-6)


def test_whole_step_by_xla():
    model = chain("silu", squeezes=True)
    copy = plain(model)
    for each in (model, copy):
        each.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=True)
        each.fit(pictures(), np.ones((4, 4, 3, 3), "float32"), batch_size=4, verbose=0)
    for one, other in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_last_batch_that_is_smaller():
    model = chain("silu", squeezes=True)
    copy = plain(model)
    for each in (model, copy):
        each.compile(keras.optimizers.SGD(0.1), "mse")
        each.fit(pictures(7), np.ones((7, 4, 3, 3), "float32"), batch_size=4, shuffle=False, epochs=2, verbose=0)
    for one, other in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_second_derivatives_are_refused():
    model = chain("silu")

    @tf.function(autograph=False)
    def penalty(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.reduce_sum(model(x, training=True) ** 2)
            norm = tf.reduce_sum(tape.gradient(y, x) ** 2)
        return outer.gradient(norm, x)

    with pytest.raises(LookupError, match=r"first derivatives only; use efficientnet_tf\.plain\(model\)"):
        penalty(tf.constant(pictures()))
    with plain_formulation():
        assert tf.function(penalty.python_function)(tf.constant(pictures())).shape == (4, *SHAPE)


def test_saved_loaded_and_cloned(tmp_path):
    model = chain("silu", squeezes=True)
    model.save(tmp_path / "model.keras")
    for other in (keras.models.load_model(tmp_path / "model.keras"), keras.models.clone_model(model)):
        assert [type(layer) for layer in other.layers] == [type(layer) for layer in model.layers]
        assert other.get_layer("activation").pools
        other.set_weights(model.get_weights())
        np.testing.assert_array_equal(other(pictures()), model(pictures()))


def test_plain_is_keras_own_and_answers_alike():
    model = randomise(efn.EfficientNet("tiny", weights=None), seed=1)
    model.get_layer("block2a_bn").trainable = False
    copy = efn.plain(model)
    ours = {layer.name for layer in copy.layers if not type(layer).__module__.startswith("keras.")}
    assert ours == {layer.name for layer in model.layers if layer.name.endswith("_drop")}
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
    assert [layer.trainable for layer in copy.layers] == [layer.trainable for layer in model.layers]
    x = np.random.default_rng(0).uniform(0, 255, (2, *model.input_shape[1:])).astype("float32")
    np.testing.assert_allclose(copy(x), model(x), atol=1e-6)
    copy.layers[2].set_weights([np.zeros_like(value) for value in copy.layers[2].get_weights()])
    assert np.any(model.layers[2].get_weights()[0])
