"""A base and its scaled networks as rows: compound, one dimension at a time, and those that were published."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from efficientnet_tf.specs import (
    DIMENSIONS,
    Coefficients,
    Spec,
    count,
    estimate_memory,
    match_madds,
    phi_of,
    scale,
    spec,
)

Row = dict[str, Any]

PUBLISHED = ("b1", "b2", "b3", "b4", "b5", "b6", "b7")


def compound_rows(base: Spec, phis: Iterable[float], coefficients: Coefficients) -> list[Row]:
    """Return a row for each phi: the network, its coefficients, and what it costs beside the base and 2^phi.

    >>> from efficientnet_tf.specs import spec
    >>> row = compound_rows(spec("b0"), [1.0], Coefficients())[0]
    >>> row["network"], row["image_size"], f"{row['ratio']:.2f}"
    ('b0-phi1', 256, '2.23')
    """
    return [
        {**row_of(_compound(base, phi, coefficients), base, "compound"), "phi": phi, "expected_ratio": 2.0**phi}
        for phi in phis
    ]


def single_rows(base: Spec, rows: Sequence[Row]) -> list[Row]:
    """Return, for each compound network above the base, the three of one dimension that its multiply-adds allow."""
    return [
        {**row_of(match_madds(base, dimension, row["madds"]), base, dimension), "phi": row["phi"]}
        for row in rows
        if row["phi"] > 0 and row["ratio"] >= 1
        for dimension in DIMENSIONS
    ]


def published_rows(base: Spec, coefficients: Coefficients) -> list[Row]:
    """Return B1 to B7, each with the phi of its depth, width and resolution; nothing for another base than B0."""
    if base != spec("b0"):
        return []
    rows = []
    for name in PUBLISHED:
        phi = phi_of(name, base, alpha=coefficients.alpha, beta=coefficients.beta, gamma=coefficients.gamma)
        exponents = {f"phi_by_{dimension}": getattr(phi, dimension) for dimension in DIMENSIONS}
        rows.append({**row_of(spec(name), base, "published"), **exponents})
    return rows


def row_of(network: Spec, base: Spec, way: str) -> Row:
    """Return what a network is and costs; `training_bytes` is of a float32 step of one image."""
    counted = count(network)
    return {
        "way": way,
        "network": network.name,
        "depth": network.depth,
        "width": network.width,
        "image_size": network.image_size,
        "params": counted.trainable,
        "madds": counted.madds,
        "ratio": counted.madds / count(base).madds,
        "training_bytes": estimate_memory(network).total,
    }


def _compound(base: Spec, phi: float, coefficients: Coefficients) -> Spec:
    return scale(base, phi=phi, alpha=coefficients.alpha, beta=coefficients.beta, gamma=coefficients.gamma)
