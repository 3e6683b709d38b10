"""What a network is worth that shall be both accurate and cheap (paper, section 4, after MnasNet)."""

from __future__ import annotations

from collections.abc import Sequence

#: The paper's exponent.
WEIGHT = -0.07


def objective(accuracy: float, madds: float, target: float, weight: float = WEIGHT) -> float:
    """Return `accuracy * (madds / target) ** weight`.

    With the paper's -0.07, twice the multiply-adds must bring 5 % more accuracy to be worth it.

    >>> f"{objective(0.76, 2 * 400e6, 400e6):.3f}"
    '0.724'
    """
    return accuracy * (madds / target) ** weight


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which points (multiply-adds, accuracy) no other beats, by rising cost.

    A point is beaten by one that costs no more and is more accurate, or that costs less and is as accurate; of equals
    the first stands for all.

    >>> pareto_front([(3, 0.7), (1, 0.5), (2, 0.7), (4, 0.9)])
    [1, 2, 3]
    """
    front: list[int] = []
    for number in sorted(range(len(points)), key=lambda one: (points[one][0], -points[one][1], one)):
        if not front or points[number][1] > points[front[-1]][1]:
            front.append(number)
    return front
