"""The callback that keeps a training's state on disk, and gives it back."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.signals import StopRequests
from efficientnet_tf.training.phases import steps_done
from efficientnet_tf.training.state import Checkpoint, CheckpointFolder, Position, restore, snapshot
from efficientnet_tf.training.state.variables import build_metrics, metric_variables, parts_of
from efficientnet_tf.training.watching import Diverged

#: Seconds between two checkpoints within an epoch, where no number of steps is given.
INTERVAL = 600.0


class Stateful(Protocol):
    """A callback that a resumed training must find as it was."""

    def state(self) -> dict[str, Any]:
        """Return what to keep, as JSON values."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Take it up again."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """When checkpoints are due within an epoch.

    Attributes:
        steps: after each multiple of so many; None for by the clock.
        seconds: of the clock.
    """

    steps: int | None = None
    seconds: float = INTERVAL

    def due(self, step: int, saved_step: int, saved_at: float) -> bool:
        """Return whether a step is the first after a multiple, or the time is over."""
        if self.steps is not None:
            return step // self.steps > saved_step // self.steps
        return time.monotonic() - saved_at >= self.seconds


class Checkpointer(keras.callbacks.Callback):
    """Keep the state of a training: after each epoch, within epochs as often as told, and when it is to stop.

    It must be the last of the callbacks, so that it keeps what the others have come to. Between `on_train_batch_end`
    of one step and the next, nothing else changes the state: what is kept is exact to the step.

    Args:
        folder: where checkpoints go.
        interval: when they are due within an epoch.
        requests: of a user or a machine to stop, which are followed after a step.
        callbacks: those whose state belongs to it, by name.
        about: JSON values that are kept beside it.
        chief: whether this process writes; of several workers one does.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        interval: Interval,
        requests: StopRequests,
        *,
        callbacks: Mapping[str, Stateful],
        about: dict[str, Any],
        chief: bool = True,
    ) -> None:
        super().__init__()
        self.folder, self.interval, self.requests = folder, interval, requests
        self.callbacks, self.about, self.chief = callbacks, about, chief
        self.averages: Sequence[Any] = ()
        self.position = Position()
        self.ended = False
        self._steps_per_epoch, self._steps = 0, 0
        self._saved = (0, time.monotonic())
        self._metrics: Mapping[str, Any] = {}
        self._offset = 0
        # The state before the last step of an epoch, while there is a validation to come.
        self._before_last: Checkpoint | None = None

    def begin(self, position: Position, *, steps_per_epoch: int, steps: int) -> None:
        """Say where the `fit` that comes next begins, how many batches its epochs have, and all of them together."""
        self.position, self._steps_per_epoch, self._steps = position, steps_per_epoch, steps
        self._saved = (position.step, time.monotonic())

    def resume(self, model: keras.Model, checkpoint: Checkpoint) -> Position:
        """Put a checkpoint's state into a compiled model and the callbacks; return where it was taken.

        Raises:
            EfficientNetError: it belongs to another network.
        """
        restore(parts_of(model, self.averages), checkpoint.arrays)
        for name, callback in self.callbacks.items():
            callback.set_state(checkpoint.state["callbacks"][name])
        self.position = Position(**checkpoint.state["position"])
        self.ended = bool(checkpoint.state["ended"])
        self._metrics = {name: array for name, array in checkpoint.arrays.items() if name.startswith("metric/")}
        return self.position

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Go on with the sums of an epoch that was interrupted."""
        interrupted = epoch == self.position.epoch and self.position.batch > 0
        self._offset = self.position.batch if interrupted else 0
        if interrupted and self._metrics:
            build_metrics(self.model)
            restore(metric_variables(self.model), self._metrics)
        self._metrics = {}
        self.position = Position(self.position.step, epoch, self._offset)
        self._keep_before_last()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count, and keep the state if it is due."""
        step = steps_done(self.model)
        self.position = Position(step, self.position.epoch, self._offset + batch + 1)
        # After an epoch's last step, what an interrupted validation leaves is the state before it.
        if self._left() <= 0:
            return
        if self.requests.asked:
            self._stop(self._checkpoint())
        if self.interval.due(step, *self._saved):
            self._save(self._checkpoint())
        self._keep_before_last()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stop a validation if that is wanted: the state is that before the epoch's last step."""
        if self.requests.asked:
            self._stop(self._before_last)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the state after an epoch."""
        self._before_last = None
        self.position = Position(steps_done(self.model), epoch + 1, 0)
        self.ended = bool(self.model.stop_training) or epoch + 1 >= self.about["epochs"]
        best = any(getattr(callback, "better", False) for callback in self.callbacks.values())
        self._save(self._checkpoint(), best=best)
        if self.requests.asked and not self.ended:
            self._stop(None)

    def save_first(self) -> None:
        """Keep the state before the first step."""
        self._save(self._checkpoint())

    def _keep_before_last(self) -> None:
        if self.chief and 0 < self._left() <= self.model.steps_per_execution:
            self._before_last = self._checkpoint()

    def _left(self) -> int:
        """Return how many steps come before the next validation."""
        return min(self._steps_per_epoch - self.position.batch, self._steps - self.position.step)

    def _checkpoint(self) -> Checkpoint:
        """Return the state as it is."""
        parts = parts_of(self.model, self.averages)
        if self.position.batch:
            parts |= metric_variables(self.model)
        state = {
            "position": dataclasses.asdict(self.position),
            "ended": self.ended,
            "callbacks": {name: callback.state() for name, callback in self.callbacks.items()},
            "about": dict(self.about),
        }
        return Checkpoint(snapshot(parts), state)

    def _save(self, checkpoint: Checkpoint, *, best: bool = False) -> None:
        if not all(np.isfinite(array).all() for name, array in checkpoint.arrays.items() if name.startswith("model/")):
            # Nothing could go on from it, and it would take the place of what can.
            raise Diverged(f"Training diverged: weights were no numbers after step {self.position.step}.")
        if self.chief:
            self.folder.save(int(checkpoint.state["position"]["step"]), checkpoint, best=best)
        self._saved = (self.position.step, time.monotonic())

    def _stop(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is not None:
            self._save(checkpoint)
        try:
            self.folder.wait()
        except EfficientNetError as error:
            print(f"\n{error}", file=sys.stderr)
        self.requests.obey()
