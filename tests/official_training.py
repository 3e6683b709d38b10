"""The arithmetic of the official training, written down in NumPy, and as TensorFlow 1 carries it out.

Sources: EfficientNet's utils.py and main.py (build_learning_rate, build_optimizer, the loss and the moving average of
model_fn), and TensorFlow's `training_ops` and `moving_averages` that they call. Weights are float64 here; the learning
rate is float32 as there, since it is by rounding that a step falls on one side of a stair or on the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

Array = np.ndarray


def exponential_rate(
    step: int, *, peak: float, decay_steps: float, decay_rate: float = 0.97, warmup_steps: int = 0
) -> float:
    """Return the learning rate of a step from 0: linear from 0 within the warm-up, a staircase counted from 0 after."""
    single = np.float32
    if step < warmup_steps:
        return float(single(peak) * single(step) / single(warmup_steps))
    falls = np.floor(single(step) / single(decay_steps))
    return float(single(peak) * single(decay_rate) ** falls)


class RMSProp:
    """`tf.compat.v1.train.RMSPropOptimizer` for one variable."""

    def __init__(self, shape: Sequence[int], *, decay: float = 0.9, momentum: float = 0.9, epsilon: float = 1e-3):
        self.mean_square = np.ones(shape)
        self.accumulated = np.zeros(shape)
        self.decay, self.momentum, self.epsilon = decay, momentum, epsilon

    def __call__(self, value: Array, gradient: Array, rate: float) -> Array:
        """Return the variable after a step."""
        gradient = np.asarray(gradient, np.float64)
        self.mean_square += (gradient**2 - self.mean_square) * (1 - self.decay)
        self.accumulated = self.momentum * self.accumulated + rate * gradient / np.sqrt(self.mean_square + self.epsilon)
        return value - self.accumulated


def decayed_gradient(value: Array, gradient: Array, weight_decay: float) -> Array:
    """Return the gradient of a loss to which weight_decay * tf.nn.l2_loss(value), half the sum of squares, is added."""
    return np.asarray(gradient, np.float64) + weight_decay * np.asarray(value, np.float64)


def moving_average(average: Array, value: Array, step: int, decay: float = 0.9999) -> Array:
    """Return `tf.train.ExponentialMovingAverage(decay, num_updates=step)` after a step, counted from 1."""
    ramped = min(decay, (1 + step) / (10 + step))
    return average - (average - np.asarray(value, np.float64)) * (1 - ramped)


def tensorflow1(start: Array, gradients: Sequence[Array], *, peak: float, decay_steps: float, weight_decay: float):
    """Train one variable in a session of TensorFlow 1, warm-up over 3 steps; return it and its average after each.

    The loss is the inner product of the variable with the gradient that is fed, and the l2 loss of the variable.
    """
    values, averages = [], []
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.create_global_step()
        variable = v1.get_variable("v", initializer=tf.constant(start, tf.float32), use_resource=True)
        fed = v1.placeholder(tf.float32, start.shape)
        loss = tf.reduce_sum(variable * fed) + weight_decay * tf.nn.l2_loss(variable)
        rate = v1.train.exponential_decay(peak, step, decay_steps, 0.97, staircase=True)
        rate = tf.cond(step < 3, lambda: peak * tf.cast(step, tf.float32) / tf.cast(3, tf.float32), lambda: rate)
        optimizer = v1.train.RMSPropOptimizer(rate, decay=0.9, momentum=0.9, epsilon=0.001)
        train = optimizer.minimize(loss, global_step=step)
        ema = tf.train.ExponentialMovingAverage(0.9999, num_updates=step)
        with tf.control_dependencies([train]):
            train = ema.apply([variable])
        session.run(v1.global_variables_initializer())
        for gradient in gradients:
            session.run(train, {fed: gradient})
            value, average = session.run([variable, ema.average(variable)])
            values.append(value)
            averages.append(average)
    return values, averages
