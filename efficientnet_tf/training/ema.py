"""Moving averages of weights."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from efficientnet_tf.errors import EfficientNetError, UsageError


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class MovingAverage(keras.callbacks.Callback):
    """Average a model's weights while `fit` trains it, and validate with the averages.

    They are those of the official code, which Keras' `use_ema` has not: the statistics of batch normalisation are
    averaged as well as what is trained, and the decay rises with the steps as min(decay, (1 + step) / (10 + step)),
    so that a short training does not remember the weights that it began with. The paper's figures are of averages: the
    official B5 has 83 % with them and 80 % without.

    The average is taken within the compiled step, after each step of the optimizer, whatever `steps_per_execution`
    is; a call that the optimizer only accumulates, or leaves out since the loss scale was too large, is none. Under a
    strategy every device averages what it has; where the devices differ, as in statistics of batch normalisation, the
    mean over those of this process is used.

    When `fit` ends the model has its own weights; `copy_to` gives it the averages. Another `fit` with the same
    callback goes on.

    Args:
        decay: the limit of the decay, at least 0 and below 1.

    Raises:
        UsageError: a decay out of its range.

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    >>> model.compile(keras.optimizers.SGD(1.0), lambda labels, outputs: outputs)  # each step takes 1 off the weight
    >>> average = MovingAverage(decay=0.9999)
    >>> history = model.fit(np.ones((2, 1)), np.ones((2, 1)), batch_size=1, callbacks=[average], verbose=0)
    >>> with average.applied():  # 1, then 2 / 11 of that, then 3 / 12 of that less 9 / 12
    ...     print(model.get_weights()[0].round(4))
    [[-0.7045]]
    >>> model.get_weights()[0]
    array([[-1.]], dtype=float32)
    """

    def __init__(self, decay: float = 0.9999) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise UsageError(f"The decay of a moving average must be at least 0 and below 1, got {decay}.")
        self.decay = decay
        self._owner: keras.Model | None = None  # whose weights are averaged
        self._pairs: list[tuple[Any, Any]] = []  # each weight and its average
        self._own: list[list[Any]] | None = None  # the weights' values, while the averages are in their place
        self._training = contextlib.ExitStack()  # what is undone when the training ends
        self._is_training = False

    @property
    def variables(self) -> list[keras.Variable]:
        """The averages, in the order of `model.weights`; none before a training has begun."""
        return [average for _, average in self._pairs]

    @contextlib.contextmanager
    def applied(self) -> Iterator[keras.Model]:
        """Give the model the averages for as long as the context lasts, and then its own weights again, bit for bit.

        Within another such context this does nothing.

        Raises:
            EfficientNetError: no training has begun.
        """
        self._check_begun()
        if self._own is not None:
            yield self._owner
            return
        self._own = [[tf.identity(value) for value in _values(weight)] for weight, _ in self._pairs]
        try:
            for weight, average in self._pairs:
                _assign_mean(weight, average)
            yield self._owner
        finally:
            self._restore()

    def copy_to(self, model: keras.Model) -> None:
        """Give a model of the same architecture, which may be the one that was trained, the averages for good.

        Raises:
            EfficientNetError: no training has begun, or the model has other weights.
        """
        self._check_begun()
        shapes = [tuple(average.shape) for average in self.variables]
        if [tuple(weight.shape) for weight in model.weights] != shapes:
            raise EfficientNetError(
                f"The averages are those of another network: they are {len(shapes)} variables, "
                f"and {model.name} has {len(model.weights)}, or some of another shape."
            )
        for weight, average in zip(model.weights, self.variables, strict=True):
            _assign_mean(weight, average)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for `from_config`."""
        return {"decay": self.decay}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MovingAverage:
        """Return a callback of these arguments."""
        return cls(**config)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Make the averages, which begin as the weights are, and have every step update them; once for a model."""
        if self._owner is not self.model:
            self._training.close()
            self._make_averages()
        if not self._is_training:
            self._is_training = True
            self._training.callback(setattr, self, "_is_training", False)
            self._training.enter_context(_replaced(self.model, "train_step", self._averaging(self.model)))
            self._training.enter_context(_replaced(self.model, "evaluate", self._validating(self.model)))
        # Keras has made the function of the step as it was before.
        self.model.make_train_function(force=True)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leave the model as it was, but for its weights."""
        self._training.close()
        self.model.train_function = None

    def _check_begun(self) -> None:
        if self._owner is None:
            raise EfficientNetError("There are no averages: the training has not begun.")

    def _make_averages(self) -> None:
        self._owner, self._pairs = self.model, []
        with self.model.distribute_strategy.scope():
            for weight in self.model.weights:
                name = f"{weight.path.replace('/', '_')}_average"
                # Without aggregation each device may update its own value.
                average = keras.Variable(weight.numpy(), dtype=weight.dtype, trainable=False, name=name)
                for mine, its in zip(_values(average), _values(weight), strict=True):
                    mine.assign(its)
                self._pairs.append((weight, average))

    def _restore(self) -> None:
        own, self._own = self._own or [], None
        for (weight, _), values in zip(self._pairs, own, strict=True):
            for variable, value in zip(_values(weight), values, strict=True):
                variable.assign(value)

    def _averaging(self, model: keras.Model) -> Callable[..., Any]:
        """Return a model's training step, after which the averages are updated."""
        train_step = model.train_step

        @functools.wraps(train_step)
        def step(*args: Any, **kwargs: Any) -> Any:
            if not self._is_training or self._owner is not model:
                return train_step(*args, **kwargs)
            before = tf.identity(model.optimizer.iterations)
            logs = train_step(*args, **kwargs)
            self._update(before, tf.identity(model.optimizer.iterations))
            return logs

        return step

    def _validating(self, model: keras.Model) -> Callable[..., Any]:
        """Return a model's `evaluate`, which has the averages where this is among the callbacks, as within `fit`.

        Unlike on_test_end, this gives the weights back when a validation is broken off.
        """
        evaluate = model.evaluate

        @functools.wraps(evaluate)
        def validate(*args: Any, **kwargs: Any) -> Any:
            given = kwargs.get("callbacks")  # in `fit` a CallbackList
            among = self in keras.tree.flatten(getattr(given, "callbacks", given))
            with self.applied() if among and self._owner is model else contextlib.nullcontext():
                return evaluate(*args, **kwargs)

        return validate

    def _update(self, before: Any, after: Any) -> None:
        """Move the averages towards the weights; part of the compiled step."""
        # One less the decay, of which float32 would leave few digits.
        share = tf.maximum(1.0 - self.decay, 9.0 / (10.0 + tf.cast(after, tf.float32)))
        share = tf.where(after > before, share, 0.0)
        for weight, average in self._pairs:
            if weight.value.dtype.is_floating:
                change = (average.value - weight.value) * tf.cast(share, weight.dtype)
                average.value.assign_sub(change, read_value=False)
            else:
                average.value.assign(weight.value, read_value=False)


@contextlib.contextmanager
def _replaced(model: keras.Model, name: str, replacement: Callable[..., Any]) -> Iterator[None]:
    """Replace a method of one model."""
    before = vars(model).get(name)
    setattr(model, name, replacement)
    yield
    if vars(model).get(name) is replacement:  # else somebody has replaced it in turn
        if before is None:
            delattr(model, name)
        else:
            setattr(model, name, before)


def _values(variable: Any) -> list[Any]:
    """Return TensorFlow's variable inside Keras' one, for each device of this process."""
    inner = variable.value
    return list(inner.values) if isinstance(inner, tf.distribute.DistributedValues) else [inner]


def _assign_mean(target: Any, source: Any) -> None:
    """Give a variable, on all devices, the mean over the devices of another one."""
    values = _values(source)
    # Of equal numbers the mean in float64 is the number itself.
    mean = values[0] if len(values) == 1 else np.mean([v.numpy() for v in values], axis=0, dtype=np.float64)
    for variable in _values(target):
        variable.assign(tf.cast(mean, variable.dtype))
