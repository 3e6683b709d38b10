"""One training step of a model in a graph, to compare formulations by."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

SHAPE = (6, 5, 4)


def step(model: keras.Model, x: np.ndarray, *, training: bool = True) -> dict[str, np.ndarray]:
    """One forward and backward pass in a graph: outputs, gradients and the weights that it leaves."""
    x = tf.constant(x)

    @tf.function(input_signature=[tf.TensorSpec((None, *x.shape[1:]))])
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = tf.nest.flatten(model(x, training=training))
            loss = sum(tf.reduce_mean(tf.sin(y) * y) for y in outputs)
        watched = {"input": x, **{weight.path: weight.value for weight in model.trainable_weights}}
        return outputs, dict(zip(watched, tape.gradient(loss, list(watched.values())), strict=True))

    outputs, gradients = run(x)
    return {
        **{f"output {index}": y.numpy() for index, y in enumerate(outputs)},
        **{f"gradient of {name}": gradient.numpy() for name, gradient in gradients.items()},
        **{f"{weight.path} afterwards": weight.numpy() for weight in model.weights},
    }


def assert_equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray], tolerance: float = 1e-5) -> None:
    assert set(one) == set(other)
    for name, value in other.items():
        scale = max(1.0, float(np.abs(value).max()))
        np.testing.assert_allclose(one[name], value, rtol=0, atol=tolerance * scale, err_msg=name)


def pictures(number: int = 4, shape=SHAPE) -> np.ndarray:
    return np.random.default_rng(5).normal(0.5, 2.0, (number, *shape)).astype("float32")
