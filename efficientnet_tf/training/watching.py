"""Losses at which a training is no training any more."""

from __future__ import annotations

import math
from typing import Any

import keras

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.training.phases import learning_rate_at, steps_done


class Diverged(EfficientNetError):
    """A loss is no number, or above the limit; says where, and at which learning rate."""


class WatchLoss(keras.callbacks.Callback):
    """Raise `Diverged` as soon as the loss of a step is no number, or above a limit.

    Args:
        limit: the largest loss that is allowed; None for any.
        first_batch: where the first epoch goes on, if it was interrupted.
    """

    def __init__(self, limit: float | None = None, *, first_batch: int = 0) -> None:
        super().__init__()
        self.limit = limit
        self._offset = first_batch
        self._epoch = 0
        self._before: tuple[float, float] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begin a new sum."""
        self._epoch = epoch
        self._before = None

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """See where the sum begins: a resumed epoch has that of its first part already."""
        if self._before is None:
            self._before = self._sums()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the loss since the call before."""
        total, count = self._sums()
        (total_before, count_before), self._before = self._before or (0.0, 0.0), (total, count)
        loss = (total - total_before) / (count - count_before) if count > count_before else total
        if math.isfinite(loss) and (self.limit is None or loss <= self.limit):
            return
        step = steps_done(self.model)
        found = f"above the limit of {self.limit:g}" if math.isfinite(loss) else "no number"
        where = f"step {step} (batch {self._offset + batch + 1} of epoch {self._epoch + 1})"
        raise Diverged(
            f"Training diverged: the loss was {loss:g}, {found}, in {where} at the learning rate "
            f"{learning_rate_at(self.model, max(0, step - 1)):g}."
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the batches of the next epoch from its beginning."""
        self._offset = 0

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Look at the loss of a validation: it may be no number while that of training still is one."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise Diverged(
                f"Training diverged: the validation loss was {loss:g} after step {steps_done(self.model)} at the "
                f"learning rate {learning_rate_at(self.model, max(0, steps_done(self.model) - 1)):g}."
            )

    def _sums(self) -> tuple[float, float]:
        """Return the sum of losses and of examples so far in the epoch, as Keras adds them up."""
        loss = self.model.metrics[0]
        return float(keras.ops.convert_to_numpy(loss.total)), float(keras.ops.convert_to_numpy(loss.count))
