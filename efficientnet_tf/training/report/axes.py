"""Axes of charts: their range, and the values that are marked on them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

#: An axis is logarithmic where the largest value is so many times the median.
SKEWED = 10
#: On a logarithmic axis, the part of the median below which values stand at its bottom.
SHOWN = 1000


@dataclasses.dataclass(frozen=True)
class Axis:
    """How values become heights.

    Attributes:
        low: the value at the bottom.
        high: the value at the top.
        ticks: values that are marked.
        logarithmic: whether equal steps are equal factors; then `low` is above 0.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return where a value is, from 0 at the bottom to 1 at the top."""
        if self.logarithmic:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))


def axis_for(values: Sequence[float], *, limit: float | None = None) -> Axis:
    """Return an axis that shows values well: from 0 where that costs little, logarithmic where they are far apart.

    Args:
        values: at least one, all finite.
        limit: what no value can exceed, such as 1 for a share.

    >>> axis_for([0.2, 0.9]).ticks
    (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    >>> axis_for([1e-3, 1e-5, 1e-5, 1e-5]).ticks
    (1e-05, 0.0001, 0.001)
    """
    low, high, median = min(values), max(values), float(np.median(values))
    if limit is None and median > 0 and high > SKEWED * median:
        first = math.floor(math.log10(max(low, median / SHOWN)) + 1e-9)
        last = max(first + 1, math.ceil(math.log10(high) - 1e-9))
        stride = -(-(last - first) // 5)
        return Axis(10.0**first, 10.0**last, tuple(float(f"1e{n}") for n in range(first, last + 1, stride)), True)
    if 0 <= low < 0.5 * high or high <= 0:
        low = min(low, 0.0)
    spread = (high - low) or abs(high) or 1.0
    step = round_up(spread / 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    ticks = [float(f"{n * step:.12g}") for n in range(first, last + 1)]
    top = ticks[-1] if limit is None else max(min(ticks[-1], limit), high)
    return Axis(ticks[0], top, tuple(tick for tick in ticks if tick <= top))


def round_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, ... times a power of ten.

    >>> round_up(0.3), round_up(12), round_up(100)
    (0.5, 20.0, 100.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * (1 - 1e-9))


def short(value: float) -> str:
    """Return a figure with as many digits as a curve can show.

    >>> short(0.53322), short(12.34), short(3e-05)
    ('0.533', '12.3', '3e-05')
    """
    return f"{value:.3g}"
