"""What is written while `fit` runs."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
from collections.abc import Callable
from typing import Any

import keras

from efficientnet_tf.errors import UsageError
from efficientnet_tf.files import atomic_write_text
from efficientnet_tf.run import Run
from efficientnet_tf.training.phases import learning_rate_at, set_trainable, steps_done

#: Within it, the model has the weights that are worth keeping: those of the moving average, if there is one.
Applied = Callable[[], contextlib.AbstractContextManager[object]]


class KeepBest(keras.callbacks.Callback):
    """Keep the network with the lowest validation loss as the run's `model.keras`, and stop when none is better.

    Args:
        run: the folder; every file in it is whole at any moment.
        monitor: the figure to watch, lower is better; without it, the training loss.
        patience: epochs without a better network after which training stops; None for never.
        applied: see `Applied`; by default the model's own weights are kept.
        writes: whether this process writes the file; of several workers one does.
        into: a model of the same weights that is written in place of the trained one, whose input is of any size.
    """

    def __init__(
        self,
        run: Run,
        monitor: str = "val_loss",
        *,
        patience: int | None = None,
        applied: Applied | None = None,
        writes: bool = True,
        into: keras.Model | None = None,
    ) -> None:
        super().__init__()
        self.writes, self.into = writes, into
        self.run = run
        self.monitor = monitor
        self.patience = patience
        self.applied = applied or contextlib.nullcontext
        self.best = float("inf")
        self.waited = 0
        self.better = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save the network if it is better than any before."""
        figures = logs or {}
        value = figures.get(self.monitor, figures.get("loss"))
        self.better = value is not None and value < self.best
        self.waited = 0 if self.better else self.waited + 1
        if self.better:
            self.best = float(value)
            if self.writes:
                self.save()
        if self.patience is not None and self.waited >= self.patience:
            self.model.stop_training = True

    def save(self) -> None:
        """Write the network as it is now."""
        with self.applied():
            if self.into is not None:
                self.into.set_weights(self.model.get_weights())
            self.run.save_model(self.into or self.model)

    def state(self) -> dict[str, Any]:
        """Return what a resumed training needs to know, as JSON values."""
        return {"best": self.best if self.best < float("inf") else None, "waited": self.waited}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        self.best = float("inf") if state["best"] is None else float(state["best"])
        self.waited = int(state["waited"])


class KeepLatest(keras.callbacks.Callback):
    """Keep the newest network with its optimizer as `checkpoints/latest.keras`, after each epoch.

    `keras.models.load_model` gives it back compiled, for another `fit`.

    Args:
        run: the folder.
        freeze: what the last phase leaves alone, see `set_trainable`.
    """

    def __init__(self, run: Run, *, freeze: str = "none") -> None:
        super().__init__()
        self.run = run
        self.freeze = freeze

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save the network."""
        phase = [layer.trainable for layer in self.model.layers]
        # Keras gives a loaded optimizer the slots of what is trainable in the file, so the file must not
        # show the first phase, in which most is frozen.
        set_trainable(self.model, self.freeze)
        self.run.save_latest(self.model)
        for layer, trainable in zip(self.model.layers, phase, strict=True):
            layer.trainable = trainable


class MetricsTable(keras.callbacks.Callback):
    """Write the figures of every epoch to the run's `metrics.csv`, the learning rate of its last step among them.

    The table is written anew after each epoch, so that it never holds half a row, and what comes before a resumed
    epoch stands in it once.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run
        self.rows: list[dict[str, Any]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add a row."""
        rate = learning_rate_at(self.model, max(0, steps_done(self.model) - 1))
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self.rows = [row for row in self.rows if row["epoch"] < epoch]
        self.rows.append({"epoch": epoch, "learning_rate": rate, **figures})
        self.write()

    def state(self) -> dict[str, Any]:
        """Return the rows."""
        return {"rows": self.rows}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take up the rows of the first part of a run; what was written after them goes."""
        self.rows = list(state["rows"])
        self.write()

    def write(self) -> None:
        """Write all rows."""
        if not self.rows:
            self.run.history_file.unlink(missing_ok=True)
            return
        names = dict.fromkeys(name for row in self.rows for name in row)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        atomic_write_text(self.run.history_file, text.getvalue())


def tensorboard(run: Run, *, profile: bool = False) -> list[keras.callbacks.Callback]:
    """Return the callback that writes a run's curves for TensorBoard, or nothing where it is not installed.

    Args:
        run: in whose folder the curves are.
        profile: whether to trace steps 10 to 20 of this process as well.

    Raises:
        UsageError: a trace is wanted, and TensorBoard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        if profile:
            raise UsageError("--profile needs TensorBoard: pip install 'efficientnet_tf[tensorboard]'.")
        return []
    steps: Any = (10, 20) if profile else 0
    return [keras.callbacks.TensorBoard(str(run.path / "tensorboard"), write_graph=False, profile_batch=steps)]
