"""Moving averages of weights: exact in every step, and only where they are wanted."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from official_training import moving_average, tensorflow1

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.training.ema import MovingAverage
from efficientnet_tf.training.optimizer import RMSpropTF1
from efficientnet_tf.training.schedule import WarmupExponential


def network(optimizer=None, **arguments) -> keras.Model:
    """Return a compiled network with statistics of batch normalisation, which soon differ from their averages."""
    keras.utils.set_random_seed(5)
    pixels = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="stem_conv")(pixels)
    x = keras.layers.BatchNormalization(name="stem_bn", momentum=0.5)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(pixels, keras.layers.Dense(3, name="predictions", dtype="float32")(x))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.SGD(0.5, momentum=0.9), loss, **arguments)
    return model


def batches(number: int, size: int = 4) -> tf.data.Dataset:
    generator = np.random.default_rng(6)
    pixels = generator.normal(0, 1, (number * size, 6, 6, 3)).astype("float32")
    labels = np.eye(3, dtype="float32")[generator.integers(0, 3, number * size)]
    return tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(size)


def fit(model: keras.Model, callbacks: list, number: int = 5, **arguments) -> keras.callbacks.History:
    return model.fit(batches(number), callbacks=callbacks, verbose=0, shuffle=False, **arguments)


def values(variables: list) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def assert_equal(ones: list[np.ndarray], others: list[np.ndarray]) -> None:
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_array_equal(one, other)


class Follow(keras.callbacks.Callback):
    """Keep the weights and the averages after every step."""

    def __init__(self, average: MovingAverage) -> None:
        super().__init__()
        self.average = average
        self.weights, self.averages = [], []

    def on_train_begin(self, logs=None):
        self.on_train_batch_end(0)

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(values(self.model.weights))
        self.averages.append(values(self.average.variables))


def assert_moved(follow: Follow, step: int, *, before: int, after: int) -> None:
    """Assert that between two moments the averages made the official step towards the weights of the later one."""
    arrays = zip(follow.averages[before], follow.weights[after], follow.averages[after], strict=True)
    for average, weight, found in arrays:
        np.testing.assert_allclose(found, moving_average(average, weight, step), rtol=0, atol=1e-6)


# With the smaller one the decay has stopped rising after 10 steps.
@pytest.mark.parametrize("decay", [0.9999, 0.5])
def test_step_by_step(decay):
    """Trained weights and statistics, against the official arithmetic on the weights that each step left."""
    average = MovingAverage(decay)
    follow = Follow(average)
    model = network()
    fit(model, [average, follow], number=12)
    assert [weight.name for weight in model.weights[1:5]] == ["gamma", "beta", "moving_mean", "moving_variance"]
    expected = follow.weights[0]
    assert_equal(follow.averages[0], expected)
    for step in range(1, 13):
        expected = [moving_average(a, w, step, decay) for a, w in zip(expected, follow.weights[step], strict=True)]
        for found, wanted in zip(follow.averages[step], expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    assert_equal(values(model.weights), follow.weights[-1])


def test_whole_training_against_tensorflow_1():
    """RMSProp, warm-up, staircase, weight decay and moving average together, in `fit` and in a session."""
    generator = np.random.default_rng(7)
    gradients = generator.normal(0, 0.5, (20, 12)).astype("float32")
    start = generator.normal(0, 1, (12, 1)).astype("float32")
    model = keras.Sequential([keras.Input((12,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([start])
    schedule = WarmupExponential(0.05, decay_steps=2.4, decay_rate=0.97, warmup_steps=3)
    optimizer = RMSpropTF1(schedule, rho=0.9, momentum=0.9, epsilon=0.001, weight_decay=0.01, weight_decay_form="l2")
    model.compile(optimizer, lambda labels, outputs: outputs)
    average = MovingAverage()
    follow = Follow(average)
    model.fit(gradients, np.zeros(20), batch_size=1, callbacks=[average, follow], verbose=0, shuffle=False)
    weights, averages = tensorflow1(start, gradients[..., None], peak=0.05, decay_steps=2.4, weight_decay=0.01)
    np.testing.assert_allclose(np.squeeze(follow.weights)[1:], np.squeeze(weights), rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.squeeze(follow.averages)[1:], np.squeeze(averages), rtol=0, atol=1e-6)


def test_several_steps_of_one_execution():
    """Ten steps, four of them at a time and then the rest, are the same ten steps."""
    found = []
    for together in (1, 4):
        model, average = network(steps_per_execution=together), MovingAverage()
        fit(model, [average], number=10)
        found.append([*values(model.weights), *values(average.variables)])
    assert_equal(*found)


def test_only_steps_of_the_optimizer_count():
    """Not batches that are only accumulated, nor those that overflow under loss scaling."""
    average = MovingAverage()
    follow = Follow(average)
    fit(network(keras.optimizers.SGD(0.5, gradient_accumulation_steps=2)), [average, follow], number=4)
    assert_equal(follow.averages[0], follow.averages[1])
    assert_equal(follow.averages[2], follow.averages[3])
    assert_moved(follow, 1, before=1, after=2)
    assert_moved(follow, 2, before=3, after=4)


def test_loss_scaling():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = network(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), initial_scale=2.0**24))
    finally:
        keras.config.set_dtype_policy("float32")
    average = MovingAverage()
    follow = Follow(average)
    fit(model, [average, follow], number=14)
    steps = int(model.optimizer.iterations.numpy())
    assert 0 < steps < 14
    assert_equal(follow.averages[0], follow.averages[14 - steps])
    for step in range(1, steps + 1):
        assert_moved(follow, step, before=13 - steps + step, after=14 - steps + step)


def test_validation_is_of_the_averages_and_training_of_the_weights():
    model, average = network(), MovingAverage()
    plain = network()
    history = fit(model, [average], validation_data=batches(3), epochs=2).history
    alone = fit(plain, [], validation_data=batches(3), epochs=2).history
    assert_equal(model.get_weights(), plain.get_weights())
    assert history["loss"] == alone["loss"]
    assert history["val_loss"] != alone["val_loss"]
    with average.applied() as averaged:
        assert averaged is model
        assert_equal(model.get_weights(), values(average.variables))
        assert model.evaluate(batches(3), verbose=0) == pytest.approx(history["val_loss"][-1], rel=1e-6)
    assert model.evaluate(batches(3), verbose=0) == pytest.approx(alone["val_loss"][-1], rel=1e-6)
    assert_equal(model.get_weights(), plain.get_weights())


def test_weights_come_back_whatever_happens():
    model, average = network(), MovingAverage()
    fit(model, [average])
    own = model.get_weights()
    with pytest.raises(RuntimeError, match=r"^within$"):
        fail_within(average)
    assert_equal(model.get_weights(), own)


def fail_within(average: MovingAverage) -> None:
    with average.applied(), average.applied() as model:
        assert_equal(model.get_weights(), values(average.variables))
        raise RuntimeError("within")


class Interrupt(keras.callbacks.Callback):
    """Break a validation off."""

    def on_test_batch_end(self, batch, logs=None):
        self.own = values(self.model.weights)
        raise KeyboardInterrupt


def test_a_validation_that_is_broken_off():
    model, average, interrupt = network(), MovingAverage(), Interrupt()
    with pytest.raises(KeyboardInterrupt):
        fit(model, [average, interrupt], validation_data=batches(3))
    own = model.get_weights()
    assert_equal(interrupt.own, values(average.variables))
    assert (own[0] != interrupt.own[0]).any()
    # The same callback goes on with it.
    follow = Follow(average)
    fit(model, [average, follow], number=1)
    assert_equal(follow.weights[0], own)
    assert_moved(follow, 6, before=0, after=1)


def test_fit_is_left_as_it_was():
    model, average = network(), MovingAverage()
    fit(model, [average])
    assert "train_step" not in vars(model)
    assert "evaluate" not in vars(model)
    before = values(average.variables)
    fit(model, [])
    assert_equal(values(average.variables), before)


def test_averages_may_be_put_back_before_fit():
    """As a training that is resumed does."""
    model, average = network(), MovingAverage()
    average.set_model(model)
    average.on_train_begin()
    for variable in average.variables:
        variable.assign(tf.ones_like(variable))
    follow = Follow(average)
    fit(model, [average, follow], number=1)
    assert_equal(follow.averages[0], [np.ones(weight.shape, "float32") for weight in model.weights])
    assert_moved(follow, 1, before=0, after=1)


class Unfreeze(keras.callbacks.Callback):
    """Train the classifier alone for two steps."""

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 2:
            self.model.get_layer("stem_conv").trainable = True
            self.model.make_train_function(force=True)


def test_phases():
    """What is frozen may change; the averages stay in the order of the weights."""
    model, average = network(), MovingAverage()
    follow = Follow(average)
    model.get_layer("stem_conv").trainable = False
    paths = [weight.path for weight in model.weights]
    model.optimizer.build([*model.trainable_variables, *model.get_layer("stem_conv").weights])
    fit(model, [average, follow, Unfreeze()], number=4)
    assert [weight.path for weight in model.weights] == paths
    assert_equal(follow.averages[2][:1], follow.averages[0][:1])
    assert_moved(follow, 3, before=2, after=3)


def test_two_averages_at_once():
    model, quick, slow = network(), MovingAverage(0.1), MovingAverage(0.9999)
    fit(model, [slow, quick], validation_data=batches(1))
    alone, average = network(), MovingAverage(0.1)
    fit(alone, [average])
    assert_equal(values(quick.variables), values(average.variables))
    assert_equal(model.get_weights(), alone.get_weights())
    fit(model, [slow], number=1)
    assert_equal(values(quick.variables), values(average.variables))


def test_copy():
    model, average = network(), MovingAverage()
    fit(model, [average])
    other = keras.models.clone_model(model)
    average.copy_to(other)
    assert_equal(other.get_weights(), values(average.variables))
    average.copy_to(model)
    assert_equal(model.get_weights(), values(average.variables))
    message = (
        "The averages are those of another network: they are 7 variables, and small has 1, or some of another shape."
    )
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        average.copy_to(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)], name="small"))


def test_round_trip_and_what_is_refused():
    average = MovingAverage(0.99)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(average))
    assert isinstance(copy, MovingAverage)
    assert copy.get_config() == MovingAverage.from_config(average.get_config()).get_config() == {"decay": 0.99}
    assert copy.variables == []
    with pytest.raises(UsageError, match=r"^The decay of a moving average must be at least 0 and below 1, got 1\.0\.$"):
        MovingAverage(1.0)
    with pytest.raises(EfficientNetError, match=r"^There are no averages: the training has not begun\.$"):
        average.applied().__enter__()


def test_two_devices():
    """Every piece under MirroredStrategy; with batch normalisation in float16, and statistics that differ there."""
    script = Path(__file__).with_name("two_devices.py")
    done = subprocess.run([sys.executable, "-W", "error", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert max(found["weights"], found["averages"]) < 1e-6  # of one device and of two, without batch normalisation
    assert found["steps"] == 10
    assert found["statistics_differ"]
    assert found["restored"]
    assert found["applied_alike"]
    assert max(found["averages_each"], found["applied"], found["copied"]) < 1e-6
