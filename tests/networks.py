"""Networks for tests."""

from __future__ import annotations

import keras
import numpy as np


def randomise(model: keras.Model, seed: int) -> keras.Model:
    """Give biases and the statistics and scales of batch normalisation values that a mistake would show."""
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        name = variable.path.rsplit("/", 1)[-1]
        if name in ("gamma", "moving_variance"):
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
        elif name in ("beta", "moving_mean", "bias"):
            variable.assign(generator.normal(0, 0.2, variable.shape))
    return model
