"""The paper's studies of scaling, as lists of networks: Figures 3, 4 and 8."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from efficientnet_tf.errors import UsageError, unknown_name
from efficientnet_tf.search.candidates import DONE, Candidate, Outcome
from efficientnet_tf.search.grid import standard_error
from efficientnet_tf.specs import DIMENSIONS, Coefficients, Spec, count, match_madds, scale

COMPOUND = "compound"


@dataclasses.dataclass(frozen=True)
class Points:
    """Where a study looks.

    Attributes:
        depths, widths, resolutions: factors; of Figure 3 the points of its curves, of Figure 4 the widths along each
            curve, and the depths and resolutions that tell curves apart.
        phis: of Figure 8: compound coefficients above 0.
        coefficients: of Figure 8; by default the paper's.
    """

    depths: Sequence[float] = ()
    widths: Sequence[float] = ()
    resolutions: Sequence[float] = ()
    phis: Sequence[float] = ()
    coefficients: Coefficients | None = None


def networks(figure: str, base: Spec, points: Points) -> list[tuple[Spec, dict[str, Any]]]:
    """Return the networks of a study, each with the curve it belongs to and where on it.

    Args:
        figure: `figure3`, `figure4` or `figure8`.
        base: what is scaled; it is on every curve that begins with it.
        points: where to look.

    Raises:
        UsageError: another figure, or points that the base cannot be scaled to.

    >>> from efficientnet_tf.specs import spec
    >>> found = networks("figure8", spec("b0"), Points(phis=(1,)))
    >>> [(network.name, about["curve"]) for network, about in found][1:3]
    [('b0-phi1', 'compound'), ('b0-d2', 'depth')]
    """
    if figure not in FIGURES:
        raise unknown_name("study", figure, FIGURES)
    wanted = ("phis", "coefficients") if figure == "figure8" else ("depths", "widths", "resolutions")
    for name, value in vars(points).items():
        if value and name not in wanted:
            raise UsageError(f"{figure} has no {name}; it has {', '.join(wanted)}.")
    found = FIGURES[figure](base, points)
    if not found:
        raise UsageError(f"{figure} has no points to look at.")
    return found


def study_candidates(found: Sequence[tuple[Spec, Mapping[str, Any]]], seeds: Sequence[int]) -> list[Candidate]:
    """Return what is to be trained: with every seed all networks, each that is on several curves once."""
    return [Candidate(network, seed, about) for seed in seeds for network, about in found]


def curves(candidates: Sequence[Candidate], outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Return a row for each point of each curve: its cost, and its accuracy over the seeds that came to their end."""
    accuracies: dict[tuple[Any, ...], list[float]] = {}
    first: dict[tuple[Any, ...], Candidate] = {}
    for candidate, outcome in zip(candidates, outcomes, strict=True):
        place = (*candidate.about.values(), candidate.spec.name)
        first.setdefault(place, candidate)
        if outcome.state == DONE:
            accuracies.setdefault(place, []).append(float(outcome.accuracy or 0.0))
    rows = []
    for place, candidate in first.items():
        values, counted = accuracies.get(place, []), count(candidate.spec)
        rows.append(
            {
                **candidate.about,
                "network": candidate.spec.name,
                "image_size": candidate.spec.image_size,
                "params": counted.trainable,
                "madds": counted.madds,
                "accuracy": statistics.fmean(values) if values else None,
                "standard_error": standard_error(values),
                "seeds": len(values),
            }
        )
    return rows


def _figure3(base: Spec, points: Points) -> list[tuple[Spec, dict[str, Any]]]:
    """Each dimension alone."""
    factors = dict(zip(DIMENSIONS, (points.depths, points.widths, points.resolutions), strict=True))
    return [
        (scale(base, **{dimension: value}), {"curve": dimension, "value": value})
        for dimension, values in factors.items()
        for value in values
    ]


def _figure4(base: Spec, points: Points) -> list[tuple[Spec, dict[str, Any]]]:
    """Width, under other depths and resolutions."""
    return [
        (
            scale(base, depth=depth, width=width, resolution=resolution),
            {"curve": f"depth {depth:g}, resolution {resolution:g}", "value": width},
        )
        for resolution in points.resolutions
        for depth in points.depths
        for width in points.widths
    ]


def _figure8(base: Spec, points: Points) -> list[tuple[Spec, dict[str, Any]]]:
    """Compound scaling, and each dimension alone with the multiply-adds of the compound networks."""
    found: list[tuple[Spec, dict[str, Any]]] = [(base, {"curve": "base", "value": 0.0})]
    for phi in sorted(points.phis):
        if phi <= 0:
            raise UsageError(f"phi must be above 0 in figure8, got {phi:g}.")
        network = scale(base, phi=phi, **dataclasses.asdict(points.coefficients or Coefficients()))
        found.append((network, {"curve": COMPOUND, "value": phi}))
        for dimension in DIMENSIONS:
            alone = match_madds(base, dimension, count(network).madds)
            found.append((alone, {"curve": dimension, "value": phi}))
    return found if len(found) > 1 else []


FIGURES: dict[str, Callable[[Spec, Points], list[tuple[Spec, dict[str, Any]]]]] = {
    "figure3": _figure3,
    "figure4": _figure4,
    "figure8": _figure8,
}
