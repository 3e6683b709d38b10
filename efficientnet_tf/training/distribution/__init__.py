"""Training on one device, several, several workers, or a TPU.

`strategies` says which devices a run uses, `clusters` finds the workers and `tpus` the TPU; `stepping` carries out the
steps and `divided` their parts, `shares` feeds the workers, `masks` and `statistics` treat what differs from device to
device, `arithmetic` is the precision.
"""

from __future__ import annotations

from efficientnet_tf.training.distribution.arithmetic import POLICIES, precision
from efficientnet_tf.training.distribution.masks import differ_by_replica
from efficientnet_tf.training.distribution.shares import distributed_batches
from efficientnet_tf.training.distribution.statistics import AverageStatistics, average_statistics, synchronise
from efficientnet_tf.training.distribution.stepping import DistributedModel, distribute
from efficientnet_tf.training.distribution.strategies import (
    STRATEGIES,
    check_batch_size,
    is_chief,
    make_strategy,
    replicas,
    scope,
    worker_shard,
)
from efficientnet_tf.training.distribution.tpus import tpu_strategy

__all__ = [
    "POLICIES",
    "STRATEGIES",
    "AverageStatistics",
    "DistributedModel",
    "average_statistics",
    "check_batch_size",
    "differ_by_replica",
    "distribute",
    "distributed_batches",
    "is_chief",
    "make_strategy",
    "precision",
    "replicas",
    "scope",
    "synchronise",
    "tpu_strategy",
    "worker_shard",
]
