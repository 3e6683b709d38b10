"""Optimizers and weight decay, step by step."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from official_training import RMSProp, decayed_gradient, exponential_rate, tensorflow1

import efficientnet_tf as efn
from efficientnet_tf.errors import UsageError
from efficientnet_tf.training.optimizer import OPTIMIZERS, RMSpropTF1, build_optimizer, is_decayed
from efficientnet_tf.training.schedule import WarmupExponential

FORMS = ("decoupled", "l2", "l2_kernels")
# The paper's settings, with a decay strong enough to show.
PAPER = {"rho": 0.9, "momentum": 0.9, "epsilon": 1e-3, "weight_decay": 0.01, "weight_decay_form": "l2"}


def gradients(steps: int, shape: tuple[int, ...] = (3, 4)) -> list[np.ndarray]:
    return list(np.random.default_rng(1).normal(0, 0.5, (steps, *shape)).astype("float32"))


def start(shape: tuple[int, ...] = (3, 4)) -> np.ndarray:
    return np.random.default_rng(2).normal(0, 1, shape).astype("float32")


def small_network() -> keras.Model:
    """A convolution, batch normalisation, and a classifier with a bias."""
    keras.utils.set_random_seed(5)
    pixels = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="stem_conv")(pixels)
    x = keras.layers.BatchNormalization(name="stem_bn")(x)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return keras.Model(pixels, keras.layers.Dense(3, name="predictions", dtype="float32")(x))


def batch(size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(6)
    labels = np.eye(3, dtype="float32")[generator.integers(0, 3, size)]
    return generator.normal(0, 1, (size, 6, 6, 3)).astype("float32"), labels


def compiled(name: str = "rmsprop", form: str = "l2", rate=0.05) -> keras.Model:
    model = small_network()
    optimizer = build_optimizer(name, rate, weight_decay=0.1, form=form, variables=model.trainable_variables)
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True))
    return model


def weights_of(model: keras.Model) -> dict[str, np.ndarray]:
    return {weight.path: weight.numpy() for weight in model.weights}


def test_rmsprop_step_by_step_against_numpy_and_tensorflow_1():
    """Warm-up, staircase, the start at ones, and decay: all that moves one kernel of the official training."""
    schedule = WarmupExponential(0.05, decay_steps=2.4, decay_rate=0.97, warmup_steps=3)
    variable = keras.Variable(start(), name="kernel")
    optimizer = RMSpropTF1(schedule, **PAPER)
    model, value = RMSProp((3, 4)), start().astype("float64")
    real, _ = tensorflow1(start(), gradients(20), peak=0.05, decay_steps=2.4, weight_decay=0.01)
    for step, gradient in enumerate(gradients(20)):
        optimizer.apply([gradient], [variable])
        rate = exponential_rate(step, peak=0.05, decay_steps=2.4, warmup_steps=3)
        value = model(value, decayed_gradient(value, gradient, 0.01), rate)
        np.testing.assert_allclose(variable.numpy(), value, rtol=0, atol=1e-6)
        np.testing.assert_allclose(variable.numpy(), real[step], rtol=0, atol=1e-6)


def test_start_of_keras_rmsprop_is_another():
    ours, theirs = keras.Variable(start()), keras.Variable(start())
    for kind, variable in ((RMSpropTF1, ours), (keras.optimizers.RMSprop, theirs)):
        kind(0.1, rho=0.9, momentum=0.9, epsilon=1e-3).apply([np.full((3, 4), 0.1, "float32")], [variable])
    np.testing.assert_allclose(start() - ours.numpy(), 0.01 / np.sqrt(0.9 + 0.001 + 0.001), rtol=1e-5)
    np.testing.assert_allclose(start() - theirs.numpy(), 0.01 / np.sqrt(0.001 + 0.001), rtol=1e-5)


def test_fit_step_by_step():
    """Every weight of a network in `fit`, from the gradients that its own weights have before each step."""
    schedule = WarmupExponential(0.05, decay_steps=2.4, decay_rate=0.97, warmup_steps=3)
    model, (pixels, labels) = compiled(rate=schedule), batch()
    states = [weights_of(model)]
    after = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: states.append(weights_of(model)))
    model.fit(pixels, labels, batch_size=8, epochs=8, callbacks=[after], verbose=0)

    other = small_network()
    numpy = {variable.path: RMSProp(variable.shape) for variable in other.trainable_variables}
    for step in range(8):
        other.set_weights(list(states[step].values()))
        with tf.GradientTape() as tape:
            loss = tf.nn.softmax_cross_entropy_with_logits(labels, other(pixels, training=True))
            loss = tf.reduce_mean(loss)
        found = tape.gradient(loss, [variable.value for variable in other.trainable_variables])
        rate = exponential_rate(step, peak=0.05, decay_steps=2.4, warmup_steps=3)
        for variable, gradient in zip(other.trainable_variables, found, strict=True):
            path, before = variable.path, states[step][variable.path]
            if variable.name not in ("gamma", "beta"):
                gradient = decayed_gradient(before, gradient, 0.1)
            expected = numpy[path](before, gradient, rate)
            np.testing.assert_allclose(states[step + 1][path], expected, rtol=0, atol=1e-6, err_msg=f"{step} {path}")


@pytest.mark.parametrize("form", ["l2", "l2_kernels"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_l2_is_a_term_of_the_gradient(name, form):
    """Against the same optimizer without decay, given the gradient of the loss with the term in it."""
    layer, other = (keras.layers.Dense(4, bias_initializer="ones") for _ in range(2))
    for each in (layer, other):
        each.build((None, 3))
        each.kernel.assign(start())
    ours = build_optimizer(name, 0.05, weight_decay=0.1, form=form, variables=layer.trainable_variables)
    plain = build_optimizer(name, 0.05, weight_decay=0.0, variables=other.trainable_variables)
    for kernel_gradient, bias_gradient in zip(gradients(5), gradients(5, (4,)), strict=True):
        given = [tf.constant(kernel_gradient), tf.constant(bias_gradient)]
        ours.apply(given)
        decayed = [given[0] + 0.1 * other.kernel, given[1] + (0.1 * other.bias if form == "l2" else 0.0)]
        plain.apply(decayed)
    np.testing.assert_allclose(layer.kernel.numpy(), other.kernel.numpy(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(layer.bias.numpy(), other.bias.numpy(), rtol=0, atol=1e-6)


# With squeeze-and-excitation, and with the kernels of several experts.
@pytest.mark.parametrize("variant", ["b0", "condconv-4e"])
def test_what_the_forms_decay(variant):
    model = efn.EfficientNet(variant, weights=None, classes=10, image_size=32)
    normalisation, biases, kernels = set(), set(), set()
    for layer in model.layers:
        for variable in layer.trainable_variables:
            if isinstance(layer, keras.layers.BatchNormalization):
                normalisation.add(variable.path)
            else:
                (biases if len(variable.shape) == 1 else kernels).add(variable.path)
    decayed = {form: {v.path for v in model.trainable_variables if is_decayed(v, form)} for form in FORMS}
    assert decayed == {"l2": biases | kernels, "l2_kernels": kernels, "decoupled": kernels}
    assert {"block2a_se_reduce/bias", "predictions/bias", "block7a_dwconv/kernel"} <= decayed["l2"]
    assert len(model.trainable_variables) == len(normalisation) + len(biases) + len(kernels)


def test_names_of_tensorflows_own_variables():
    names = ["block1a_se_reduce/bias:0", "kernel:0", "stem_bn/gamma:0", "beta:0"]
    found = [is_decayed(tf.Variable(0.0, name=name.removesuffix(":0")), "l2") for name in names]
    assert found == [True, True, False, False]


@pytest.mark.parametrize(
    ("name", "form"), [("adamw", "decoupled"), ("rmsprop", "decoupled"), ("rmsprop", "l2"), ("sgd", "l2_kernels")]
)
def test_goes_on_from_a_file_bit_for_bit(name, form, tmp_path):
    """The file has the form of decay, and with it the choice of variables, besides slots and schedule."""
    schedule = WarmupExponential(0.05, decay_steps=2.4, decay_rate=0.97, warmup_steps=3)
    model, data = compiled(name, form, schedule), batch()
    model.train_on_batch(*data)
    model.train_on_batch(*data)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is OPTIMIZERS[name][0]
    assert again.optimizer.get_config() == model.optimizer.get_config()
    assert [v.path for v in again.optimizer.variables] == [v.path for v in model.optimizer.variables]
    for _ in range(3):
        model.train_on_batch(*data)
        again.train_on_batch(*data)
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_round_trip(name):
    optimizer = build_optimizer(name, 0.05, weight_decay=0.1, form="l2_kernels", variables=[])
    copies = [
        keras.optimizers.deserialize(keras.optimizers.serialize(optimizer)),
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer)),
        type(optimizer).from_config(optimizer.get_config()),
    ]
    for copy in copies:
        assert type(copy) is OPTIMIZERS[name][0]
        assert copy.get_config() == optimizer.get_config()
    assert (copies[0].l2, copies[0].weight_decay, copies[0].weight_decay_form) == (0.1, None, "l2_kernels")


def test_loss_scaling_changes_nothing_and_leaves_out_what_overflows():
    layer, scaled = (keras.layers.Dense(4) for _ in range(2))
    for each in (layer, scaled):
        each.build((None, 3))
        each.kernel.assign(start())
    plain = RMSpropTF1(0.05, **PAPER)
    outer = keras.optimizers.LossScaleOptimizer(RMSpropTF1(0.05, **PAPER), initial_scale=4.0)
    outer.build(scaled.trainable_variables)
    for kernel_gradient in gradients(3):
        plain.apply([kernel_gradient, kernel_gradient[0]], layer.trainable_variables)
        outer.apply([4.0 * kernel_gradient, 4.0 * kernel_gradient[0]], scaled.trainable_variables)
    outer.apply([np.full((3, 4), np.inf, "float32"), np.zeros(4, "float32")], scaled.trainable_variables)
    np.testing.assert_array_equal(scaled.kernel.numpy(), layer.kernel.numpy())
    np.testing.assert_array_equal(scaled.bias.numpy(), layer.bias.numpy())
    assert int(outer.iterations.numpy()) == 3
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(outer))
    assert copy.inner_optimizer.get_config() == outer.inner_optimizer.get_config()


def test_what_is_refused():
    message = (
        r"^Unknown form of weight decay 'l2_kernel'\. Did you mean 'l2_kernels'\? Allowed: decoupled, l2, l2_kernels\.$"
    )
    with pytest.raises(UsageError, match=message):
        build_optimizer("sgd", 0.1, weight_decay=0.1, form="l2_kernel", variables=[])
