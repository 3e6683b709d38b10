"""Learning rates over a run."""

from __future__ import annotations

import math
from typing import Any, Self

import keras
from keras import ops

from efficientnet_tf.errors import UsageError


class PhasedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A phase for the classifier alone at a constant rate, then a rise from 0, then what `_fall` says.

    The rise is that of the official code (utils.py, build_learning_rate): step / warmup_steps times the peak, so
    that its first step has the rate 0. Steps of the warm-up and of the fall are counted from the end of the first
    phase.

    Attributes:
        learning_rate: the peak.
        warmup_steps: in which the rate rises.
        head_steps: length of the first phase; 0 for none.
        head_learning_rate: the rate in it.

    Raises:
        UsageError: a negative number of steps.
    """

    def __init__(
        self, learning_rate: float, *, warmup_steps: int = 0, head_steps: int = 0, head_learning_rate: float = 0.0
    ) -> None:
        super().__init__()
        if warmup_steps < 0 or head_steps < 0:
            raise UsageError(
                "A schedule needs head_steps >= 0 and warmup_steps >= 0, "
                f"got {head_steps} steps for the head, {warmup_steps} of warm-up."
            )
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.head_steps = head_steps
        self.head_learning_rate = head_learning_rate

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step, counted from 0, as a float32 scalar."""
        done = ops.cast(step, "float32") - self.head_steps
        rate = ops.where(done < self.warmup_steps, self._rise(done), self._fall(done))
        return ops.where(done < 0, ops.cast(self.head_learning_rate, "float32"), rate)

    def _rise(self, done: Any) -> Any:
        """Return the rate of the warm-up after so many of its steps; never used if it has none."""
        return self.learning_rate * done / max(1, self.warmup_steps)

    def _fall(self, done: Any) -> Any:
        """Return the rate after so many steps, those of the warm-up among them."""
        raise NotImplementedError

    def scaled(self, factor: float) -> Self:
        """Return a copy with all rates multiplied.

        >>> float(WarmupConstant(0.1, head_steps=5, head_learning_rate=0.2).scaled(0.5)(0))
        0.10000000149011612
        """
        config = self.get_config()
        rates = {name: config[name] * factor for name in ("learning_rate", "head_learning_rate")}
        return type(self)(**{**config, **rates})

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for `from_config`."""
        return {
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "head_steps": self.head_steps,
            "head_learning_rate": self.head_learning_rate,
        }


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class WarmupCosine(PhasedSchedule):
    """A phase for the classifier alone at a constant rate, then warm-up from 0 and a cosine to 0.

    Args:
        learning_rate: the peak.
        steps: training steps in all.
        warmup_steps: in which the rate rises linearly, counted from the end of the first phase; the last of them
            has the peak.
        head_steps: length of the first phase; 0 for none.
        head_learning_rate: the rate in it.

    Raises:
        UsageError: the phases are longer than the run.

    >>> schedule = WarmupCosine(0.1, 100, warmup_steps=10, head_steps=20, head_learning_rate=1.0)
    >>> [round(float(schedule(step)), 3) for step in (0, 19, 20, 24, 30, 65, 100)]
    [1.0, 1.0, 0.01, 0.05, 0.1, 0.05, 0.0]
    """

    def __init__(
        self,
        learning_rate: float,
        steps: int,
        *,
        warmup_steps: int = 0,
        head_steps: int = 0,
        head_learning_rate: float = 0.0,
    ) -> None:
        if steps < 1 or not 0 <= head_steps <= steps or warmup_steps < 0:
            raise UsageError(
                "A schedule needs 0 <= head_steps <= steps and warmup_steps >= 0, "
                f"got {steps} steps, {head_steps} for the head, {warmup_steps} of warm-up."
            )
        super().__init__(
            learning_rate,
            # A run too short for its warm-up spends half of what is left on it.
            warmup_steps=min(warmup_steps, (steps - head_steps) // 2),
            head_steps=head_steps,
            head_learning_rate=head_learning_rate,
        )
        self.steps = steps

    def _rise(self, done: Any) -> Any:
        return self.learning_rate * ((done + 1.0) / max(1, self.warmup_steps))

    def _fall(self, done: Any) -> Any:
        length = max(1, self.steps - self.head_steps - self.warmup_steps)
        progress = ops.clip((done - self.warmup_steps) / length, 0.0, 1.0)
        return self.learning_rate * (0.5 * (1.0 + ops.cos(math.pi * progress)))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for `from_config`."""
        return {**super().get_config(), "steps": self.steps}


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class WarmupExponential(PhasedSchedule):
    """A phase for the classifier alone, then warm-up from 0, and an exponential fall in steps like a staircase.

    The paper's (section 5.2) with the arithmetic of the official code: the falls are counted through the warm-up,
    so that after five epochs of it the rate is the peak times 0.97 squared, not the peak.

    Args:
        learning_rate: the peak, paper 0.016 per 256 images of a batch.
        decay_steps: training steps between two falls, not necessarily a whole number; paper 2.4 epochs.
        decay_rate: factor of each fall, above 0 and at most 1; paper 0.97.
        warmup_steps: in which the rate rises linearly from 0; paper 5 epochs.
        head_steps: length of the first phase; 0 for none. Falls are counted from its end.
        head_learning_rate: the rate in it.

    Raises:
        UsageError: an argument is out of its range.

    >>> schedule = WarmupExponential(0.1, decay_steps=10, decay_rate=0.5, warmup_steps=20)
    >>> [round(float(schedule(step)), 4) for step in (0, 10, 19, 20, 29, 30)]
    [0.0, 0.05, 0.095, 0.025, 0.025, 0.0125]
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        decay_steps: float,
        decay_rate: float,
        warmup_steps: int = 0,
        head_steps: int = 0,
        head_learning_rate: float = 0.0,
    ) -> None:
        if not decay_steps > 0 or not 0 < decay_rate <= 1:
            raise UsageError(
                "An exponential schedule needs decay_steps > 0 and 0 < decay_rate <= 1, "
                f"got {decay_steps} and {decay_rate}."
            )
        super().__init__(
            learning_rate, warmup_steps=warmup_steps, head_steps=head_steps, head_learning_rate=head_learning_rate
        )
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate

    def _fall(self, done: Any) -> Any:
        falls = ops.floor(done / self.decay_steps)
        return self.learning_rate * ops.power(ops.cast(self.decay_rate, "float32"), falls)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for `from_config`."""
        return {**super().get_config(), "decay_steps": self.decay_steps, "decay_rate": self.decay_rate}


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class WarmupConstant(PhasedSchedule):
    """A phase for the classifier alone at its own rate, then warm-up from 0, and a constant rate.

    Args:
        learning_rate: after the warm-up.
        warmup_steps: in which the rate rises linearly from 0.
        head_steps: length of the first phase; 0 for none.
        head_learning_rate: the rate in it.

    Raises:
        UsageError: a negative number of steps.

    >>> schedule = WarmupConstant(0.1, warmup_steps=2)
    >>> [round(float(schedule(step)), 3) for step in range(4)]
    [0.0, 0.05, 0.1, 0.1]
    """

    def _fall(self, done: Any) -> Any:
        return ops.full_like(done, self.learning_rate)
