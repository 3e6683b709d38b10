"""Devices: which strategy a run uses, and how a TPU is reached."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from efficientnet_tf.errors import EfficientNetError

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def make_strategy(name: str, tpu: str | None = None) -> tf.distribute.Strategy | None:
    """Return the strategy to train under, or None for a single device.

    Args:
        name: `auto` takes the TPU where one is named and all GPUs where there are several;
            `single`; `mirrored` takes all GPUs, or all logical CPU devices without a GPU; `tpu`.
        tpu: name or address of a TPU, or `local`.

    Raises:
        EfficientNetError: the TPU cannot be reached.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "auto":
        name = "tpu" if tpu else "mirrored" if len(gpus) > 1 else "single"
    if name == "tpu":
        return tpu_strategy(tpu)
    if name == "mirrored":
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return None


def tpu_strategy(tpu: str | None) -> tf.distribute.Strategy:
    """Connect to a TPU, start it, and return its strategy."""
    local = tpu in (None, "", "local")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver("local" if local else tpu)
        if not local:  # a TPU VM's own chips need no connection
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise EfficientNetError(
            f"The TPU {tpu or 'local'!r} cannot be reached: {reason}. "
            "It needs pip install 'efficientnet_tf[tpu]' and a name, an address, or local on a TPU VM."
        ) from error


def scope(strategy: tf.distribute.Strategy | None) -> contextlib.AbstractContextManager[object]:
    """Return the context in which variables are made."""
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def replicas(strategy: tf.distribute.Strategy | None) -> int:
    """Return how many devices share a batch."""
    return 1 if strategy is None else int(strategy.num_replicas_in_sync)


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Build and train in float32, bfloat16 or float16 arithmetic, and restore what was set before."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[name])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
