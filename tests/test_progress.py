"""Levels that rise as training goes on."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from efficientnet_tf.augment import augmenter
from efficientnet_tf.data.pipeline import load_data
from efficientnet_tf.training import FollowProgress, callbacks


class MeanOfPredictions(keras.metrics.Mean):
    def update_state(self, labels: tf.Tensor, predictions: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        super().update_state(predictions)


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize(("epochs", "levels"), [(3, [5.0, 10.0, 15.0]), (1, [15.0])])
def test_every_epoch_sees_its_own_level(epochs: int, levels: list[float]) -> None:
    """A data set that yields the level itself, prefetched as those of training are."""
    f = augmenter("randaugment:start=5,m=15")
    assert f.follows_progress
    (step,) = f.steps

    def level(_: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        value = tf.cast(step._level(tf.constant([1, 2], tf.int64)), tf.float32)
        return tf.reshape(value, [1]), tf.zeros([1])

    data = tf.data.Dataset.range(20).map(level, tf.data.AUTOTUNE).batch(4).prefetch(tf.data.AUTOTUNE)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    model.compile(optimizer="sgd", loss="mse", metrics=[MeanOfPredictions(name="level")])
    history = model.fit(data, epochs=epochs, callbacks=[FollowProgress(f)], shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["level"], levels)


def test_a_resumed_training_goes_on_at_its_level() -> None:
    f = augmenter("randaugment:start=0,m=8")
    callback = FollowProgress(f)
    callback.set_params({"epochs": 5})
    callback.on_epoch_begin(3)
    assert float(f.steps[0].progress) == 0.75


def test_others_follow_nothing() -> None:
    f = augmenter("randaugment:m=8+erasing")
    assert not f.follows_progress
    f.set_progress(0.5)


def test_a_level_given_as_a_text_rises_in_a_fit_of_ones_own(tmp_path: Path) -> None:
    data = load_data("sample", image_size=32, batch_size=8, augment="randaugment:start=5,m=15")
    followers = [one for one in callbacks(tmp_path / "run", data=data) if isinstance(one, FollowProgress)]
    assert [one._augmenter for one in followers] == [data.augmenter]
    plain = load_data("sample", image_size=32, batch_size=8, augment="randaugment:m=15")
    assert not any(isinstance(one, FollowProgress) for one in callbacks(tmp_path / "other", data=plain))
