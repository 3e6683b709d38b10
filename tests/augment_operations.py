"""The operations under test by name, in every way that they can be called, and how their answers are compared."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from augment_models import ARGUMENTS

from efficientnet_tf.augment import ops

Array = np.ndarray[Any, Any]
Argument = tuple[float, ...]
Case = tuple[str, Argument]  # the name of a picture, and the argument or none

UNKNOWN = (None, None, 3)
MOST_REPORTED = 8


def takes_legacy(name: str) -> bool:
    return "legacy" in inspect.signature(getattr(ops, name)).parameters


def official_form(name: str) -> Callable[..., tf.Tensor]:
    """Return the operation that stands for the official one: with `legacy=True`, or as it is where that is the same."""
    operation = getattr(ops, name)
    return functools.partial(operation, legacy=True) if takes_legacy(name) else operation


@functools.cache
def in_graph(name: str, official: bool = False) -> Callable[..., tf.Tensor]:
    """Return an operation in a graph that knows neither the sizes of an image nor its argument."""
    operation = official_form(name) if official else getattr(ops, name)
    return tf.function(operation, reduce_retracing=True, autograph=False)


def arguments(name: str, step: int = 1) -> list[Argument]:
    """Return every `step`th argument to try."""
    values = ARGUMENTS[name]
    return [()] if values is None else [(value,) for value in values[::step]]


def as_tensors(argument: Argument, dtype: tf.DType = tf.float32) -> list[tf.Tensor]:
    """Return whole numbers as int32, others in the given type."""
    return [tf.constant(value, tf.int32 if isinstance(value, int) else dtype) for value in argument]


def as_float32(argument: Argument) -> Argument:
    """Return the argument that is left of one when a tensor of 32 bits carries it."""
    return tuple(value if isinstance(value, int) else float(np.float32(value)) for value in argument)


def mapped(
    operation: Callable[..., tf.Tensor],
    images: Mapping[str, Array],
    cases: list[Case],
    shape: tuple[int | None, ...] = UNKNOWN,
) -> Iterator[Array]:
    """Yield an operation's answers from tf.data, where an argument is a float32 or int32 tensor.

    Args:
        operation: takes an image and the argument.
        images: by name.
        cases: with arguments of one kind.
        shape: of the images, as far as the graph is to know it.
    """

    def examples() -> Iterator[tuple[Any, ...]]:
        for picture, argument in cases:
            # Python's whole numbers may be arguments of what takes fractions.
            yield images[picture], *(dtype.as_numpy_dtype(value) for dtype, value in zip(dtypes, argument, strict=True))

    whole = all(isinstance(value, int) for _, argument in cases for value in argument)
    dtypes = [tf.int32 if whole else tf.float32] * len(cases[0][1])
    signature = (tf.TensorSpec(shape, tf.uint8), *(tf.TensorSpec([], dtype) for dtype in dtypes))
    dataset = tf.data.Dataset.from_generator(examples, output_signature=signature)
    dataset = dataset.map(operation, num_parallel_calls=2)
    assert dataset.element_spec == tf.TensorSpec(shape, tf.uint8)
    return dataset.as_numpy_iterator()


def assert_equal(name: str, cases: Iterable[Case], answers: Iterable[Array], expected: Iterable[Array]) -> None:
    """Compare answers with what is expected of them, and say of the first few that differ where they do."""
    wrong = []
    for (picture, argument), answer, right in zip(cases, answers, expected, strict=True):
        assert answer.dtype == np.uint8
        assert answer.shape == right.shape, f"{name}{argument} of {picture}"
        if not np.array_equal(answer, right):
            places = np.argwhere(answer != right)
            row, column, channel = (int(number) for number in places[0])
            wrong.append(
                f"{name}{argument} of {picture}: {len(places)} values differ, first [{row}, {column}, {channel}], "
                f"{answer[row, column, channel]} where {right[row, column, channel]} is right"
            )
    assert not wrong, "\n".join([f"{len(wrong)} cases differ", *wrong[:MOST_REPORTED]])


def colours(step: int) -> Array:
    """Return a picture of every `step`th value of each channel with every one of the others, uint8 [n, n ** 2, 3]."""
    values = np.arange(0, 256, step, dtype=np.uint8)
    return np.stack(np.meshgrid(values, values, values), axis=-1).reshape(values.size, -1, 3)
