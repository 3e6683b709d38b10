"""The variables of a training as arrays, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from efficientnet_tf.errors import EfficientNetError

Array = np.ndarray[Any, Any]
Parts = Mapping[str, Sequence[Any]]


@dataclasses.dataclass(frozen=True)
class Position:
    """How far a training has come.

    Attributes:
        step: optimizer steps done.
        epoch: the epoch that comes next, or is under way, from 0.
        batch: batches of it done.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0


def parts_of(model: keras.Model, averages: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """Return the variables that a training consists of, by what they belong to.

    The states of random generators (dropout, stochastic depth) are among the model's own.
    """
    return {"model": model.variables, "optimizer": model.optimizer.variables, "average": averages}


def metric_variables(model: keras.Model) -> dict[str, Sequence[Any]]:
    """Return the variables in which the figures of an epoch add up."""
    return {"metric": [variable for metric in model.metrics for variable in metric.variables]}


def build_metrics(model: keras.Model) -> None:
    """Make the variables of the metrics, which Keras does only in the first step."""
    for metric in model.metrics:
        if not getattr(metric, "built", True):
            blank = tf.zeros((1, int(model.output_shape[-1])))
            metric.build(blank, blank)


def snapshot(parts: Parts) -> dict[str, Array]:
    """Return copies of the variables' values, by names that are the same in every process.

    Under a strategy, statistics of batch normalisation may differ between the devices, and figures are shares that add
    up; then all of them are kept, of several workers those of this one. Nothing is exchanged with other workers.
    """
    arrays = {}
    for part, variables in parts.items():
        for number, variable in enumerate(variables):
            values = [np.array(value) for value in _values(variable)]
            differ = any(not np.array_equal(values[0], value, equal_nan=True) for value in values[1:])
            if differ or (len(values) > 1 and _adds_up(variable)):
                arrays.update({f"{part}/{number:05}@{device:03}": value for device, value in enumerate(values)})
            else:
                arrays[f"{part}/{number:05}"] = values[0]
    return arrays


def restore(parts: Parts, arrays: Mapping[str, Array]) -> None:
    """Put back what `snapshot` returned, also on another number of devices than it was taken from.

    Values that differed between devices go back to each of as many devices. On another number of them the mean goes to
    all, and of shares that add up the sum to the first.

    Raises:
        EfficientNetError: the values belong to other variables; nothing has been changed then.
    """
    kept = _by_variable(arrays)
    plan = []
    for part, variables in parts.items():
        for number, variable in enumerate(variables):
            name = f"{part}/{number:05}"
            shape = tuple(variable.shape)
            values = kept.pop(name, [])
            if not values or any(value.shape != shape for value in values):
                found = f"the shape {values[0].shape}" if values else "nothing"
                raise EfficientNetError(
                    f"The checkpoint does not fit: {getattr(variable, 'path', name)} has the shape {shape}, and the "
                    f"checkpoint has {found} for it."
                )
            plan.append((variable, values))
    strangers = [name for name in kept if name.split("/")[0] in parts]
    if strangers:
        raise EfficientNetError(
            f"The checkpoint does not fit: it has {len(strangers)} variables more than the network."
        )
    for variable, values in plan:
        _assign(variable, values)


def _by_variable(arrays: Mapping[str, Array]) -> dict[str, list[Array]]:
    """Return the values of each variable: one, or one for each device, in their order."""
    kept: dict[str, list[Array]] = {}
    for name in sorted(arrays):
        kept.setdefault(name.split("@")[0], []).append(arrays[name])
    return kept


def _tensor(variable: Any) -> Any:
    """Return TensorFlow's variable inside Keras' one."""
    return getattr(variable, "value", variable) if isinstance(variable, keras.Variable) else variable


def _devices(variable: Any) -> list[Any]:
    """Return TensorFlow's variable on each device of this process."""
    inner = _tensor(variable)
    return list(inner.values) if isinstance(inner, tf.distribute.DistributedValues) else [inner]


def _values(variable: Any) -> list[Any]:
    """Return a variable's value on each device of this process; none is added up, which takes all workers."""
    return [
        device.numpy() if hasattr(device, "numpy") else tf.convert_to_tensor(device).numpy()
        for device in _devices(variable)
    ]


def _assign(variable: Any, values: list[Array]) -> None:
    devices = _devices(variable)
    if len(values) != len(devices) and _adds_up(variable):
        total = np.sum(values, axis=0, dtype=values[0].dtype)
        values = [total, *(np.zeros_like(total) for _ in devices[1:])]
    elif len(values) > 1 and len(values) != len(devices):
        values = [np.mean(values, axis=0, dtype=np.float64).astype(values[0].dtype)]
    for number, device in enumerate(devices):
        device.assign(values[number % len(values)])


def _adds_up(variable: Any) -> bool:
    """Return whether the devices' values are shares of one value, as those of metrics are."""
    return getattr(_tensor(variable), "aggregation", None) == tf.VariableAggregation.SUM
