"""Learning rates over a run."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from efficientnet_tf.errors import UsageError


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """A phase for the classifier alone at a constant rate, then warm-up from 0 and a cosine to 0.

    Args:
        learning_rate: the peak.
        steps: training steps in all.
        warmup_steps: in which the rate rises linearly, counted from the end of the first phase.
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
        super().__init__()
        if steps < 1 or not 0 <= head_steps <= steps or warmup_steps < 0:
            raise UsageError(
                "A schedule needs 0 <= head_steps <= steps and warmup_steps >= 0, "
                f"got {steps} steps, {head_steps} for the head, {warmup_steps} of warm-up."
            )
        self.learning_rate = learning_rate
        self.steps = steps
        # A run too short for its warm-up spends half of what is left on it.
        self.warmup_steps = min(warmup_steps, (steps - head_steps) // 2)
        self.head_steps = head_steps
        self.head_learning_rate = head_learning_rate

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step, counted from 0."""
        done = ops.cast(step, "float32") - self.head_steps
        warm = (done + 1.0) / self.warmup_steps if self.warmup_steps else ops.ones_like(done)
        length = max(1, self.steps - self.head_steps - self.warmup_steps)
        progress = ops.clip((done - self.warmup_steps) / length, 0.0, 1.0)
        cosine = 0.5 * (1.0 + ops.cos(math.pi * progress))
        rate = self.learning_rate * ops.where(done < self.warmup_steps, warm, cosine)
        return ops.where(done < 0, ops.cast(self.head_learning_rate, "float32"), rate)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for `from_config`."""
        return {
            "learning_rate": self.learning_rate,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "head_steps": self.head_steps,
            "head_learning_rate": self.head_learning_rate,
        }
