"""Whether XLA compiles the whole training step."""

from __future__ import annotations

import statistics
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from efficientnet_tf.training import distribution
from efficientnet_tf.training.state.variables import build_metrics, metric_variables, parts_of, restore, snapshot
from efficientnet_tf.training.timing import TimeSteps

#: Steps of which the median is taken, after one that compiles.
STEPS = 5


def choose_compilation(
    jit: str,
    model: keras.Model,
    batch_size: int,
    *,
    strategy: tf.distribute.Strategy | None,
    synchronised: bool,
    before: bool | None = None,
) -> bool:
    """Return whether XLA should compile a model's whole training step.

    `auto` says no on processors, where XLA's convolutions are many times slower than TensorFlow's own, and yes on
    TPUs, which know nothing else. On GPUs a few steps are timed both ways, on made-up pictures; the model is left as
    it was. Several workers, each of which would find times of its own, do without.

    Args:
        jit: `on`, `off` or `auto`.
        model: compiled, with a built optimizer.
        batch_size: of a step on all devices.
        strategy: what it is trained under; None for one device.
        synchronised: whether devices share the statistics of each batch, which XLA cannot do inside of a step.
        before: what was found when this training began, which it keeps to: the other way rounds otherwise.
    """
    if jit != "auto":
        return jit == "on"
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return True
    exchanges = synchronised and distribution.replicas(strategy) > 1
    if not _has_gpu() or exchanges or distribution.worker_shard(strategy) is not None:
        return False
    if before is not None:
        return before
    try:
        seconds = step_seconds(model, batch_size, strategy=strategy)
    except (tf.errors.OpError, NotImplementedError) as error:
        print(f"Steps could not be timed, so XLA stays off: {' '.join(str(error).split())[:200]}")
        return False
    faster = seconds[True] < seconds[False]
    print(
        f"A training step takes {1000 * seconds[True]:.0f} ms compiled by XLA and {1000 * seconds[False]:.0f} ms "
        f"otherwise: --jit={'on' if faster else 'off'}."
    )
    return faster


def step_seconds(model: keras.Model, batch_size: int, *, strategy: tf.distribute.Strategy | None) -> dict[bool, float]:
    """Return the median time of a training step with XLA and without, and leave the model as it was.

    Args:
        model: compiled, with a built optimizer.
        batch_size: of a step on all devices.
        strategy: what it is trained under.
    """
    before = model.jit_compile
    build_metrics(model)
    parts = {**parts_of(model, ()), **metric_variables(model)}
    kept = snapshot(parts)
    found = {}
    try:
        for jit in (False, True):
            model.jit_compile = jit
            model.make_train_function(force=True)
            found[jit] = _median_step(model, _batches(model, batch_size, strategy))
            restore(parts, kept)
    finally:
        model.jit_compile = before
        model.make_train_function(force=True)
        restore(parts, kept)
    return found


def _median_step(model: keras.Model, batches: Any) -> float:
    timer = TimeSteps()
    model.fit(batches, verbose=0, shuffle=False, callbacks=[timer])
    return statistics.median(timer.seconds[1:])


def _batches(model: keras.Model, batch_size: int, strategy: tf.distribute.Strategy | None) -> Any:
    """Return batches of made-up pictures, one that compiles the step and those that are timed."""
    draw = np.random.default_rng(0)
    sides = [side or 224 for side in model.input_shape[1:3]]
    classes = int(model.output_shape[-1])

    def make(_: Any, size: int) -> tf.data.Dataset:
        images = draw.integers(0, 256, (size, *sides, model.input_shape[3]), dtype=np.uint8)
        labels = keras.utils.to_categorical(draw.integers(0, classes, size), classes)
        steps = (1 + STEPS) * model.steps_per_execution
        return tf.data.Dataset.from_tensors((images, labels)).repeat(steps)

    return distribution.distributed_batches(strategy, make, batch_size)


def _has_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))
