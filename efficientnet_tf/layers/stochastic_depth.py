"""Stochastic depth (Huang et al., 2016), as the official code applies it: per example, in front of the skip."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from efficientnet_tf.errors import UsageError


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class StochasticDepth(keras.layers.Layer):
    """Drop whole examples of a residual branch in training, and scale the others up.

    Each example is kept with `survival_probability` and then divided by it, so that the expected
    output is the input; otherwise it is zero, and only the skip is left. Nothing happens at inference.
    Official source: `drop_connect` in efficientnet/utils.py.

    Args:
        survival_probability: chance in (0, 1] that an example is kept.
        seed: integer for reproducible masks.

    Input and output: a float tensor [N, ...], of equal shape.

    Raises:
        UsageError: `survival_probability` is not in (0, 1].

    >>> import numpy as np
    >>> kept = StochasticDepth(0.5, seed=1)(np.ones((64, 1, 1, 1), "float32"), training=True)
    >>> sorted(set(np.array(kept).ravel().tolist()))
    [0.0, 2.0]
    """

    def __init__(self, survival_probability: float, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0.0 < survival_probability <= 1.0:
            raise UsageError(f"survival_probability must be in (0, 1], got {survival_probability}.")
        self.survival_probability = survival_probability
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the inputs, some examples of them zeroed when training."""
        if not training or self.survival_probability == 1.0:
            return inputs
        shape = (ops.shape(inputs)[0],) + (1,) * (len(inputs.shape) - 1)
        # In float32 whatever the policy: bfloat16 has too few steps between 0 and 1 for a fair draw.
        draw = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        kept = ops.cast(draw < self.survival_probability, inputs.dtype)
        return inputs * kept / ops.cast(self.survival_probability, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for `from_config`."""
        return {**super().get_config(), "survival_probability": self.survival_probability, "seed": self.seed}
