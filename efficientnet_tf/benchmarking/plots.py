"""The paper's Figures 1 and 5: published accuracy against the size that is counted here."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from efficientnet_tf.benchmarking.paper import number
from efficientnet_tf.files import atomic_write_bytes

Row = Mapping[str, Any]

FAMILY, FIRST = "EfficientNet-", "EfficientNet-B0"
OURS, THEIRS = "#B03A2E", "#34495E"
#: Where a label stands beside its point: offset in points, and which of its sides faces the point.
SIDES = {
    "right": ((6, 0), {"ha": "left", "va": "center"}),
    "left": ((-6, 0), {"ha": "right", "va": "center"}),
    "above": ((0, 6), {"ha": "center", "va": "bottom"}),
    "below": ((0, -6), {"ha": "center", "va": "top"}),
    "above left": ((-4, 4), {"ha": "right", "va": "bottom"}),
    "below right": ((4, -4), {"ha": "left", "va": "top"}),
}


@dataclasses.dataclass(frozen=True)
class Cost:
    """What accuracy is drawn against.

    Attributes:
        figure: the paper's figure.
        axis: its axis.
        counted: the column of our figures.
        quoted: the column of the paper's, where there are none of ours.
        unit: what a step of the axis is.
        ticks: on the axis, in units.
        sides: labels that are not on the right of their points, since others are there.
    """

    figure: str
    axis: str
    counted: str
    quoted: str
    unit: float
    ticks: tuple[float, ...]
    sides: Mapping[str, str]


COSTS = {
    "figure1.png": Cost(
        "Figure 1",
        "parameters (millions)",
        "params",
        "paper_params",
        1e6,
        (5, 10, 20, 50, 100, 200, 500),
        {
            "DenseNet-169": "left",
            "DenseNet-264": "left",
            "Xception": "above",
            "Inception-v4": "left",
            "PNASNet": "above",
            "AmoebaNet-A": "left",
            "NASNet-A": "below",
            "GPipe": "above",
        },
    ),
    "figure5.png": Cost(
        "Figure 5",
        "multiply-adds (billions)",
        "madds",
        "paper_flops",
        1e9,
        (0.5, 1, 2, 5, 10, 20, 50),
        {
            "DenseNet-169": "left",
            "DenseNet-264": "left",
            "Inception-v3": "left",
            "Inception-v4": "left",
            "PNASNet": "above",
            "AmoebaNet-A": "left",
            "NASNet-A": "below",
            "AmoebaNet-C": "below",
        },
    ),
}


def plot_accuracy(rows: Sequence[Row], cost: Cost) -> Figure:
    """Draw published top-1 accuracy against a cost on a logarithmic axis.

    Full points are costs counted here, hollow ones the paper's; EfficientNets are joined.

    Args:
        rows: of `table2_rows`.
        cost: an entry of `COSTS`.
    """
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    axes = figure.subplots()
    family = [row for row in rows if row["network"].startswith(FAMILY)]
    x = [cost_of(row, cost) for row in family]
    axes.plot(x, [row["top1"] for row in family], "-", color=OURS, linewidth=1.5)
    for row in rows:
        _draw(axes, row, cost)
    axes.set_xscale("log")
    axes.set_xticks(cost.ticks, [f"{tick:g}" for tick in cost.ticks])
    axes.set_xticks([], minor=True)
    axes.margins(x=0.12, y=0.08)
    axes.set(xlabel=f"{cost.axis}, logarithmic", ylabel="ImageNet top-1 as published (%)")
    axes.set_title(
        f"In the manner of the paper's {cost.figure}. Full points: counted here; hollow: quoted from the paper.",
        loc="left",
        fontsize=10,
    )
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plain_numbers(axis: Axis) -> None:
    """Label a logarithmic axis with 20, 30, 50, not with powers of ten."""
    for formatter in (axis.set_major_formatter, axis.set_minor_formatter):
        formatter(lambda value, _: f"{value:g}")


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write a figure as a PNG, whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return atomic_write_bytes(path, buffer.getvalue())


def cost_of(row: Row, cost: Cost) -> float | None:
    """Return a row's cost in units of the axis: ours, else the paper's, else None.

    >>> cost_of({"params": None, "paper_params": "557M"}, COSTS["figure1.png"])
    557.0
    """
    value = row[cost.counted] if row[cost.counted] is not None else number(row[cost.quoted])
    return None if value is None else value / cost.unit


def _draw(axes: Axes, row: Row, cost: Cost) -> None:
    x, y = cost_of(row, cost), row["top1"]
    if x is None:  # the paper has no FLOPs of GPipe
        return
    is_ours = row["network"].startswith(FAMILY)
    # One label of the family in full, so that no legend is needed.
    name = row["network"] if row["network"] == FIRST else row["network"].removeprefix(FAMILY)
    colour = OURS if is_ours else THEIRS
    face = "white" if row[cost.counted] is None else colour
    axes.plot(x, y, "o", markersize=7 if is_ours else 6, markeredgecolor=colour, markerfacecolor=face, zorder=3)
    offset, alignment = SIDES[_side(name, is_ours, cost)]
    axes.annotate(
        name,
        (x, y),
        xytext=offset,
        textcoords="offset points",
        color=colour,
        fontsize=10 if is_ours else 9,
        fontweight="bold" if is_ours else "normal",
        **alignment,
    )


def _side(name: str, is_ours: bool, cost: Cost) -> str:
    if is_ours:
        return "below right" if name == FIRST else "above left"
    return cost.sides.get(name, "right")
