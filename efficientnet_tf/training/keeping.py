"""What is written while `fit` runs."""

from __future__ import annotations

import importlib.util
from typing import Any

import keras

from efficientnet_tf.run import Run
from efficientnet_tf.training.phases import set_trainable


class KeepBest(keras.callbacks.Callback):
    """Keep the newest network and the one with the lowest validation loss in a run's folder, after each epoch.

    `model.keras` is the best network alone; `checkpoints/latest.keras` and `checkpoints/best.keras` have
    the optimizer's state as well.

    Args:
        run: the folder; every file in it is whole at any moment.
        monitor: the figure to watch, lower is better; without it, the training loss.
        freeze: what the last phase leaves alone, see `set_trainable`.
    """

    def __init__(self, run: Run, monitor: str = "val_loss", *, freeze: str = "none") -> None:
        super().__init__()
        self.run = run
        self.freeze = freeze
        self.monitor = monitor
        self.best = float("inf")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save the network, and keep it apart if it is better than any before."""
        figures = logs or {}
        value = figures.get(self.monitor, figures.get("loss"))
        better = value is not None and value < self.best
        phase = [layer.trainable for layer in self.model.layers]
        # Keras gives a loaded optimizer the slots of what is trainable in the file, so the file must not
        # show the first phase, in which most is frozen.
        set_trainable(self.model, self.freeze)
        self.run.save_checkpoint(self.model, best=better)
        if better:
            self.best = float(value)
            self.run.save_model(self.model)
        for layer, trainable in zip(self.model.layers, phase, strict=True):
            layer.trainable = trainable


def tensorboard(run: Run) -> list[keras.callbacks.Callback]:
    """Return the callback that writes a run's curves for TensorBoard, or nothing where it is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        return []
    return [keras.callbacks.TensorBoard(str(run.path / "tensorboard"), write_graph=False)]
