"""Recomputed blocks: the same step as without, and what a user does with such a model."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import randomise
from one_step import assert_equal, pictures, step

import efficientnet_tf as efn
from efficientnet_tf.errors import UsageError
from efficientnet_tf.layers import StochasticDepth, plain_formulation
from efficientnet_tf.recomputation import RecomputingModel, segments
from efficientnet_tf.training import distribution

SHAPE = (32, 32, 3)


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
    with plain_formulation():  # compiling each network's functions takes a minute
        assert_equal(step(recomputing, x), step(usual, x), 1e-4)


def test_a_step_of_fused_layers_is_the_one_without():
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

    with plain_formulation():
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
    model = efn.EfficientNet("b0", weights=None, image_size=64)
    less, all_of_it = kept(efn.recompute(model)), kept(model)
    assert 0 < less < 0.2 * all_of_it


def test_fit_save_and_load(tmp_path):
    model = efn.recompute(network("tiny", dropout=0.2))
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    images = np.random.default_rng(0).integers(0, 256, (8, *SHAPE)).astype("uint8")
    history = model.fit(images, np.arange(8) % 5, batch_size=4, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not isinstance(loaded, RecomputingModel)
    assert int(loaded.optimizer.iterations) == 4
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))


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


def test_a_run_recomputes(tmp_path):
    options = {"variant": "tiny", "weights": "none", "data": "synthetic:classes=3,count=12,size=32", "image_size": 32}
    config = efn.TrainConfig(**options, model_dir=str(tmp_path / "run"), steps=2, batch_size=4, recompute=True)
    result = efn.train(config)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["recompute"] is True
    assert np.isfinite(result.metrics["loss"])
    assert type(result.run.load_model()).__module__.startswith("keras")


def test_inside_another_model():
    backbone = efn.recompute(efn.EfficientNet("tiny", weights=None, image_size=32, include_top=False, pooling="avg"))
    model = keras.Sequential([keras.Input(SHAPE), backbone, keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    before = backbone.get_layer("block1a_dwconv").get_weights()[0]
    model.fit(np.ones((2, *SHAPE), "float32"), np.ones((2, 2)), verbose=0)
    assert np.abs(backbone.get_layer("block1a_dwconv").get_weights()[0] - before).max() > 0


def test_models_without_blocks_are_refused():
    inputs = keras.Input((4,))
    with pytest.raises(UsageError) as raised:
        efn.recompute(keras.Model(inputs, keras.layers.Dense(1)(inputs), name="small"))
    assert str(raised.value) == (
        "The model 'small' has no blocks that could be computed by themselves: layers whose names begin with block1a_, "
        "block1b_ and so on, into which one map goes and out of which one comes."
    )
    with pytest.raises(UsageError, match=r"Only a functional model can be recomputed, got a Sequential\."):
        efn.recompute(keras.Sequential([keras.layers.Dense(1)]))
