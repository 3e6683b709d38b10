"""Recomputed blocks: the same step as without, and what a user does with such a model."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import randomise
from one_step import assert_equal, pictures, step

import efficientnet_tf as efn
from efficientnet_tf import recomputation
from efficientnet_tf.errors import UsageError
from efficientnet_tf.layers import Activation, BatchNormalization, StochasticDepth, plain_formulation
from efficientnet_tf.recomputation import RecomputingModel, run_recomputing, segments
from efficientnet_tf.training import distribution
from efficientnet_tf.training.distribution import stepping

SHAPE = (32, 32, 3)


@pytest.fixture
def runs(monkeypatch) -> list[str]:
    """The names of the models that were traced with recomputed blocks."""
    found: list[str] = []

    def run(model, inputs):
        found.append(model.name)
        return run_recomputing(model, inputs)

    monkeypatch.setattr(recomputation, "run_recomputing", run)
    monkeypatch.setattr(stepping, "run_recomputing", run)
    return found


@pytest.fixture(autouse=True)
def _formulation(request) -> Iterator[None]:
    """Keras' own formulation, where not asked for the other: compiling a network's functions takes long."""
    with contextlib.nullcontext() if "fused" in request.fixturenames else plain_formulation():
        yield


@pytest.fixture
def fused() -> None:
    """Ask for the fused formulation."""


def network(variant: str = "b0", **options) -> keras.Model:
    """A network whose random layers have seeds, so that two of them draw the same masks."""
    keras.utils.set_random_seed(7)
    return randomise(efn.EfficientNet(variant, weights=None, image_size=32, classes=5, **options), seed=11)


@pytest.mark.parametrize(
    "variant",
    ["tiny", *(pytest.param(name, marks=pytest.mark.slow) for name in ("b0", "v2-b0", "condconv-4e", "resnet50"))],
)
def test_a_step_is_the_one_without(variant):
    x = pictures(4, SHAPE) * 50
    usual, recomputing = network(variant), efn.recompute(network(variant))
    assert sum(segment.recomputed for segment in segments(usual)) == len(list(efn.spec(variant).expand())) + 1
    assert_equal(step(recomputing, x), step(usual, x), 1e-4)


def test_a_step_of_fused_layers_is_the_one_without(fused):
    x = pictures(4, SHAPE) * 50
    assert_equal(step(efn.recompute(network("tiny")), x), step(network("tiny"), x), 1e-4)


def test_masks_are_drawn_once():
    def model():
        keras.utils.set_random_seed(1)
        inputs = keras.Input((2, 2, 1))
        x = keras.layers.Conv2D(1, 1, name="block1a_conv")(inputs)
        dropped = StochasticDepth(0.5, seed=3, name="block1a_drop")(x)
        return keras.Model(inputs, keras.layers.Add(name="block1a_add")([dropped, x]))

    usual, recomputing = model(), efn.recompute(model())
    x = pictures(64, (2, 2, 1))
    # The seed's state has moved by one draw in both, so that a second step has other masks, again the same in both.
    for _ in range(2):
        assert_equal(step(recomputing, x), step(usual, x))
    layer = usual.get_layer("block1a_drop"), recomputing.get_layer("block1a_drop")
    states = [each.seed_generator.state.numpy().tolist() for each in layer]
    assert states[0] == states[1] == [3, 2]


def kept(model: keras.Model) -> int:
    """How many numbers a picture of the forward pass the backward pass reads."""
    weights = [weight.value for weight in model.trainable_weights]
    forward: set[str] = set()

    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x, training=True))
        forward.update(operation.name for operation in tf.compat.v1.get_default_graph().get_operations())
        return tape.gradient(loss, weights)

    graph = run.get_concrete_function(tf.TensorSpec((1, 64, 64, 3))).graph
    maps = {
        tensor.name: int(np.prod(tensor.shape))
        for operation in graph.get_operations()
        if operation.name not in forward
        for tensor in operation.inputs
        if tensor.op.name in forward and tensor.shape.rank == 4 and tensor.shape[0] == 1
    }
    return sum(maps.values())


def test_less_is_kept_for_the_gradient():
    model = efn.EfficientNet("tiny", weights=None, image_size=64)
    less, all_of_it = kept(efn.recompute(model)), kept(model)
    assert 0 < less < 0.2 * all_of_it


def test_fit_save_and_load(tmp_path, runs):
    model = efn.recompute(network("tiny", dropout=0.2))
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    images = np.random.default_rng(0).integers(0, 256, (8, *SHAPE)).astype("uint8")
    history = model.fit(images, np.arange(8) % 5, batch_size=4, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert set(runs) == {"efficientnet_tiny"}
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not isinstance(loaded, RecomputingModel)
    assert int(loaded.optimizer.iterations) == 4
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))


@pytest.mark.slow
def test_the_trainer_s_model_recomputes_in_parts_and_several_steps(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (12, *SHAPE)).astype("uint8")
    labels = np.eye(5, dtype="float32")[np.arange(12) % 5]
    results = []
    for recomputes in (False, True):
        model = distribution.distribute(network("tiny", dropout=0.2), accumulation=2, recomputes=recomputes)
        model.compile(keras.optimizers.SGD(0.01), "categorical_crossentropy", steps_per_execution=2)
        history = model.fit(tf.data.Dataset.from_tensor_slices((images, labels)).batch(6), shuffle=False, verbose=0)
        results.append((history.history["loss"], [np.array(weight) for weight in model.variables]))
    (loss, weights), (other_loss, other_weights) = results
    np.testing.assert_allclose(other_loss, loss, rtol=1e-5)
    for one, other in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5 * max(1.0, float(np.abs(one).max())), rtol=0)


@pytest.mark.slow
def test_a_run_recomputes(tmp_path, runs):
    options = {"variant": "tiny", "weights": "none", "data": "synthetic:classes=3,count=12,size=32", "image_size": 32}
    config = efn.TrainConfig(**options, model_dir=str(tmp_path / "run"), steps=2, batch_size=4, recompute=True)
    result = efn.train(config)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["recompute"] is True
    assert np.isfinite(result.metrics["loss"])
    assert set(runs) == {"efficientnet_tiny"}
    assert type(result.run.load_model()).__module__.startswith("keras")


def test_inside_another_model(runs):
    backbone = efn.recompute(efn.EfficientNet("tiny", weights=None, image_size=32, include_top=False, pooling="avg"))
    model = keras.Sequential([keras.Input(SHAPE), backbone, keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    before = backbone.get_layer("block1a_dwconv").get_weights()[0]
    model.fit(np.ones((2, *SHAPE), "float32"), np.ones((2, 2)), verbose=0)
    assert runs == ["efficientnet_tiny"]
    assert np.abs(backbone.get_layer("block1a_dwconv").get_weights()[0] - before).max() > 0


def test_outputs_keep_their_names(runs):
    inputs = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(2, 1, name="block1a_conv")(inputs)
    recomputing = efn.recompute(keras.Model(inputs, {"map": x, "mean": keras.layers.GlobalAveragePooling2D()(x)}))
    assert list(recomputing(tf.ones((1, 4, 4, 2)), training=True)) == ["map", "mean"]
    assert len(runs) == 1


def test_statistics_that_a_block_reads_are_those_before_it():
    def model():
        keras.utils.set_random_seed(1)
        inputs = keras.Input((2, 2, 3))
        x = keras.layers.Conv2D(4, 1, name="block1a_conv")(inputs)
        x = keras.layers.BatchNormalization(renorm=True, momentum=0.5, renorm_momentum=0.5, name="block1a_bn")(x)
        x = keras.layers.Activation("silu", name="block1a_activation")(x)
        return keras.Model(inputs, keras.layers.Conv2D(2, 1, name="behind")(x))

    x = pictures(8, (2, 2, 3))
    assert_equal(step(efn.recompute(model()), x), step(model(), x))


def test_a_block_that_adds_a_loss_stays_as_it_is():
    inputs = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(2, 1, activity_regularizer="l2", name="block1a_conv")(inputs)
    x = keras.layers.Conv2D(2, 1, name="block2a_conv")(x)
    assert [segment.recomputed for segment in segments(keras.Model(inputs, x))] == [False, True]


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"jit_compile": True}])
def test_in_every_way_to_run(options, fused):
    images, labels = pictures(4, (8, 8, 3)), np.ones((4, 2), "float32")
    found = []
    for form in (lambda model: model, efn.recompute):
        keras.utils.set_random_seed(3)
        inputs = keras.Input((8, 8, 3))
        x = keras.layers.Conv2D(4, 3, use_bias=False, name="block1a_conv")(inputs)
        x = BatchNormalization(name="block1a_bn")(x)
        x = keras.layers.Dropout(0.5, seed=3, name="block1a_dropout")(Activation("silu", name="block1a_activation")(x))
        model = form(keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x))))
        model.compile(keras.optimizers.SGD(0.1), "mse", **options)
        model.fit(images, labels, epochs=2, shuffle=False, verbose=0)
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_in_16_bits(policy):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        models = network("tiny"), efn.recompute(network("tiny"))
    finally:
        keras.config.set_dtype_policy(before)
    images, labels = np.full((4, *SHAPE), 100, "uint8"), np.arange(4)
    losses = []
    for model in models:
        model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
        losses.append(model.fit(images, labels, epochs=3, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-2)


def test_models_without_blocks_are_refused():
    inputs = keras.Input((4,))
    with pytest.raises(UsageError) as raised:
        efn.recompute(keras.Model(inputs, keras.layers.Dense(1)(inputs), name="small"))
    assert str(raised.value) == (
        "The model 'small' has no blocks that could be computed by themselves: layers whose names begin with block1a_, "
        "block1b_ and so on, into which one map goes and out of which one comes."
    )
    with pytest.raises(UsageError, match=r"Only a functional model can be recomputed, got a Sequential\."):
        efn.recompute(keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]))
