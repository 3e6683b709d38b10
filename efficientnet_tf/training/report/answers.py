"""A network's answers on validation photographs, and what can be counted from them."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from efficientnet_tf.errors import UsageError
from efficientnet_tf.evaluation.figures import CALIBRATION_BINS

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class ClassFigures:
    """What became of the photographs of one class.

    Attributes:
        label: its name.
        examples: how many were validated.
        right: how many of them were recognised.
        answered: how many photographs, of whatever class, were taken for it.
        mistaken_for: the class that most of the others were taken for, or None.
    """

    label: str
    examples: int
    right: int
    answered: int
    mistaken_for: str | None

    @property
    def recall(self) -> float | None:
        """Share of the class's photographs that were recognised, in 0...1."""
        return self.right / self.examples if self.examples else None

    @property
    def precision(self) -> float | None:
        """Share of the answers of this class that were right, in 0...1."""
        return self.right / self.answered if self.answered else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of the two, in 0...1."""
        return 2 * self.right / (self.examples + self.answered) if self.examples else None


@dataclasses.dataclass(frozen=True)
class Bin:
    """Answers of about the same confidence.

    Attributes:
        low: least confidence in the bin.
        high: the least above it.
        examples: how many answers.
        confidence: their mean.
        accuracy: share of them that is right.
    """

    low: float
    high: float
    examples: int
    confidence: float
    accuracy: float


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a network said of photographs.

    Attributes:
        probabilities: [N, classes].
        targets: [N], the right classes.
        labels: names of the classes.
    """

    probabilities: Array
    targets: Array
    labels: Sequence[str]

    def __post_init__(self) -> None:
        if not len(self.targets) or self.probabilities.shape != (len(self.targets), len(self.labels)):
            raise UsageError(
                f"Expected probabilities for {len(self.targets)} examples and {len(self.labels)} classes, "
                f"got shape {self.probabilities.shape}."
            )

    def __len__(self) -> int:
        return len(self.targets)

    @functools.cached_property
    def predicted(self) -> Array:
        """The most probable classes, [N]."""
        return self.probabilities.argmax(-1)

    @functools.cached_property
    def confidence(self) -> Array:
        """Their probabilities, float64 [N]."""
        confidence: Array = self.probabilities.max(-1).astype(np.float64)
        return confidence

    @functools.cached_property
    def right(self) -> Array:
        """Whether they are the right ones, bool [N]."""
        right: Array = self.predicted == self.targets
        return right

    @functools.cached_property
    def pairs(self) -> tuple[Array, Array, Array]:
        """Right class, answered class and how often, for all pairs that occur: three of int64 [pairs]."""
        # Not as a matrix, of which 21,841 classes would make gigabytes.
        classes = len(self.labels)
        found, times = np.unique(self.targets.astype(np.int64) * classes + self.predicted, return_counts=True)
        return found // classes, found % classes, times

    @functools.cached_property
    def examples(self) -> Array:
        """How many photographs each class has, int64 [classes]."""
        return np.bincount(self.targets, minlength=len(self.labels))

    @functools.cached_property
    def per_class(self) -> list[ClassFigures]:
        """The figures of every class, in the order of the labels."""
        classes = len(self.labels)
        answered = np.bincount(self.predicted, minlength=classes)
        right = np.bincount(self.targets[self.right], minlength=classes)
        mistaken: dict[str, str] = {}
        for label, other, _, _ in self.confused_pairs():
            mistaken.setdefault(label, other)
        return [
            ClassFigures(label, int(self.examples[row]), int(right[row]), int(answered[row]), mistaken.get(label))
            for row, label in enumerate(self.labels)
        ]

    def confused_pairs(self, limit: int | None = None) -> list[tuple[str, str, int, int]]:
        """Return (class, what it was taken for, how often, photographs of the class), the most frequent first.

        >>> answers = Answers(np.eye(3)[[1, 1, 2, 1]], np.array([0, 0, 2, 2]), ["ant", "bee", "cat"])
        >>> answers.confused_pairs(2)
        [('ant', 'bee', 2, 2), ('cat', 'bee', 1, 2)]
        """
        own, taken, times = (array[self.pairs[0] != self.pairs[1]] for array in self.pairs)
        # Of pairs that are equally frequent, the one that is more of its class.
        order = np.lexsort((-times / self.examples[own], -times))[:limit]
        return [(self.labels[own[n]], self.labels[taken[n]], int(times[n]), int(self.examples[own[n]])) for n in order]

    def reliability(self) -> list[Bin]:
        """Return the bins of confidence of `evaluation` that hold answers, the least confident first."""
        numbers = np.minimum((self.confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
        return [
            Bin(
                number / CALIBRATION_BINS,
                (number + 1) / CALIBRATION_BINS,
                examples=int(members.sum()),
                confidence=float(self.confidence[members].mean()),
                accuracy=float(self.right[members].mean()),
            )
            for number in range(CALIBRATION_BINS)
            if (members := numbers == number).any()
        ]

    @property
    def majority(self) -> float:
        """What naming the most frequent class every time would get right, in 0...1."""
        return float(self.examples.max() / len(self))


def ranking(probabilities: Array, targets: Array) -> list[int]:
    """Return the rows of answers, the worst first: the wrong ones, then the right ones.

    A wrong answer is the worse the surer it was, a right one the less sure.

    Args:
        probabilities: [N, classes].
        targets: [N].

    >>> ranking(np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.45, 0.55]]), np.array([0, 0, 0, 1]))
    [2, 1, 3, 0]
    """
    confidence = probabilities.max(-1)
    right = probabilities.argmax(-1) == targets
    return [int(row) for row in np.lexsort((np.where(right, confidence, -confidence), right))]


def interval(right: int, examples: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share (Wilson, 1927).

    Args:
        right: how many of the examples have what is counted.
        examples: how many there are, at least 1.

    >>> [round(bound, 3) for bound in interval(45, 48)]
    [0.832, 0.979]
    """
    z = 1.959963984540054
    share = right / examples
    centre = share + z**2 / (2 * examples)
    reach = z * math.sqrt(share * (1 - share) / examples + z**2 / (4 * examples**2))
    scale = 1 + z**2 / examples
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)
