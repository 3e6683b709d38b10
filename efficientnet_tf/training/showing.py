"""What a person sees while training runs."""

from __future__ import annotations

import sys
import time
from typing import Any

import keras

from efficientnet_tf.training.phases import learning_rate_at, steps_done

# Figures are fetched from the device for them, so not at every step.
_SECONDS_BETWEEN_LINES = 0.2


class ShowProgress(keras.callbacks.Callback):
    """Print how an epoch goes on, with pictures per second and the time that is left, and a line for each epoch.

    Where nobody watches, as in a log, there are only the lines of epochs.

    Args:
        batch_size: pictures of a step, over all devices.
        steps_per_epoch: steps of a whole epoch.
        steps: steps of the whole training.
        first_batch: where the first epoch goes on, if it was interrupted.
        watched: whether a person watches; by default whether the output is a terminal.
    """

    def __init__(
        self, *, batch_size: int, steps_per_epoch: int, steps: int, first_batch: int = 0, watched: bool | None = None
    ) -> None:
        super().__init__()
        self._batch_size, self._steps_per_epoch, self._steps = batch_size, steps_per_epoch, steps
        self._offset = first_batch
        self._watched = sys.stdout.isatty() if watched is None else watched
        self._epochs = -(-steps // steps_per_epoch)
        self._epoch, self._done = 0, 0
        self._shown = self._epoch_began = self._epoch_trained = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock of an epoch."""
        self._epoch, self._done = epoch, 0
        self._epoch_began = self._epoch_trained = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Renew the line of the epoch."""
        self._done = batch + 1
        self._epoch_trained = time.monotonic()
        if not self._watched or self._epoch_trained - self._shown < _SECONDS_BETWEEN_LINES:
            return
        self._shown = self._epoch_trained
        at = min(self._offset + self._done, self._steps_per_epoch)
        left = (min(self._steps_per_epoch, at + self._steps - steps_done(self.model)) - at) / self._pace()
        self._write(
            f"Epoch {self._epoch + 1}/{self._epochs}  {at}/{self._steps_per_epoch}  {_figures(logs)}  "
            f"{self._rate()}  {duration(left)} left"
        )

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Say that the epoch is being validated."""
        if self._watched:
            self._write(f"Epoch {self._epoch + 1}/{self._epochs}  validating")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print the line of the epoch."""
        now, done = time.monotonic(), steps_done(self.model)
        epochs_left = (self._steps - done) / self._steps_per_epoch
        seconds = (now - self._epoch_began) * self._steps_per_epoch / max(1, self._done)
        rest = f"  about {duration(epochs_left * seconds)} left" if epoch + 1 < self._epochs else ""
        self._write(
            f"Epoch {epoch + 1}/{self._epochs}  {_figures(logs)}  rate {learning_rate_at(self.model, done - 1):.3g}  "
            f"{self._rate()}  {duration(now - self._epoch_began)}{rest}"
        )
        print(flush=True)
        self._offset = 0

    def _pace(self) -> float:
        return self._done / max(1e-9, self._epoch_trained - self._epoch_began)

    def _rate(self) -> str:
        return f"{self._pace() * self._batch_size:.3g} images/s" if self._done else "no step"

    def _write(self, line: str) -> None:
        # Over the line before, and what it had more than this one.
        print(f"\r{line}\033[K" if self._watched else line, end="", flush=self._watched)


def _figures(logs: dict[str, Any] | None) -> str:
    return "  ".join(f"{name} {float(value):.4f}" for name, value in (logs or {}).items())


def duration(seconds: float) -> str:
    """Return a length of time as people say it.

    >>> duration(7.4), duration(190), duration(7500), duration(200_000)
    ('7 s', '3 min', '2 h 5 min', '2 d 7 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
