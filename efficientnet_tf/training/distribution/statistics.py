"""Statistics of batch normalisation on several devices: averaged before they are used, or common in every step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf


class AverageStatistics(keras.callbacks.Callback):
    """Average the moving statistics of batch normalisation over all devices and workers before they are used.

    Each device normalises by the mean and variance of its own part of a batch and keeps moving statistics of them.
    This makes them equal before validation and at the end of each epoch, so before whatever comes later in the list of
    callbacks saves the model. On one device nothing happens.

    It must come before callbacks that use or save the weights.

    Args:
        others: returns variables to average as well, such as moving averages of the statistics.
    """

    def __init__(self, others: Callable[[], Iterable[Any]] = tuple) -> None:
        super().__init__()
        self.others = others
        self._average: Callable[[], None] | None = None
        self._over: list[Any] = []

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Average before validation."""
        self.average()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Average before the model is saved."""
        self.average()

    def average(self) -> None:
        """Average now; on several workers, all must do so at the same step."""
        variables = [*moving_statistics(self.model), *self.others()]
        if self._average is None or list(map(id, variables)) != list(map(id, self._over)):
            self._over = variables
            self._average = _averaging(variables, self.model.distribute_strategy)
        self._average()


def average_statistics(model: keras.Model) -> None:
    """Average the moving statistics of a model's batch normalisation over all devices and workers, once.

    Statistics of frozen layers are equal already and stay as they are, bit for bit.
    """
    _averaging(moving_statistics(model), model.distribute_strategy)()


def moving_statistics(model: keras.Model) -> list[Any]:
    """Return the moving means and variances of the layers that update them.

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    >>> [variable.name for variable in moving_statistics(model)]
    ['moving_mean', 'moving_variance']
    """
    layers = [layer for layer in _normalisations(model) if layer.trainable]
    return [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]


def synchronise(model: keras.Model) -> keras.Model:
    """Let batch normalisation use the mean and variance of the batches of all devices, and return the model.

    Two exchanges for each such layer and step make training slower, and the same as on one device. Call it before
    `fit`; on one device it changes nothing.

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    >>> synchronise(model).layers[0].synchronized
    True
    """
    for layer in _normalisations(model):
        layer.synchronized = True
    return model


def _normalisations(model: keras.Model) -> list[Any]:
    found: list[Any] = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            found.append(layer)
        elif hasattr(layer, "layers"):
            found += _normalisations(layer)
    return found


def _averaging(variables: list[Any], strategy: tf.distribute.Strategy) -> Callable[[], None]:
    """Return a function that gives each variable the mean of its values on all devices."""
    if strategy.num_replicas_in_sync == 1 or not variables:
        return lambda: None
    sizes = [int(tf.TensorShape(variable.shape).num_elements()) for variable in variables]

    def on_device() -> None:
        # As one tensor, which costs one exchange.
        own = tf.concat([tf.reshape(tf.convert_to_tensor(v.value), [-1]) for v in variables], 0)
        context = tf.distribute.get_replica_context()
        means = tf.split(context.all_reduce(tf.distribute.ReduceOp.MEAN, own), sizes)
        for variable, mean in zip(variables, means, strict=True):
            variable.assign(tf.reshape(mean, variable.shape))

    @tf.function
    def average() -> None:
        strategy.run(on_device)

    return average
