"""How good answers are: accuracy, loss, each class by itself, and whether probabilities mean what they say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from efficientnet_tf.errors import UsageError

Array = np.ndarray[Any, Any]

#: Equally wide bins of confidence (Guo et al., 2017, "On Calibration of Modern Neural Networks").
CALIBRATION_BINS = 15

#: The most classes whose pairs are counted: of the 21,843 of ImageNet-21k, the counts alone would take gigabytes.
CONFUSION_UP_TO = 2000


@dataclasses.dataclass(frozen=True)
class Scores:
    """What the figures need of the answers: five numbers an example, however many classes there are.

    Attributes:
        targets: int [N], the right class of each.
        predicted: int [N], the most probable class; of equal ones the first.
        confidence: float64 [N], the probability of `predicted`.
        own: float64 [N], the probability of the right class.
        better: int [N], how many classes are more probable than the right one.
    """

    targets: Array
    predicted: Array
    confidence: Array
    own: Array
    better: Array

    def __len__(self) -> int:
        return len(self.targets)

    @classmethod
    def of(cls, probabilities: Array, targets: Array) -> Scores:
        """Return the scores of probabilities, [N, classes], for the right classes, [N]."""
        exact = probabilities.astype(np.float64)
        rows = np.arange(len(targets))
        predicted = exact.argmax(-1)
        own = exact[rows, targets]
        # Ties count against the network: only what is strictly better pushes the right class down.
        better = (exact > own[:, None]).sum(-1)
        return cls(np.asarray(targets), predicted, exact[rows, predicted], own, better)

    @classmethod
    def join(cls, parts: Sequence[Scores]) -> Scores:
        """Return the scores of all parts, in their order."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def evaluate_probabilities(probabilities: Array, targets: Array, labels: Sequence[str]) -> dict[str, Any]:
    """Return the figures of metrics.json.

    Args:
        probabilities: [N, classes], each row a distribution.
        targets: [N], the right class of each.
        labels: names of the classes.

    Returns:
        What `figures_of` returns.

    Raises:
        UsageError: no examples, or arrays that do not belong together.

    >>> figures = evaluate_probabilities(np.array([[0.8, 0.2], [0.6, 0.4]]), np.array([0, 1]), ["cat", "dog"])
    >>> figures["top1"], figures["per_class"]["dog"]
    (0.5, {'examples': 1, 'top1': 0.0, 'precision': None, 'f1': 0.0})
    """
    if not len(targets) or probabilities.shape != (len(targets), len(labels)):
        raise UsageError(
            f"Expected probabilities for {len(targets)} examples and {len(labels)} classes, "
            f"got shape {probabilities.shape}."
        )
    return figures_of(Scores.of(probabilities, targets), labels)


def figures_of(scores: Scores, labels: Sequence[str]) -> dict[str, Any]:
    """Return the figures of one example or more; sums are taken in float64, in the order of the examples.

    Args:
        scores: of the answers.
        labels: names of the classes.

    Returns:
        - `examples`.
        - `top1` and `top5`, shares in 0...1; `top5` is None with five classes or fewer.
        - `loss`, the mean cross-entropy in nats.
        - `balanced_accuracy`, the mean of `top1` over the classes that have examples, and `macro_f1`, that of `f1`.
        - `ece`, the expected calibration error in 0...1: the gap between confidence and accuracy in 15 bins of
          confidence, weighted by their examples.
        - `per_class`, for every class its `examples`; `top1`, the share of them that was recognised (its recall);
          `precision`, the share that is right of what was taken for it; and `f1`, the harmonic mean of the two. What
          would be a share of nothing is None, and so is `f1` of a class without examples.
        - `confusion`, a list for each right class of how often each class was the answer; None with more than 2,000
          classes.
    """
    classes = len(labels)
    right = scores.predicted == scores.targets
    hits, examples, answers = (
        np.bincount(members, minlength=classes) for members in (scores.targets[right], scores.targets, scores.predicted)
    )
    there = examples > 0
    recall = np.divide(hits, examples, out=np.zeros(classes), where=there)
    f1 = np.divide(2 * hits, examples + answers, out=np.zeros(classes), where=there)
    return {
        "examples": len(scores),
        "top1": float(right.mean()),
        "top5": float((scores.better < 5).mean()) if classes > 5 else None,
        "loss": float(-np.log(np.maximum(scores.own, np.finfo(np.float32).tiny)).mean()),
        "balanced_accuracy": float(recall[there].mean()),
        "macro_f1": float(f1[there].mean()),
        "ece": _calibration_error(scores.confidence, right),
        "per_class": {
            label: {
                "examples": int(examples[index]),
                "top1": float(recall[index]) if there[index] else None,
                "precision": float(hits[index] / answers[index]) if answers[index] else None,
                "f1": float(f1[index]) if there[index] else None,
            }
            for index, label in enumerate(labels)
        },
        "confusion": _confusion(scores, classes) if classes <= CONFUSION_UP_TO else None,
    }


def _confusion(scores: Scores, classes: int) -> list[list[int]]:
    pairs = np.bincount(scores.targets * classes + scores.predicted, minlength=classes * classes)
    rows: list[list[int]] = pairs.reshape(classes, classes).tolist()
    return rows


def _calibration_error(confidence: Array, right: Array) -> float:
    """Return the mean gap between confidence and accuracy over bins, weighted by their examples."""
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    error = 0.0
    for index in np.unique(bins):
        members = bins == index
        error += members.mean() * abs(confidence[members].mean() - right[members].mean())
    return float(error)
