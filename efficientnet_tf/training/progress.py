"""Telling an augmentation how far training has come."""

from __future__ import annotations

import keras

from efficientnet_tf.augment import Augmenter


class FollowProgress(keras.callbacks.Callback):
    """Lets the level of `randaugment:start=5,m=15` rise from epoch to epoch, from `start` in the first to `m`.

    >>> from efficientnet_tf.augment import augmenter
    >>> callback = FollowProgress(augmenter("randaugment:start=5,m=15"))
    """

    def __init__(self, augmenter: Augmenter) -> None:
        super().__init__()
        self._augmenter = augmenter

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Set the level for the epoch, whose batches are made only now."""
        last = self.params["epochs"] - 1
        self._augmenter.set_progress(epoch / last if last else 1.0)
