"""The pieces of training, one by one and in a user's own `fit`."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import efficientnet_tf as efn
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.training import distribution
from efficientnet_tf.training.optimizer import OPTIMIZERS, build_optimizer
from efficientnet_tf.training.phases import HeadFirst, set_trainable
from efficientnet_tf.training.schedule import WarmupCosine


def expected_rate(
    step: int, *, warmup: int, head: int, peak: float = 0.3, steps: int = 100, head_rate: float = 0.7
) -> float:
    """Return the schedule's value, written down independently."""
    if step < head:
        return head_rate
    if step < head + warmup:
        return peak * (step - head + 1) / warmup
    return peak * 0.5 * (1 + np.cos(np.pi * min((step - head - warmup) / (steps - head - warmup), 1)))


@pytest.mark.parametrize(("warmup", "head"), [(0, 0), (10, 0), (0, 20), (10, 20)])
def test_schedule_step_by_step(warmup, head):
    schedule = WarmupCosine(0.3, 100, warmup_steps=warmup, head_steps=head, head_learning_rate=0.7)
    rates = [float(schedule(step)) for step in range(110)]
    expected = [expected_rate(step, warmup=warmup, head=head) for step in range(110)]
    np.testing.assert_allclose(rates, expected, atol=1e-6)


def test_schedule_round_trip_and_limits():
    schedule = WarmupCosine(0.3, 100, warmup_steps=7, head_steps=20, head_learning_rate=0.7)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert copy.get_config() == schedule.get_config()
    assert WarmupCosine(0.1, 10, warmup_steps=50).warmup_steps == 5
    message = (
        "A schedule needs 0 <= head_steps <= steps and warmup_steps >= 0, got 10 steps, 11 for the head, 0 of warm-up."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        WarmupCosine(0.1, 10, head_steps=11)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_is_for_kernels(name):
    layer = keras.layers.Dense(2, bias_initializer="ones")
    layer.build((None, 3))
    before = [array.copy() for array in layer.get_weights()]
    optimizer = build_optimizer(name, 0.5, weight_decay=0.1, variables=layer.trainable_variables)
    optimizer.apply([tf.zeros_like(variable) for variable in layer.trainable_variables])
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(kernel, before[0] * (1 - 0.5 * 0.1), rtol=1e-6)
    np.testing.assert_array_equal(bias, before[1])


def test_unknown_optimizer():
    with pytest.raises(UsageError, match=r"^Unknown optimizer 'adamx'\. Did you mean 'adamw'\? Allowed: adamw, "):
        build_optimizer("adamx", 0.1, weight_decay=0.0, variables=[])


def small_model(**arguments) -> keras.Model:
    keras.utils.set_random_seed(3)
    return efn.EfficientNet("lite0", weights=None, image_size=32, classes=3, **arguments)


def batches(number: int, size: int = 4) -> tf.data.Dataset:
    generator = np.random.default_rng(4)
    images = generator.integers(0, 256, (number * size, 32, 32, 3), dtype=np.uint8)
    labels = np.eye(3, dtype="float32")[generator.integers(0, 3, number * size)]
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(size)


@pytest.mark.parametrize(
    ("freeze", "head_only", "trained"),
    # Lite0 without its classifier of 1000 has 3,371,008 trainable parameters, 42,016 of them scales and offsets.
    [
        ("none", False, 3_371_008 + 3_843),
        ("bn", False, 3_371_008 - 42_016 + 3_843),
        ("backbone", False, 3_843),
        ("bn", True, 3_843),
    ],
)
def test_what_is_trainable(freeze, head_only, trained):
    model = small_model()
    set_trainable(model, freeze, head_only=head_only)
    assert sum(int(np.prod(variable.shape)) for variable in model.trainable_variables) == trained


class Snapshots(keras.callbacks.Callback):
    """The weights after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append({layer.name: [array.copy() for array in layer.get_weights()] for layer in self.model.layers})


def changed(before: dict, after: dict) -> set[str]:
    return {name for name in before if any((a != b).any() for a, b in zip(before[name], after[name], strict=True))}


def test_head_first_then_all_but_batch_normalisation():
    model = small_model()
    model.compile(**efn.recipe("finetune", model, steps=5, epochs=5, head_epochs=2, optimizer="sgd"))
    snapshots = Snapshots()
    start = {layer.name: layer.get_weights() for layer in model.layers}
    model.fit(batches(5), callbacks=[HeadFirst("bn"), snapshots], verbose=0, shuffle=False)
    states = [start, *snapshots.steps]
    assert changed(states[0], states[1]) == {"predictions"}
    assert changed(states[1], states[2]) == {"predictions"}
    for before, after in itertools.pairwise(states[2:]):
        names = changed(before, after)
        convolutions = {layer.name for layer in model.layers if layer.name.endswith("conv")}
        assert convolutions <= names
        assert not [name for name in names if name.endswith("bn")]


@pytest.mark.slow
def test_batch_normalisation_learns_when_nothing_is_frozen():
    model = small_model()
    model.compile(**efn.recipe("scratch", model, steps=2))
    start = {layer.name: layer.get_weights() for layer in model.layers}
    model.fit(batches(2), callbacks=[HeadFirst("none")], verbose=0, shuffle=False)
    names = changed(start, {layer.name: layer.get_weights() for layer in model.layers})
    assert {"stem_bn", "block6b_project_bn", "top_bn"} <= names


@pytest.mark.parametrize(
    ("activation", "loss", "from_logits"),
    [
        ("softmax", keras.losses.CategoricalCrossentropy, False),
        (None, keras.losses.CategoricalCrossentropy, True),
        ("sigmoid", keras.losses.BinaryCrossentropy, False),
    ],
)
def test_loss_follows_the_last_activation(activation, loss, from_logits):
    arguments = efn.recipe("finetune", small_model(classifier_activation=activation), steps=2)
    assert isinstance(arguments["loss"], loss)
    assert arguments["loss"].get_config()["from_logits"] == from_logits
    assert arguments["loss"].get_config()["label_smoothing"] == 0.1


def test_own_fit_leaves_a_run(tmp_path):
    data = efn.load_data("sample", split="validation", image_size=32, variant="lite0", batch_size=16)
    model = efn.EfficientNet("lite0", weights=None, image_size=32, classes=len(data.class_names))
    model.compile(**efn.recipe("finetune", model, steps=3))
    model.fit(
        data,
        validation_data=data,
        epochs=1,
        callbacks=efn.callbacks(tmp_path / "run", data=data),
        verbose=0,
        shuffle=False,
    )
    again = efn.load_model(tmp_path / "run")
    pixels = next(iter(data))[0]
    np.testing.assert_array_equal(again(pixels).numpy(), model(pixels).numpy())
    assert (tmp_path / "run" / "labels.txt").read_text().splitlines() == list(data.class_names)
    assert (tmp_path / "run" / "metrics.csv").read_text().startswith("epoch,")


def test_recipe_errors():
    model = small_model()
    with pytest.raises(
        UsageError, match=r"^Unknown recipe 'finetun'\. Did you mean 'finetune'\? Allowed: fashion, finetune, "
    ):
        efn.recipe("finetun", model, steps=1)
    with pytest.raises(UsageError, match=r"^Unknown setting 'lr'\. "):
        efn.recipe("finetune", model, steps=1, lr=0.1)
    with pytest.raises(UsageError, match=r"^freeze must be one of none, bn, backbone, got 'all'\.$"):
        HeadFirst("all")


class FakeResolver:
    """Stands for a TPU; remembers how it was asked for."""

    def __init__(self, tpu):
        self.tpu = tpu


@pytest.mark.parametrize(("name", "asked", "connected"), [("node-1", "node-1", True), ("local", "local", False)])
def test_tpu_is_connected_started_and_used(name, asked, connected, monkeypatch):
    calls = []
    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", FakeResolver)
    monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", lambda r: calls.append(("connect", r.tpu)))
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", lambda r: calls.append(("start", r.tpu)))
    monkeypatch.setattr(tf.distribute, "TPUStrategy", lambda r: ("strategy", r.tpu))
    assert distribution.make_strategy("auto", name) == ("strategy", asked)
    assert calls == [("connect", asked)] * connected + [("start", asked)]


def test_tpu_that_is_not_there():
    with pytest.raises(EfficientNetError, match=r"^The TPU 'local' cannot be reached: .* It needs pip install "):
        distribution.make_strategy("tpu")


def test_strategies_of_this_machine():
    assert distribution.make_strategy("single") is None
    assert distribution.replicas(None) == 1
    mirrored = distribution.make_strategy("mirrored")
    assert isinstance(mirrored, tf.distribute.MirroredStrategy)


def test_precision_is_restored():
    with distribution.precision("bfloat16"):
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("imports", ["import keras, efficientnet_tf", "import efficientnet_tf, keras"])
def test_compiled_network_loads_in_a_fresh_interpreter(imports, tmp_path):
    """With its optimizer, schedule and all, as `model.save` leaves it after a recipe."""
    model = small_model()
    model.compile(**efn.recipe("finetune", model, steps=5))
    model.save(tmp_path / "model.keras")
    code = f"{imports}, sys\nprint(keras.models.load_model(sys.argv[1]).optimizer._learning_rate.get_config())"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "model.keras")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(model.optimizer._learning_rate.get_config())
