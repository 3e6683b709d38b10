"""Which formulation of a layer runs where."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_enabled = True


@contextlib.contextmanager
def plain_formulation() -> Iterator[None]:
    """Trace what follows with Keras' own operations, whatever the device.

    >>> with plain_formulation():
    ...     compiled_here(tf.zeros([1, 2, 2, 3]))
    False
    """
    global _enabled
    before, _enabled = _enabled, False
    try:
        yield
    finally:
        _enabled = before


def compiled_here(x: Any) -> bool:
    """Return whether a map goes through the compiled functions of `kernels`.

    It does in graphs, on a machine with processors alone, as float32, and where its height and width are known.
    Elsewhere Keras' own operations are as good: on TPUs, and on GPUs by default, XLA compiles the whole step and does
    for itself what the compiled functions do by hand. Eagerly each new shape would cost a compilation.
    """
    if not _enabled or tf.executing_eagerly() or not tf.is_tensor(x) or x.dtype != tf.float32:
        return False
    if len(x.shape) != 4 or None in x.shape[1:] or 0 in x.shape:
        return False
    # Those of connected workers, too; XLA lists some of its own.
    kinds = {device.device_type for device in tf.config.list_logical_devices()}
    return {kind for kind in kinds if not kind.startswith("XLA_")} == {"CPU"}
