"""Each kind of augmentation as a function of a picture and its seed."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from efficientnet_tf.augment.choosing import Arguments, Choice, numbered, picture_sides
from efficientnet_tf.augment.dispatch import Dispatcher, dispatcher
from efficientnet_tf.augment.drawing import normal, seeds_of, uniform
from efficientnet_tf.augment.policies.grammar import AutoAugment, RandAugment, Stage, TrivialAugment
from efficientnet_tf.augment.policies.levels import FULL
from efficientnet_tf.augment.policies.tables import POLICIES, RANDAUGMENT, TRIVIALAUGMENT

#: The levels that TrivialAugment draws from: 31, from 0 to 10.
_TRIVIAL_LEVELS = 31

_HIGHEST_LEVEL = 30.0


class Step(Protocol):
    """One augmentation of single pictures."""

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return the image changed: uint8 [h, w, 3]; seed is int64 [2]."""

    def describe(self, image: tf.Tensor, seed: tf.Tensor) -> str:
        """Return in a few words what `__call__` does to this image by this seed."""


class Chosen(abc.ABC):
    """A step that chooses operations and applies them in turn."""

    def __init__(self, names: Sequence[str], count: int, *, legacy: bool = False) -> None:
        self._dispatch: Dispatcher = dispatcher(names, legacy=legacy)
        self._count = count

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the operations by their numbers; the first is Identity."""
        return self._dispatch.names

    @abc.abstractmethod
    def choose(self, numbers: tf.Tensor, seed: tf.Tensor, sides: tf.Tensor) -> Choice:
        """Return the operations for one picture.

        Args:
            numbers: even random numbers, float32 [1 + 2 n].
            seed: int64 [2], for what needs more than those.
            sides: as `picture_sides` returns them.
        """

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        (operations, arguments), places = self._draw(image, seed)
        for position in range(self._count):
            image = self._dispatch(image, operations[position], arguments[position], places[position])
        return image

    def describe(self, image: tf.Tensor, seed: tf.Tensor) -> str:
        (operations, arguments), _ = self._draw(image, seed)
        pairs = zip(operations.numpy(), arguments.numpy(), strict=True)
        words = [words_for(self.names[number], argument) for number, argument in pairs]
        return ", ".join(word for word in words if word)

    def _draw(self, image: tf.Tensor, seed: tf.Tensor) -> tuple[Choice, tf.Tensor]:
        """Return the operations, and a place in the picture for each: float32 [n, 2]."""
        chosen = 1 + 2 * self._count
        drawn = uniform(seed, chosen + 2 * self._count)
        return self.choose(drawn[:chosen], seed, picture_sides(image)), tf.reshape(drawn[chosen:], [self._count, 2])


class LearnedPolicy(Chosen):
    """AutoAugment: one row of a policy, each of its operations with its probability."""

    def __init__(self, plan: AutoAugment) -> None:
        policy = POLICIES[plan.policy]
        rows = [[operation for operation, _, _ in row] for row in policy]
        super().__init__([name for row in rows for name in row], len(rows[0]), legacy=plan.legacy)
        numbers = numbered(self.names, rows)
        arguments = Arguments(self.names, "legacy" if plan.legacy else "fixed")
        self._look_up = arguments.table(numbers, np.array([[level for _, _, level in row] for row in policy]))
        self._numbers = tf.constant(numbers, tf.int32)
        self._probabilities = tf.constant([[share for _, share, _ in row] for row in policy])

    def choose(self, numbers: tf.Tensor, seed: tf.Tensor, sides: tf.Tensor) -> Choice:
        row = _below(numbers[0], len(self._numbers))
        applied = numbers[1 : 1 + self._count] < self._probabilities[row]
        arguments = self._look_up(row, numbers[1 + self._count :] < 0.5, sides)
        return tf.where(applied, self._numbers[row], 0), arguments


class RandomOperations(Chosen):
    """RandAugment: operations drawn evenly, all at one level.

    Attributes:
        progress: how far training has come, 0 to 1, where the level depends on it; otherwise None.
    """

    def __init__(self, plan: RandAugment) -> None:
        super().__init__(RANDAUGMENT, plan.n, legacy=plan.legacy)
        space = "legacy_randaugment" if plan.legacy else "increasing" if plan.increasing else "fixed"
        self._arguments = Arguments(self.names, space)
        self._plan = plan
        self.progress: tf.Variable | None = None
        if plan.start is not None:
            # On the processor, where tf.data works.
            with tf.init_scope(), tf.device("CPU:0"):
                self.progress = tf.Variable(0.0, trainable=False, name="augment_progress")
        every = np.arange(len(self.names))[:, np.newaxis]
        self._look_up = self._arguments.table(every, np.full(every.shape, plan.m))

    def choose(self, numbers: tf.Tensor, seed: tf.Tensor, sides: tf.Tensor) -> Choice:
        operations = 1 + _below(numbers[1 : 1 + self._count], len(RANDAUGMENT))
        signs = numbers[1 + self._count :] < 0.5
        if self._plan.start is None and not self._plan.std:
            arguments = self._look_up(operations, signs[:, tf.newaxis], sides)
            return operations, arguments[:, 0]
        return operations, self._arguments.at(operations, self._level(seed), signs, sides)

    def _level(self, seed: tf.Tensor) -> tf.Tensor:
        level = tf.constant(self._plan.m, tf.float64)
        if self.progress is not None:
            start = tf.constant(self._plan.start, tf.float64)
            level = start + (level - start) * tf.cast(self.progress, tf.float64)
        if self._plan.std:
            level += self._plan.std * tf.cast(normal(seeds_of(seed, 2)[1]), tf.float64)
        return tf.clip_by_value(level, 0.0, _HIGHEST_LEVEL)


class OneOperation(Chosen):
    """TrivialAugment: one operation at one level, both drawn evenly."""

    def __init__(self, plan: TrivialAugment) -> None:
        super().__init__(TRIVIALAUGMENT, 1)
        self._arguments = Arguments(self.names, "wide")

    def choose(self, numbers: tf.Tensor, seed: tf.Tensor, sides: tf.Tensor) -> Choice:
        operations = _below(numbers[:1], len(self.names))
        level = tf.cast(_below(numbers[1], _TRIVIAL_LEVELS), tf.float64) * (FULL / (_TRIVIAL_LEVELS - 1))
        return operations, self._arguments.at(operations, level, numbers[2:] < 0.5, sides)


def words_for(name: str, argument: float) -> str:
    """Return an operation and its argument in a few words; nothing for Identity.

    >>> words_for("Rotate", -24.0), words_for("Equalize", 0.0)
    ('Rotate -24', 'Equalize')
    """
    if name == "Identity":
        return ""
    if name in ("AutoContrast", "Equalize", "Invert"):
        return name
    # Plus 0, since -0 is a number too.
    return f"{name} {argument + 0.0:{'.0f' if abs(argument) >= 100 else '.3g'}}"


def _below(number: tf.Tensor, limit: int) -> tf.Tensor:
    """Return whole numbers from 0 to below a limit, from even ones of 0 to below 1: int32."""
    # float32 may round the product up to the limit itself.
    return tf.minimum(tf.cast(number * limit, tf.int32), limit - 1)


#: How each simple stage of a plan is made; the others are in `mixtures` and `hiding`.
SIMPLE: dict[type[Stage], type[Chosen]] = {
    AutoAugment: LearnedPolicy,
    RandAugment: RandomOperations,
    TrivialAugment: OneOperation,
}
