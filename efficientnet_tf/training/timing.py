"""How long training steps take."""

from __future__ import annotations

import time
from typing import Any

import keras


class TimeSteps(keras.callbacks.Callback):
    """Keep the seconds of each step, from its beginning until its loss is known.

    Attributes:
        seconds: of each step so far.

    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> timer = TimeSteps()
    >>> history = model.fit(np.ones((4, 1)), np.ones((4, 1)), batch_size=2, verbose=0, callbacks=[timer])
    >>> len(timer.seconds)
    2
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._begin = 0.0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the clock."""
        self._begin = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Wait for the loss, and look again."""
        float((logs or {})["loss"])
        self.seconds.append(time.perf_counter() - self._begin)
