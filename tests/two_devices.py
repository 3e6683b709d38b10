"""Training on two devices made of one processor, for a process of its own; prints what came of it as JSON."""

from __future__ import annotations

import json

import keras
import numpy as np
import tensorflow as tf

from efficientnet_tf.training.ema import MovingAverage
from efficientnet_tf.training.optimizer import build_optimizer
from efficientnet_tf.training.schedule import WarmupExponential


def two_devices() -> tf.distribute.Strategy:
    """Return a strategy; TensorFlow must not have started before."""
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [half, half])
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def network(normalised: bool) -> keras.Model:
    """Return a compiled network with every piece of the paper's training."""
    keras.utils.set_random_seed(5)
    pixels = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, name="stem_conv")(pixels)
    if normalised:
        x = keras.layers.BatchNormalization(name="stem_bn", momentum=0.5)(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Activation("silu")(x))
    model = keras.Model(pixels, keras.layers.Dense(3, name="predictions", dtype="float32")(x))
    schedule = WarmupExponential(0.05, decay_steps=2.4, decay_rate=0.97, warmup_steps=3)
    optimizer = build_optimizer("rmsprop", schedule, weight_decay=0.1, form="l2", variables=model.trainable_variables)
    if keras.config.dtype_policy().name == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**10)
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True))
    return model


def data() -> tf.data.Dataset:
    """Return five batches of eight, four for each device."""
    generator = np.random.default_rng(6)
    pixels = generator.normal(0, 1, (40, 6, 6, 3)).astype("float32")
    labels = np.eye(3, dtype="float32")[generator.integers(0, 3, 40)]
    return tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(8)


def per_device(variable: keras.Variable) -> list[np.ndarray]:
    """Return a variable's value on each device."""
    return [value.numpy() for value in getattr(variable.value, "values", [variable.value])]


class Follow(keras.callbacks.Callback):
    """The averages after every step, computed from each device's weights on the host."""

    def on_train_begin(self, logs=None):
        self.step = 0
        self.averages = [per_device(weight) for weight in self.model.weights]

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        decay = min(0.9999, (1 + self.step) / (10 + self.step))
        self.averages = [
            [decay * a + (1 - decay) * w for a, w in zip(averages, per_device(weight), strict=True)]
            for averages, weight in zip(self.averages, self.model.weights, strict=True)
        ]


def train(strategy: tf.distribute.Strategy, normalised: bool) -> tuple[keras.Model, MovingAverage, Follow]:
    """Return a model after two epochs, its averages, and what the averages should be."""
    with strategy.scope():
        model = network(normalised)
    average, follow = MovingAverage(), Follow()
    model.fit(data(), epochs=2, callbacks=[average, follow], verbose=0, shuffle=False)
    return model, average, follow


def difference(ones: list[np.ndarray], others: list[np.ndarray]) -> float:
    """Return the largest difference between two lists of arrays."""
    return max(float(np.abs(np.subtract(one, other)).max()) for one, other in zip(ones, others, strict=True))


def flat(variables: list[keras.Variable]) -> list[np.ndarray]:
    """Return the values of variables on all devices."""
    return [value for variable in variables for value in per_device(variable)]


def main() -> None:
    """Train on one device and on two, without ."""
    strategy, found = two_devices(), {}
    single, single_average, _ = train(tf.distribute.get_strategy(), normalised=False)
    model, average, _ = train(strategy, normalised=False)
    found["weights"] = difference(single.get_weights(), model.get_weights())
    found["averages"] = difference(flat(single_average.variables), [v.numpy() for v in average.variables])

    keras.config.set_dtype_policy("mixed_float16")
    model, average, follow = train(strategy, normalised=True)
    found["steps"] = int(model.optimizer.iterations.numpy())
    mean = per_device(model.get_layer("stem_bn").moving_mean)
    found["statistics_differ"] = not np.array_equal(mean[0], mean[1])
    own = flat(model.weights)
    found["averages_each"] = difference(flat(average.variables), [v for values in follow.averages for v in values])
    means = [np.mean(values, axis=0) for values in follow.averages]
    with average.applied():
        devices = [per_device(weight) for weight in model.weights]
    found["applied_alike"] = all(np.array_equal(*values) for values in devices)
    found["applied"] = difference([values[0] for values in devices], means)
    found["restored"] = all(map(np.array_equal, own, flat(model.weights)))
    average.copy_to(model)
    found["copied"] = difference(flat(model.weights), [mean for mean in means for _ in range(2)])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
