"""The precision that a network is built and trained in."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import keras
import tensorflow as tf

from efficientnet_tf.errors import unknown_name

#: Names of precisions, and Keras' policy for each; under all of them weights are float32.
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Build and train in float32, bfloat16 or float16 arithmetic, and restore what was set before.

    Models built under float16 are compiled with loss scaling by Keras itself. On a machine without a GPU float16
    is logged as a warning, for processors compute it slower than float32 and no better than bfloat16.

    Raises:
        UsageError: no such precision.

    >>> with precision("bfloat16"):
    ...     keras.layers.Dense(1).compute_dtype
    'bfloat16'
    """
    if name not in POLICIES:
        raise unknown_name("precision", name, POLICIES)
    if name == "float16" and not tf.config.list_physical_devices("GPU"):
        _log.warning("float16 is made for GPUs, and there is none: bfloat16 or float32 will be faster here.")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[name])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
