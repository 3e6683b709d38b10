"""Moments at which several workers wait for one another."""

from __future__ import annotations

import tensorflow as tf

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.training import distribution


def meet(strategy: tf.distribute.Strategy | None, value: int = 0) -> list[int]:
    """Wait until all workers are here, and return the value of each device; one process does not wait.

    >>> meet(None, 7)
    [7]
    """
    if strategy is None or distribution.worker_shard(strategy) is None:
        return [value]
    values = tf.function(lambda: strategy.run(lambda: tf.constant([value], tf.int64)))()
    return [int(number) for number in strategy.gather(values, axis=0)]


def same_step(strategy: tf.distribute.Strategy | None, step: int) -> None:
    """See that all workers begin with the same step.

    Raises:
        EfficientNetError: they do not, and so do not see the same folder.
    """
    steps = meet(strategy, step)
    if len(set(steps)) > 1:
        raise EfficientNetError(
            f"The workers would go on from the steps {', '.join(map(str, steps))}; --model_dir must be one folder that "
            "all of them see."
        )
