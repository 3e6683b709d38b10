"""Telling datasets and augmentations how far training has come."""

from __future__ import annotations

import keras
import tensorflow as tf

from efficientnet_tf.augment import Augmenter


class CountEpochs(keras.callbacks.Callback):
    """Tells a dataset which epoch comes, by `BatchOptions.epoch`.

    Args:
        epoch: the variable that the dataset reads.
    """

    def __init__(self, epoch: tf.Variable) -> None:
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Set the number of the epoch, whose batches are made only now."""
        self._epoch.assign(epoch)


class FollowProgress(keras.callbacks.Callback):
    """Lets the level of `randaugment:start=5,m=15` rise from epoch to epoch, from `start` in the first to `m`.

    Args:
        augmenter: whose level it is.
        epochs: of the whole training, where one `fit` is a part of it; by default those of the `fit`.

    >>> from efficientnet_tf.augment import augmenter
    >>> callback = FollowProgress(augmenter("randaugment:start=5,m=15"))
    """

    def __init__(self, augmenter: Augmenter, *, epochs: int | None = None) -> None:
        super().__init__()
        self._augmenter, self._epochs = augmenter, epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Set the level for the epoch, whose batches are made only now."""
        last = (self._epochs or self.params["epochs"]) - 1
        self._augmenter.set_progress(epoch / last if last else 1.0)
