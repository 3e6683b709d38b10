"""How a moving average is scaled to a batch size, and why not further."""

from __future__ import annotations

import numpy as np
import pytest

from efficientnet_tf.training.batch_scaling import MAX_DECAY, scaled_decay


@pytest.mark.parametrize("batch", [512, 1024, 4096, 16384])
def test_as_many_photographs_are_remembered(batch):
    decay = scaled_decay(0.9999, batch / 4096)
    # After the same 819,200 photographs the same of the old weights is left.
    assert decay ** (819_200 / batch) == pytest.approx(0.9999 ** (819_200 / 4096), rel=1e-9)


def test_bounds():
    assert scaled_decay(0.9999, 1.0) == 0.9999
    assert scaled_decay(0.9999, 1 / 4096) == MAX_DECAY
    assert scaled_decay(0.999999, 1 / 2) == 0.999999  # the recipe's own word
    assert scaled_decay(0.0, 0.5) == 0.0


def test_beyond_the_bound_float32_averages_nothing():
    """With the bound a value of 1 % above the average still moves it; with 0.9999999 it does not."""
    average, value = np.float32(1.0), np.float32(1.01)
    assert average + np.float32(1 - MAX_DECAY) * (value - average) > average
    assert average + np.float32(1e-7) * (value - average) == average
    assert average + np.float32(1 - MAX_DECAY) * (np.float32(1.005) - average) == average
