"""Any number of pictures through a network that takes a fixed number at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def in_batches(run: Callable[[Array], dict[str, Array]], inputs: Array, size: int | None) -> dict[str, Array]:
    """Return the answers for all inputs; the last batch is filled up with repeats, whose answers are cut off.

    Args:
        run: from so many inputs to answers by their names, [size, ...] each.
        inputs: [N, ...]; for none at all zeros are sent, whose answers tell the shapes.
        size: how many at a time; None for all at once.

    Returns:
        The answers by their names, [N, ...] each.

    >>> in_batches(lambda numbers: {"double": 2 * numbers}, np.arange(5), 3)
    {'double': array([0, 2, 4, 6, 8])}
    """
    # TensorFlow's fused convolutions lose the shape of a map without pictures.
    size = size or max(len(inputs), 1)
    if len(inputs) == size:
        return run(inputs)
    parts = [run(_filled(inputs[start : start + size], size)) for start in range(0, max(len(inputs), 1), size)]
    return {name: np.concatenate([part[name] for part in parts])[: len(inputs)] for name in parts[0]}


def _filled(inputs: Array, size: int) -> Array:
    if not len(inputs):
        return np.zeros((size, *inputs.shape[1:]), inputs.dtype)
    return np.concatenate([inputs, np.repeat(inputs[-1:], size - len(inputs), axis=0)])
