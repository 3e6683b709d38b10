"""A picture of what scaling costs: multiply-adds against phi, parameters against multiply-adds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from efficientnet_tf.benchmarking.families import Row, compound_rows, published_rows, row_of
from efficientnet_tf.benchmarking.plots import save_figure
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import DIMENSIONS, Coefficients, Spec, scale

POINTS = 350
#: Okabe and Ito's colours, which the colour-blind tell apart.
COLOURS = {"compound": "#0072B2", "depth": "#E69F00", "width": "#009E73", "resolution": "#CC79A7"}
WORDS = {"compound": "compound", "depth": "depth alone", "width": "width alone", "resolution": "resolution alone"}


def plot_scaling(base: Spec, rows: Sequence[Row], coefficients: Coefficients, path: str | os.PathLike[str]) -> Path:
    """Draw the curves of compound scaling and of each dimension alone, up to the largest of the rows.

    Left, multiply-adds against phi, beside 2^phi times the base's; right, parameters against multiply-adds. Costs are
    on logarithmic axes; the given rows, and for B0 the published B1 to B7, are marked.

    Args:
        base: the network that is scaled.
        rows: of `compound_rows`.
        coefficients: that they were made with.
        path: a .png file.
    """
    lowest, highest = min(0.0, *(row["phi"] for row in rows)), max(1.0, *(row["phi"] for row in rows))
    phis = [lowest + (highest - lowest) * point / POINTS for point in range(POINTS + 1)]
    compound = compound_rows(base, phis, coefficients)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_costs(left, base, compound, rows)
    _draw_ways(right, base, compound)
    _mark_published(left, right, published_rows(base, coefficients))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(
        f"Scaling {base.name}: alpha {coefficients.alpha:g}, beta {coefficients.beta:g}, gamma {coefficients.gamma:g}"
    )
    return save_figure(figure, path)


def _draw_costs(axes: Any, base: Spec, compound: Sequence[Row], rows: Sequence[Row]) -> None:
    """Draw multiply-adds against phi."""
    phis, start = [row["phi"] for row in compound], row_of(base, base, "base")["madds"]
    axes.plot(phis, [row["madds"] for row in compound], color=COLOURS["compound"], label="compound, as rounded")
    axes.plot(phis, [start * 2**phi for phi in phis], "--", color="grey", label="2^phi times the base's")
    axes.plot([row["phi"] for row in rows], [row["madds"] for row in rows], "o", color=COLOURS["compound"])
    axes.set(yscale="log", xlabel="phi", ylabel="multiply-adds", title="Multiply-adds against phi")


def _draw_ways(axes: Any, base: Spec, compound: Sequence[Row]) -> None:
    """Draw parameters against multiply-adds for each way of scaling."""
    highest = max(row["madds"] for row in compound)
    curves = {"compound": list(compound), **{name: list(_single_curve(base, name, highest)) for name in DIMENSIONS}}
    for way, rows in curves.items():
        x, y = [row["madds"] for row in rows], [row["params"] for row in rows]
        axes.plot(x, y, color=COLOURS[way], label=WORDS[way])
    axes.set(xscale="log", yscale="log", xlabel="multiply-adds", ylabel="parameters")
    axes.set_title("Parameters against multiply-adds")


def _single_curve(base: Spec, dimension: str, highest: float) -> Iterator[Row]:
    """Yield networks of growing factors, as many as `scale` allows and the compound ones have multiply-adds."""
    factor = 1.0
    while True:
        try:
            row = row_of(scale(base, **{dimension: factor}), base, dimension)
        except UsageError:
            return
        if row["madds"] > highest:
            return
        yield row
        factor *= 1.08


def _mark_published(left: Any, right: Any, published: Sequence[Row]) -> None:
    """Mark B1 to B7: on the left as a line from the smallest to the largest phi of their three dimensions."""
    if not published:
        return
    madds = [row["madds"] for row in published]
    phis = [[row[f"phi_by_{name}"] for name in DIMENSIONS if row[f"phi_by_{name}"] is not None] for row in published]
    left.hlines(madds, list(map(min, phis)), list(map(max, phis)), color="black", lw=2, label="B1 to B7, by dimension")
    right.scatter(madds, [row["params"] for row in published], color="black", zorder=3, label="B1 to B7")
