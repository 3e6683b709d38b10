"""From tables of operations and levels to the choice for one picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from efficientnet_tf.augment.policies.levels import FULL, SPACES, Ramp

#: Which side a share is of: none, the width, the height, the shorter one.
_SIDES = {"TranslateX": 1, "TranslateY": 2, "Cutout": 3}

#: For one picture: (numbers int32 [n], arguments float64 [n]) of the operations, in their order.
Choice = tuple[tf.Tensor, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The arguments of some operations, by number and level.

    Attributes:
        names: of the operations, in the order of their numbers.
        space: how levels become arguments, a name in SPACES.
    """

    names: tuple[str, ...]
    space: str

    @property
    def ramps(self) -> tuple[Ramp, ...]:
        return tuple(SPACES[self.space][name] for name in self.names)

    def at(self, numbers: tf.Tensor, levels: tf.Tensor, signs: tf.Tensor, sides: tf.Tensor) -> tf.Tensor:
        """Return arguments: float64 [n].

        Args:
            numbers: of the operations, int32 [n].
            levels: float64 [n] or [].
            signs: bool [n]; where true, an operation that has two directions goes the other way.
            sides: as `picture_sides` returns them.
        """
        ramps = self.ramps
        start, slope, lowest, highest = (
            tf.gather(tf.constant([getattr(ramp, name) for ramp in ramps], tf.float64), numbers)
            for name in ("start", "slope", "lowest", "highest")
        )
        signed = tf.gather([ramp.signed for ramp in ramps], numbers)
        whole = tf.gather([ramp.whole for ramp in ramps], numbers)
        value = levels / FULL * slope
        value = start + tf.where(signed & signs, -value, value)
        value = tf.where(whole, tf.cast(tf.cast(value, tf.int64), tf.float64), value)
        return tf.clip_by_value(value, lowest, highest) * self._factors(numbers, sides)

    def table(self, numbers: np.ndarray, levels: np.ndarray) -> Callable[..., tf.Tensor]:
        """Return a function of (row, signs, sides), like `at`, for rows of operations whose levels never change.

        It takes one row, int32 [], with signs [n], or several, int32 [k], with signs [k, n].

        Args:
            numbers: int [rows, n].
            levels: float [rows, n].
        """
        both = np.zeros((*numbers.shape, 2))
        for place, number in np.ndenumerate(numbers):
            ramp = self.ramps[number]
            both[place] = ramp.at(levels[place]), ramp.at(levels[place], -1 if ramp.signed else 1)
        values, rows_of = tf.constant(both), tf.constant(numbers, tf.int32)

        def look_up(row: tf.Tensor, signs: tf.Tensor, sides: tf.Tensor) -> tf.Tensor:
            pair = tf.gather(values, row)
            chosen = tf.where(signs, pair[..., 1], pair[..., 0])
            return chosen * self._factors(tf.gather(rows_of, row), sides)

        return look_up

    def _factors(self, numbers: tf.Tensor, sides: tf.Tensor) -> tf.Tensor | float:
        of_side = [_SIDES[name] if ramp.of_side else 0 for name, ramp in zip(self.names, self.ramps, strict=True)]
        return tf.gather(sides, tf.gather(of_side, numbers)) if any(of_side) else 1.0


def picture_sides(image: tf.Tensor) -> tf.Tensor:
    """Return what a share of a side is multiplied by: [1, width, height, the shorter]: float64 [4]."""
    height, width = image.shape[0], image.shape[1]
    if height is not None and width is not None:
        return tf.constant([1, width, height, min(height, width)], tf.float64)
    shape = tf.cast(tf.shape(image), tf.float64)
    return tf.stack([tf.ones([], tf.float64), shape[1], shape[0], tf.minimum(shape[0], shape[1])])


def numbered(names: Sequence[str], rows: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the numbers of the operations of each row: int [rows, n]."""
    return np.array([[names.index(name) for name in row] for row in rows])
