"""What each worker is fed: its part of the data, in the batches that one process would have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from efficientnet_tf.data.sharding import Shard
from efficientnet_tf.training.distribution.strategies import check_batch_size, worker_shard

#: From the part of the data, None for all of it, and the number of examples in a batch, to batches.
Make = Callable[[Shard | None, int], tf.data.Dataset]


def distributed_batches(strategy: tf.distribute.Strategy | None, make: Make, batch_size: int) -> Any:
    """Return batches for `fit` and `evaluate` under any strategy, which end after one pass.

    In one process this is `make(None, batch_size)`, which Keras divides among the devices. Of several workers, each
    makes its own part with its part of the batch size; together they have, step by step, the examples of the one
    process' batches. All must have as many batches: give `drop_remainder` in training and `pad_remainder` in
    evaluation.

    Args:
        strategy: to train under.
        make: makes the batches.
        batch_size: examples of one step on all devices.

    Raises:
        UsageError: the devices would have unequal parts of a batch.

    >>> batches = distributed_batches(None, lambda shard, size: tf.data.Dataset.range(6).batch(size), 3)
    >>> [batch.numpy().tolist() for batch in batches]
    [[0, 1, 2], [3, 4, 5]]
    """
    per_device = check_batch_size(batch_size, strategy)
    shard = worker_shard(strategy)
    if strategy is None or shard is None:
        return make(None, batch_size)
    own = make(shard, batch_size // shard.count)

    def for_devices(_: tf.distribute.InputContext) -> tf.data.Dataset:
        # Every local device takes the next batch of this.
        batches = own if per_device * shard.count == batch_size else own.rebatch(per_device)
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return batches.with_options(options)

    distributed = strategy.distribute_datasets_from_function(for_devices)
    # Private names of TensorFlow: it counts the batches of single devices, where Keras counts steps; and as some worker
    # might have fewer batches, it forgets their size.
    distributed._cardinality = int(own.cardinality())
    if all(spec.shape.is_fully_defined() for spec in tf.nest.flatten(own.element_spec)):
        distributed._enable_get_next_as_optional = False
    distributed.damage = getattr(own, "damage", None)
    return distributed
