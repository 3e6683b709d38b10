"""What of a recipe for large batches is to change with a small one, besides the learning rate."""

from __future__ import annotations

import math

#: Beyond this decay float32 loses what a moving average is to take in: a value that differs by less than about 0.6 % of
#: a weight changes it by less than half of its last digit.
MAX_DECAY = 0.99999


def scaled_decay(decay: float, factor: float) -> float:
    """Return the decay of a moving average that remembers as many photographs with another batch size.

    The rule is that of Busbridge et al. (2023), "How to Scale Your EMA": of batches that are `factor` times as large,
    each counts for `factor` of the recipe's. It belongs together with a learning rate that is scaled by the same
    factor. The first steps are the moving average's own to limit.

    Args:
        decay: the recipe's, at least 0 and below 1.
        factor: the batch size, divided by the one that the recipe is for.

    Returns:
        At most `MAX_DECAY`, or `decay` if that is larger.

    >>> [round(scaled_decay(0.9999, batch / 4096), 7) for batch in (8192, 4096, 1024, 256)]
    [0.9998, 0.9999, 0.999975, 0.99999]
    """
    return min(math.pow(decay, factor), max(decay, MAX_DECAY))
