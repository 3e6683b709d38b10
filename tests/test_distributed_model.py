"""What Keras cannot do on several devices, and `DistributedModel` can; and what it does on one."""

from __future__ import annotations

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from distributed_training import furthest, network, run

import efficientnet_tf as efn
from efficientnet_tf.errors import UsageError
from efficientnet_tf.training import distribution

#: What Keras fails with on two devices, and the same for `DistributedModel`.
FAILURES = [
    ({"plain": True, "steps_per_execution": 4}, "You must feed a value for placeholder", {"steps_per_execution": 4}),
    ({"plain": True, "keras_accumulation": 2}, "`merge_call` called while defining", {"accumulation": 2}),
    ({"plain": True, "jit_compile": True}, "Trying to access resource", {"jit_compile": True}),
]


def batches(images: np.ndarray, labels: np.ndarray, size: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(size)


@pytest.fixture(scope="module")
def examples() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (22, 16, 16, 3)).astype("float32")
    return images, np.eye(4, dtype="float32")[generator.integers(0, 4, 22)]


def trained(examples, *, statistics="none", accumulation=0, **compiled):
    """Return a model after two passes; with Keras' own `fit` unless there is a number of parts."""
    keras.utils.set_random_seed(1)
    model = network(statistics)
    if accumulation:
        model = distribution.distribute(model, accumulation=accumulation)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"], **compiled)
    history = model.fit(
        batches(*examples, 8), epochs=2, verbose=0, shuffle=False, validation_data=batches(*examples, 5)
    )
    return model.get_weights(), history.history, int(model.optimizer.iterations)


@pytest.mark.parametrize("accumulation", [1, 3, 100])
@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_one_device_as_keras(examples, accumulation, steps_per_execution):
    """Batches of 8, 8 and 6 in parts that are not even, or in one for each example; two passes of three steps."""
    weights, history, steps = trained(examples)
    ours = trained(examples, accumulation=accumulation, steps_per_execution=steps_per_execution)
    assert furthest(weights, ours[0]) <= 1e-6
    assert steps == ours[2] == 6
    for name, values in history.items():
        np.testing.assert_allclose(ours[1][name], values, rtol=1e-5)


def test_batch_normalisation_sees_each_part(examples):
    """The moving mean after one step of two parts is that of two updates."""
    images, labels = (tf.constant(part[:8]) for part in examples)
    model = distribution.distribute(network("averaged"), accumulation=2)
    model.compile(keras.optimizers.SGD(0.0), "categorical_crossentropy")
    model.train_on_batch(images, labels)
    before = model.layers[2](images / 255).numpy()
    expected = 0.1 * (0.9 * before[:4].mean((0, 1, 2)) + before[4:].mean((0, 1, 2)))
    np.testing.assert_allclose(model.layers[3].moving_mean, expected, rtol=1e-4)


def test_saved_it_is_an_ordinary_model(examples, tmp_path):
    model = distribution.distribute(network("none"), accumulation=2)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(batches(*examples, 8), verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again).__name__ == "Functional"
    assert int(again.optimizer.iterations) == 3
    np.testing.assert_array_equal(again.optimizer.variables[-1], model.optimizer.variables[-1])
    assert again.evaluate(*examples, verbose=0) == pytest.approx(model.evaluate(*examples, verbose=0))


def test_a_later_phase_is_traced_anew(examples):
    model = distribution.distribute(network("none"), accumulation=2)
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
    model.fit(batches(*examples, 8), verbose=0, shuffle=False)
    model.layers[2].trainable = False
    model.make_train_function(force=True)
    kernel = model.layers[2].kernel.numpy()
    model.fit(batches(*examples, 8), verbose=0, shuffle=False)
    np.testing.assert_array_equal(model.layers[2].kernel, kernel)


def test_what_cannot_be_distributed():
    with pytest.raises(UsageError, match=r"^accumulation must be 1 or more, got 0\.$"):
        distribution.distribute(network("none"), accumulation=0)
    with pytest.raises(UsageError, match=r"^Only a functional model can be distributed, got a Model\.$"):
        distribution.distribute(keras.Model())


def test_two_devices_train_as_one(tmp_path):
    job = {"in_memory": True, "steps_per_execution": 3, "accumulation": 3}
    [[(alone, history)]] = run(tmp_path / "one", "single", [{"in_memory": True}])
    [[(weights, figures)]] = run(tmp_path / "two", "mirrored", [job], devices=2)
    assert furthest(weights, alone) <= 1e-5
    for name, values in history.items():
        np.testing.assert_allclose(figures[name], values, rtol=1e-5)


@pytest.mark.slow
def test_what_keras_fails_at_on_two_devices(tmp_path):
    """Each as Keras fails, so that we notice when it no longer does, and then without failing."""
    [[(alone, history)]] = run(tmp_path / "one", "single", [{"in_memory": True}])
    jobs = [{**job, "in_memory": True} for plain, _, ours in FAILURES for job in (plain, ours)]
    [results] = run(tmp_path / "two", "mirrored", jobs, devices=2)
    for (plain, message, ours), (_, error), (weights, figures) in zip(
        FAILURES, results[::2], results[1::2], strict=True
    ):
        assert isinstance(error, str), f"Keras can now do {plain}"
        assert message in error, error
        assert furthest(weights, alone) <= 1e-5, ours
        np.testing.assert_allclose(figures["val_loss"], history["val_loss"], rtol=1e-5)


MATRIX = [
    {},
    {"statistics": "synchronised"},
    {"statistics": "synchronised", "steps_per_execution": 4},
    {"statistics": "averaged"},
    {"statistics": "averaged", "precision": "bfloat16", "accumulation": 2},
    {"statistics": "averaged", "precision": "float16", "accumulation": 2},
    {"statistics": "averaged", "precision": "float16", "accumulation": 2, "jit_compile": True},
    {"statistics": "synchronised", "jit_compile": True},
    {"statistics": "synchronised", "accumulation": 2},
]


@pytest.mark.slow
def test_two_devices_in_every_way(tmp_path):
    jobs = [{**job, "in_memory": True} for job in MATRIX]
    [alone] = run(tmp_path / "one", "single", jobs)
    [two] = run(tmp_path / "two", "mirrored", jobs, devices=2)
    assert furthest(two[0][0], alone[0][0]) <= 1e-5
    for number in (1, 2):
        assert furthest(two[number][0], alone[1][0]) <= 1e-4
    # Normalised by four pictures instead of eight it is another network, trained on the same pictures.
    assert two[3][1]["loss"][-1] == pytest.approx(alone[3][1]["loss"][-1], rel=0.1)
    for number in (5, 6):  # in float16, and the same compiled, near to bfloat16
        assert two[number][1]["loss"][-1] == pytest.approx(two[4][1]["loss"][-1], rel=0.02)
    assert two[7][1] == "UsageError: jit_compile cannot be combined with synchronised statistics on several devices."
    # The parts of both devices are normalised together, but they are of other pictures than those of one device.
    assert two[8][1]["loss"][-1] == pytest.approx(alone[8][1]["loss"][-1], rel=0.1)


DIFFERENCES = """
import sys
sys.path.insert(0, sys.argv[1])
import distributed_training, keras, numpy as np, tensorflow as tf
from efficientnet_tf.training import distribution

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = distribution.make_strategy("mirrored")
model, _ = distributed_training.train(strategy, statistics="averaged", dropout=0.5, in_memory=True)
values = lambda: [value.numpy() for value in model.layers[3].moving_variance.value.values]
equal = lambda pair: print(np.array_equal(*pair))
equal(values())  # after the callback
model.fit(distributed_training.pictures(strategy, "train"), verbose=0, shuffle=False)
own = values()
equal(own)
distribution.average_statistics(model)
equal(values())
equal((values()[0], (own[0] + own[1]) / 2))
for compiled in (False, True):
    mask = tf.function(lambda: model.layers[-2](tf.ones((2, 64)), training=True), jit_compile=compiled)
    equal(strategy.experimental_local_results(tf.function(lambda: strategy.run(lambda: mask()))()))
"""


@pytest.mark.slow
def test_what_differs_between_two_devices():
    """Statistics until they are averaged, and the masks of dropout, compiled or not."""
    command = [sys.executable, "-c", DIFFERENCES, os.path.dirname(__file__)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "False", "True", "True", "False", "False"]


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["lite0", "b0"])
def test_whole_step_is_compiled(variant):
    """With stochastic depth, dropout, label smoothing and the optimizer: nothing that XLA, or a TPU, cannot do."""
    keras.utils.set_random_seed(1)
    plain = efn.EfficientNet(variant, weights=None, image_size=64, classes=4, dropout=0.5, survival_probability=0.5)
    model = distribution.differ_by_replica(distribution.distribute(plain, accumulation=2))
    recipe = efn.recipe("finetune", plain, steps=10, label_smoothing=0.1, freeze="none")
    model.compile(**{**recipe, "jit_compile": True})
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    before = plain.layers[-1].kernel.numpy()
    logs = model.train_on_batch(images, np.eye(4, dtype="float32"), return_dict=True)
    assert np.isfinite(logs["loss"])
    assert np.abs(plain.layers[-1].kernel.numpy() - before).max() > 0
