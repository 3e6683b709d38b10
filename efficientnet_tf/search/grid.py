"""Step 1 of compound scaling: the coefficients of a base, by trying all that double its cost (paper, section 3.3)."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.search.candidates import DONE, Candidate, Outcome
from efficientnet_tf.specs import Coefficients, Spec, count, scale

STEP, TOLERANCE, PRODUCT = 0.05, 0.1, 2.0
#: From 1 to 2, as `Coefficients` has them.
_SPAN = 1.0
_FINEST = 0.01
MOST_CANDIDATES = 2000


def grid(step: float = STEP, tolerance: float = TOLERANCE) -> list[Coefficients]:
    """Return all coefficients in steps from 1 to 2 whose alpha * beta^2 * gamma^2 is about 2.

    Args:
        step: between two values of a coefficient, from 0.01 to 1.
        tolerance: by how much the product may differ from 2.

    Raises:
        UsageError: a value out of range, a grid that holds nothing but 1, one in which nothing fits, or more than
            2000 candidates.

    >>> len(grid()), Coefficients(1.2, 1.1, 1.15) in grid()
    (109, True)
    >>> grid(step=0.3, tolerance=0.01)
    Traceback (most recent call last):
    efficientnet_tf.errors.UsageError: In steps of 0.3 no alpha * beta^2 * gamma^2 is within 0.01 of 2: the nearest ...
    """
    if not _FINEST <= step <= _SPAN:
        raise UsageError(f"step must be from {_FINEST:g} to {_SPAN:g}, got {step:g}.")
    if not 0.0 <= tolerance < 1.0:
        raise UsageError(f"tolerance must be at least 0 and below 1, got {tolerance:g}.")
    # Counted in whole steps and rounded: 1 + 3 * 0.05 is not 1.15 in binary.
    values = [round(1.0 + number * step, 9) for number in range(math.floor(_SPAN / step + 1e-9) + 1)]
    found, nearest = [], (math.inf, ())
    for alpha in values:
        for beta in values:
            if alpha * beta**2 > PRODUCT + tolerance + 1e-9:
                break
            for gamma in values:
                distance = abs(alpha * beta**2 * gamma**2 - PRODUCT)
                if distance <= tolerance + 1e-9:
                    found.append(Coefficients(alpha, beta, gamma))
                nearest = min(nearest, (distance, (alpha, beta, gamma)))
    if not found:
        product = nearest[1][0] * nearest[1][1] ** 2 * nearest[1][2] ** 2
        raise UsageError(
            f"In steps of {step:g} no alpha * beta^2 * gamma^2 is within {tolerance:g} of {PRODUCT:g}: the nearest is "
            f"{product:.4g}, of {', '.join(f'{value:g}' for value in nearest[1])}. "
            "Give a larger --tolerance or a smaller --step."
        )
    if len(found) > MOST_CANDIDATES:
        raise UsageError(
            f"Steps of {step:g} and a tolerance of {tolerance:g} make {len(found)} candidates; "
            f"at most {MOST_CANDIDATES} are allowed."
        )
    return found


def grid_candidates(base: Spec, coefficients: Sequence[Coefficients], seeds: Sequence[int]) -> list[Candidate]:
    """Return what is to be trained: with every seed the base scaled by every triple, at phi 1.

    All triples come with the first seed before the second begins, so that a search that is stopped has seen them all.
    """
    own = count(base).madds
    candidates = []
    for seed in seeds:
        for one in coefficients:
            scaled = scale(base, phi=1.0, **dataclasses.asdict(one))
            about = {**dataclasses.asdict(one), "product": one.product, "madds_ratio": count(scaled).madds / own}
            candidates.append(Candidate(scaled, seed, about))
    return candidates


@dataclasses.dataclass(frozen=True)
class Ranked:
    """A triple and how well its networks did.

    Attributes:
        coefficients: alpha, beta, gamma.
        spec: the base scaled by them at phi 1.
        accuracy: mean over the seeds.
        standard_error: of that mean; None with one seed.
        seeds: how many there were.
        madds_ratio: multiply-adds as a multiple of the base's.
    """

    coefficients: Coefficients
    spec: Spec
    accuracy: float
    standard_error: float | None
    seeds: int
    madds_ratio: float

    def row(self) -> dict[str, Any]:
        """Return it as the row of a table."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del values["coefficients"], values["spec"]
        return {**dataclasses.asdict(self.coefficients), "network": self.spec.name, **values}


def rank(candidates: Sequence[Candidate], outcomes: Sequence[Outcome]) -> list[Ranked]:
    """Return the triples, the most accurate first; of two that are alike the cheaper one, then the smaller values.

    Triples of which a training failed are left out.

    Raises:
        EfficientNetError: none is left.
    """
    found: dict[Coefficients, list[tuple[Candidate, Outcome]]] = {}
    for candidate, outcome in zip(candidates, outcomes, strict=True):
        about = candidate.about
        found.setdefault(Coefficients(about["alpha"], about["beta"], about["gamma"]), []).append((candidate, outcome))
    ranked = []
    for coefficients, pairs in found.items():
        if all(outcome.state == DONE for _, outcome in pairs):
            accuracies = [float(outcome.accuracy or 0.0) for _, outcome in pairs]
            first = pairs[0][0]
            ranked.append(
                Ranked(
                    coefficients,
                    first.spec,
                    statistics.fmean(accuracies),
                    standard_error(accuracies),
                    len(pairs),
                    first.about["madds_ratio"],
                )
            )
    if not ranked:
        raise EfficientNetError("No triple was trained with every seed: all have failures.")
    return sorted(ranked, key=lambda one: (-one.accuracy, one.madds_ratio, dataclasses.astuple(one.coefficients)))


def standard_error(values: Sequence[float]) -> float | None:
    """Return the standard error of a mean, or None of a single value.

    >>> standard_error([1.0, 3.0])
    1.0
    """
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
