"""How scaled widths, depths and sides of maps become whole numbers (official utils.py, efficientnet_model.py)."""

from __future__ import annotations

import math

DIVISOR = 8


def round_filters(filters: int, width: float, minimum_share: float = 0.9) -> int:
    """Return `filters * width` rounded to the nearest multiple of 8, at least 8.

    Args:
        filters: channels before scaling.
        width: coefficient; 1.0 returns `filters` as it is.
        minimum_share: the result is never below this share of `filters * width`; 0.0 for none. EfficientNetV2
            was published without that rule, the first version with 0.9; it holds for the baselines too.

    >>> round_filters(32, 1.1), round_filters(24, 1.2), round_filters(16, 1.2), round_filters(16, 1.2, 0.0)
    (32, 32, 24, 16)
    """
    if width == 1.0:
        return filters
    scaled = filters * width
    rounded = max(DIVISOR, int(scaled + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < minimum_share * scaled else rounded


def stride(size: int, strides: int) -> int:
    """Return the side of a map after a convolution with strides; both kinds of padding round up.

    >>> stride(15, 2)
    8
    """
    return math.ceil(size / strides)


def round_repeats(repeats: int, depth: float) -> int:
    """Return `repeats * depth`, rounded up.

    >>> round_repeats(3, 1.1)
    4
    """
    return math.ceil(repeats * depth)
