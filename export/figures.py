"""How far an artifact's answers are from Keras', in figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: How far Keras' top probability leads the next on a photograph that is clear.
CLEAR = 0.1
#: The least probability that counts as one, and the coarsest step of an artifact's probabilities that is allowed for:
#: that of 8 bits.
LEAST, STEP = 1e-9, 1 / 256
#: Decibels of equal values, which have no noise.
EQUAL = 200.0
#: Photographs whose answers are listed, those that differ most; and classes of each answer.
LISTED, TOP = 16, 3

#: Figures of probabilities, all of them unknown.
NO_CLASSES: dict[str, Any] = dict.fromkeys(
    (
        "max_difference",
        "mean_difference",
        "total_variation",
        "top1_agreement",
        "clear_photographs",
        "clear_top1_agreement",
        "kl",
        "logit_sqnr_db",
    )
)


def class_figures(answers: Sequence[Array], expected: Array) -> dict[str, Any]:
    """Return how far probabilities are from those expected, the worst of several answers to the same photographs.

    Args:
        answers: each [N, classes].
        expected: Keras' probabilities, [N, classes].

    Returns:
        - `max_difference` and `mean_difference` of any probability.
        - `total_variation`, the mean over the photographs; see there. Unlike a mean over classes it does not shrink
          with their number.
        - `top1_agreement`, the share of photographs whose top class is the same.
        - `clear_photographs`, on which Keras' top class leads the next by `CLEAR` or more, and
          `clear_top1_agreement`, the share of them whose top class is the same; None if there are none.
        - `kl` and `logit_sqnr_db`, see `divergence` and `logit_sqnr`.

    >>> figures = class_figures([np.array([[0.7, 0.3], [0.4, 0.6]])], np.array([[0.8, 0.2], [0.52, 0.48]]))
    >>> [round(figures[name], 3) for name in ("max_difference", "total_variation", "top1_agreement")]
    [0.12, 0.11, 0.5]
    >>> figures["clear_photographs"], figures["clear_top1_agreement"]
    (1, 1.0)
    """
    stacked = np.stack(answers).astype(np.float64)
    exact = expected.astype(np.float64)
    differences = np.abs(stacked - exact)
    moved = [total_variation(answer, exact).mean() for answer in stacked]
    same = (stacked.argmax(-1) == exact.argmax(-1)).all(0)
    clear = lead(exact) >= CLEAR
    return {
        "max_difference": float(differences.max()),
        "mean_difference": float(differences.mean()),
        "total_variation": float(max(moved)),
        "top1_agreement": float(same.mean()),
        "clear_photographs": int(clear.sum()),
        "clear_top1_agreement": float(same[clear].mean()) if clear.any() else None,
        "kl": max(divergence(answer, exact) for answer in stacked),
        "logit_sqnr_db": min(logit_sqnr(answer, exact) for answer in stacked),
    }


def lead(probabilities: Array) -> Array:
    """Return by how much the top class of each photograph leads the next."""
    second, first = np.sort(probabilities, -1)[:, -2:].T
    return np.asarray(first - second)


def least(answer: Array) -> float:
    """Return the probability below which an artifact's answers count as that: the smallest that it gave, but none.

    An integer output has nothing between 0 and its step, which is at most `STEP`: what it cannot express is not held
    against it. In floating point it is tiny, and at least `LEAST`.

    >>> least(np.array([[0.0, 0.125, 0.875]])), least(np.array([[0.0, 0.001953125, 0.998046875]]))
    (0.00390625, 0.001953125)
    """
    above = answer[answer > 0]
    return float(np.clip(above.min(), LEAST, STEP)) if above.size else STEP


def total_variation(answer: Array, expected: Array) -> Array:
    """Return the probability that moved to other classes, in 0...1, float64 [N].

    Half the sum of the differences of a photograph, of probabilities that are at least `least(answer)`.

    >>> total_variation(np.array([[0.75, 0.25, 0.0]]), np.array([[0.625, 0.373, 0.002]]))
    array([0.124])
    """
    floor = least(answer)
    return np.asarray(np.abs(np.maximum(answer, floor) - np.maximum(expected, floor)).sum(-1) / 2)


def divergence(answer: Array, expected: Array) -> float:
    """Return the mean Kullback-Leibler divergence of answers from those expected, in nats.

    Of each photograph sum p (log p - log q), with Keras' p and the artifact's q, both at least `least(answer)` under
    the logarithm; and at least 0, which the true divergence never is below.

    >>> round(divergence(np.array([[0.25, 0.75]]), np.array([[0.5, 0.5]])), 4)
    0.1438
    """
    floor = least(answer)
    ratio = np.log(np.maximum(expected, floor)) - np.log(np.maximum(answer, floor))
    return float(np.maximum((expected * ratio).sum(-1), 0.0).mean())


def logit_sqnr(answer: Array, expected: Array) -> float:
    """Return the ratio of signal to noise of the logits behind probabilities, in decibels.

    A photograph's logits are known from its probabilities but for their mean: z = log max(p, least(answer)), less the
    mean of z over the classes. The ratio is that of `sqnr`, of z and over all photographs.

    >>> round(logit_sqnr(np.array([[0.5, 0.25, 0.25]]), np.array([[0.6, 0.2, 0.2]])), 2)
    8.66
    """
    floor = least(answer)
    got, wanted = (np.log(np.maximum(each, floor)) for each in (answer, expected))
    return sqnr(got - got.mean(-1, keepdims=True), wanted - wanted.mean(-1, keepdims=True))


def sqnr(answer: Array, expected: Array) -> float:
    """Return the ratio of signal to quantisation noise in decibels: 10 log10(sum x**2 / sum (y - x)**2).

    Equal values get `EQUAL`, which is also the most.

    >>> sqnr(np.array([1.1, -1.0]), np.array([1.0, -1.0])), sqnr(np.ones(2), np.ones(2))
    (23.0..., 200.0)
    """
    exact = np.asarray(expected, np.float64)
    signal, noise = float(np.square(exact).sum()), float(np.square(answer - exact).sum())
    if noise == 0:
        return EQUAL
    # Without signal, or with noise that is no number, nothing is left of it.
    ratio = signal / noise
    return float(np.clip(10 * np.log10(ratio), -EQUAL, EQUAL)) if ratio > 0 else -EQUAL


def output_figures(answer: Array, expected: Array) -> dict[str, float]:
    """Return how far an output that is no probability is from the one expected.

    Returns:
        `sqnr_db`, and `largest_relative_difference`: the largest difference over the largest magnitude expected.
    """
    exact = np.asarray(expected, np.float64)
    largest = float(np.abs(exact).max()) or 1.0
    return {
        "sqnr_db": sqnr(answer, exact),
        "largest_relative_difference": float(np.abs(answer - exact).max()) / largest,
    }


def accuracy(answer: Array, expected: Array, targets: Array | None) -> dict[str, Any] | None:
    """Return the top-1 accuracy of Keras and of an artifact, in 0...1; None without the right classes.

    >>> accuracy(np.array([[0.1, 0.9], [0.2, 0.8]]), np.array([[0.1, 0.9], [0.7, 0.3]]), np.array([1, 0]))
    {'keras': 1.0, 'artifact': 0.5, 'examples': 2}
    """
    if targets is None:
        return None
    right = {
        name: float((each.argmax(-1) == targets).mean()) for name, each in (("keras", expected), ("artifact", answer))
    }
    return {**right, "examples": len(targets)}


def pictures(answers: Sequence[Array], expected: Array, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the photographs whose answers differ most, the worst first.

    Those whose top class is another come before the rest.

    Returns:
        For each `photograph`, its number; `file`; `total_variation`; `same_top`; and `classes`, the first three of
        Keras and of the artifact: {"index", "keras", "artifact"}, Keras' order.

    >>> pictures([np.array([[0.7, 0.3]])], np.array([[0.8, 0.2]]), ["cat.jpg"])[0]["classes"]
    [{'index': 0, 'keras': 0.8, 'artifact': 0.7}, {'index': 1, 'keras': 0.2, 'artifact': 0.3}]
    """
    stacked = np.stack(answers).astype(np.float64)
    moved = np.stack([total_variation(answer, expected) for answer in stacked])
    same = stacked.argmax(-1) == expected.argmax(-1)
    # Of several answers the one that is farther away.
    worst = (moved + ~same).argmax(0)
    rows = np.arange(len(expected))
    moved, same, answer = moved[worst, rows], same[worst, rows], stacked[worst, rows]
    order = sorted(rows.tolist(), key=lambda row: (bool(same[row]), -moved[row]))
    return [
        {
            "photograph": row,
            "file": names[row],
            "total_variation": round(float(moved[row]), 6),
            "same_top": bool(same[row]),
            "classes": _classes(answer[row], expected[row]),
        }
        for row in order[:LISTED]
    ]


def _classes(answer: Array, expected: Array) -> list[Mapping[str, Any]]:
    shown = dict.fromkeys(int(index) for each in (expected, answer) for index in np.argsort(-each, kind="stable")[:TOP])
    return [
        {"index": index, "keras": round(float(expected[index]), 6), "artifact": round(float(answer[index]), 6)}
        for index in sorted(shown, key=lambda index: -expected[index])
    ]
