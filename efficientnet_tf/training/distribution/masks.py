"""Dropout and stochastic depth that differ from device to device."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

# Odd, so that the devices' seeds differ whatever their number; 2**32 divided by the golden ratio spreads them.
_APART = 0x9E3779B1 - 2**32


def differ_by_replica(model: keras.Model) -> keras.Model:
    """Let the random layers of a model draw other masks on each device, and return the model.

    Under a strategy every device begins with the same seeds, so that the first example of each has the same mask, and
    so have the second ones. After this call the seed of a draw depends on the device too. The first device, and a
    single one, draw what they would have drawn. The states of the seeds stay equal on all devices, so that
    checkpoints need to hold them once.

    Call it before `fit`; a second call changes nothing.

    >>> layer = keras.layers.Dropout(0.5, seed=1)
    >>> before = keras.layers.Dropout(0.5, seed=1)(tf.ones((1, 64)), training=True)
    >>> differ_by_replica(keras.Sequential([keras.Input((64,)), layer])).layers == [layer]
    True
    >>> bool(tf.reduce_all(layer(tf.ones((1, 64)), training=True) == before))
    True
    """
    for layer in _flat(model):
        for generator in vars(layer).values():
            if isinstance(generator, keras.random.SeedGenerator) and "next" not in vars(generator):
                generator.next = functools.partial(_next_of_replica, generator.next)
    return model


def _next_of_replica(draw: Callable[..., tf.Tensor], ordered: bool = True) -> tf.Tensor:
    """Return the next seed, int32 or uint32 [2], moved apart by the number of the device that asks."""
    seed = draw(ordered=ordered)
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return seed
    number = tf.cast(context.replica_id_in_sync_group, tf.int32)
    return seed + tf.cast(tf.stack([number * _APART, 0]), seed.dtype)


def _flat(layer: Any) -> list[Any]:
    """Return a layer and all that are in it."""
    return [layer, *(inner for own in getattr(layer, "layers", ()) for inner in _flat(own))]
