"""What changes while `fit` runs: which layers learn, and at which rate."""

from __future__ import annotations

from typing import Any

import keras

from efficientnet_tf.errors import UsageError
from efficientnet_tf.model import CLASSIFIER, DROPOUT
from efficientnet_tf.training.schedule import PhasedSchedule

FREEZES = ("none", "bn", "backbone")


def set_trainable(model: keras.Model, freeze: str, *, head_only: bool = False) -> None:
    """Choose what of a model is trained.

    Args:
        model: the model to change.
        freeze: `none`; `bn`, the statistics and scales of batch normalisation, which then also runs
            as at inference; `backbone`, everything but the classifier.
        head_only: the classifier alone, whatever `freeze` says.
    """
    for layer in model.layers:
        if head_only or freeze == "backbone":
            layer.trainable = layer.name == CLASSIFIER
        else:
            layer.trainable = freeze == "none" or not isinstance(layer, keras.layers.BatchNormalization)


class HeadFirst(keras.callbacks.Callback):
    """Train the classifier alone for the schedule's first phase, and then all that is not frozen.

    A new classifier starts at random, and its first gradients would spoil a pre-trained backbone. The
    length of the phase is read from the optimizer's schedule, so that both end at the same step.

    Args:
        freeze: what stays as it is in the second phase; see `set_trainable`.
    """

    def __init__(self, freeze: str = "bn") -> None:
        super().__init__()
        if freeze not in FREEZES:
            raise UsageError(f"freeze must be one of {', '.join(FREEZES)}, got {freeze!r}.")
        self.freeze = freeze
        self.head_only = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Freeze what the first phase leaves alone."""
        self._enter(self._in_first_phase())

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Enter the second phase at the schedule's step."""
        if self.head_only and not self._in_first_phase():
            self._enter(False)

    def _in_first_phase(self) -> bool:
        schedule = schedule_in(self.model)
        steps = schedule.head_steps if isinstance(schedule, PhasedSchedule) else 0
        return steps_done(self.model) < steps

    def _enter(self, head_only: bool) -> None:
        self.head_only = head_only
        set_trainable(self.model, self.freeze, head_only=head_only)
        # Keras traces a step once; a step with other variables is another function.
        self.model.make_train_function(force=True)


def steps_done(model: keras.Model) -> int:
    """Return how many steps the optimizer has done; under a strategy its counter is one of several equal ones."""
    return int(model.optimizer.iterations.value.numpy())


def set_dropout(model: keras.Model, rate: float) -> None:
    """Give the layer before the classifier another rate; it counts for steps that are traced from now on."""
    for layer in model.layers:
        if layer.name == DROPOUT:
            layer.rate = rate


def schedule_in(model: keras.Model) -> Any:
    """Return what gives a compiled model's learning rate: a schedule, or a variable."""
    return getattr(_inner(model.optimizer), "_learning_rate", None)


def set_schedule(model: keras.Model, schedule: Any) -> None:
    """Give a compiled model another schedule of the same phases, for the steps to come."""
    _inner(model.optimizer)._learning_rate = schedule
    # It is part of the step that was traced, if one was.
    if model.train_function is not None:
        model.make_train_function(force=True)


def learning_rate_at(model: keras.Model, step: int) -> float:
    """Return the learning rate of a step, counted from 0."""
    rate = schedule_in(model)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return float(keras.ops.convert_to_numpy(rate(step)))
    return float(keras.ops.convert_to_numpy(_inner(model.optimizer).learning_rate))


def _inner(optimizer: Any) -> Any:
    """Return the optimizer inside a loss-scaling one."""
    return getattr(optimizer, "inner_optimizer", optimizer)
