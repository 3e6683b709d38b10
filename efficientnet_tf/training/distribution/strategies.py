"""Which devices a run uses, and what follows from their number."""

from __future__ import annotations

import contextlib
import sys

import tensorflow as tf

from efficientnet_tf.data.sharding import Shard
from efficientnet_tf.errors import EfficientNetError, UsageError, unknown_name
from efficientnet_tf.training.distribution.clusters import count_workers, resolve_cluster
from efficientnet_tf.training.distribution.tpus import tpu_strategy

STRATEGIES = ("auto", "single", "mirrored", "multiworker", "tpu")


def make_strategy(name: str, tpu: str | None = None) -> tf.distribute.Strategy | None:
    """Return the strategy to train under, or None for a single device.

    Several workers must be joined before TensorFlow has computed anything in the process, so call this first.

    Args:
        name: `auto` takes the TPU where one is named, all workers where TF_CONFIG or Slurm names several, and all
            GPUs where there are several; `single`; `mirrored` takes all GPUs, or all logical CPU devices without a
            GPU; `multiworker`, all workers of TF_CONFIG or of the Slurm step; `tpu`.
        tpu: name or address of a TPU, or `local`.

    Raises:
        UsageError: no such strategy, or TF_CONFIG cannot be used.
        EfficientNetError: the TPU or the workers cannot be reached.

    >>> make_strategy("single") is None
    True
    """
    if name not in STRATEGIES:
        raise unknown_name("strategy", name, STRATEGIES)
    if name == "tpu" or (name == "auto" and tpu):
        return tpu_strategy(tpu)
    # Before devices are listed: that would start TensorFlow, and workers can then no longer be joined.
    if name == "multiworker" or (name == "auto" and count_workers() > 1):
        return _join_workers()
    gpus = [] if name == "single" else tf.config.list_logical_devices("GPU")
    if name == "mirrored" or len(gpus) > 1:
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return None


def _join_workers() -> tf.distribute.Strategy:
    resolver = resolve_cluster()
    addresses = [address for job in resolver.cluster_spec().as_dict().values() for address in job]
    print(f"Joining {len(addresses)} workers as {resolver.task_type} {resolver.task_id} ...", file=sys.stderr)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise EfficientNetError(f"The workers {', '.join(addresses)} cannot be joined: {reason}.") from error


def scope(strategy: tf.distribute.Strategy | None) -> contextlib.AbstractContextManager[object]:
    """Return the context in which variables are made."""
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def replicas(strategy: tf.distribute.Strategy | None) -> int:
    """Return how many devices, on all workers together, share a batch.

    >>> replicas(None)
    1
    """
    return 1 if strategy is None else int(strategy.num_replicas_in_sync)


def is_chief(strategy: tf.distribute.Strategy | None) -> bool:
    """Return whether this process writes files and talks: of several workers the first alone does.

    >>> is_chief(None)
    True
    """
    shard = worker_shard(strategy)
    return shard is None or shard.index == 0


def worker_shard(strategy: tf.distribute.Strategy | None) -> Shard | None:
    """Return which part of the data this worker reads, or None where one process reads all of it."""
    resolver = None if strategy is None else strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy) or resolver is None:
        return None
    jobs = resolver.cluster_spec().as_dict()
    count = sum(map(len, jobs.values()))
    if count <= 1:
        return None
    # A job `chief` has one task, which comes before those of `worker`.
    before = 0 if resolver.task_type == "chief" else len(jobs.get("chief", ()))
    return Shard(before + int(resolver.task_id), count)


def check_batch_size(batch_size: int, strategy: tf.distribute.Strategy | None, *, accumulation: int = 1) -> int:
    """Return how many examples of a batch each device has.

    Args:
        batch_size: examples of one step on all devices.
        strategy: what divides them.
        accumulation: the parts into which each device divides its own.

    Raises:
        UsageError: devices or parts would have unequal or no examples.

    >>> check_batch_size(32, None, accumulation=4)
    32
    """
    devices = replicas(strategy)
    if batch_size % devices:
        above = (batch_size // devices + 1) * devices
        allowed = f"{above - devices} or {above}" if above > devices else f"{above}"
        raise UsageError(f"batch_size must be a multiple of the {devices} devices, got {batch_size}; use {allowed}.")
    share = batch_size // devices
    if accumulation > share:
        raise UsageError(
            f"accumulation must be at most the {share} examples of each device's batch, got {accumulation}."
        )
    return share
