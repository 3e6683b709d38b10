"""Pictures of searches and studies, in the form of the paper's figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from efficientnet_tf.benchmarking.plots import plain_numbers, save_figure
from efficientnet_tf.benchmarking.scaling_plot import COLOURS as OF_WAYS
from efficientnet_tf.specs import DIMENSIONS

Row = Mapping[str, Any]

#: Okabe and Ito's colours, first those that ways of scaling have in every figure.
COLOURS = (*OF_WAYS.values(), "#D55E00", "#56B4E9")


def plot_grid(rows: Sequence[Row], path: Path) -> Path:
    """Draw the accuracy of each triple against its real cost; rows are those of `Ranked.row`, the best first."""
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for row in rows:
        axes.errorbar(
            row["madds_ratio"], row["accuracy"], yerr=row["standard_error"], fmt="o", color=COLOURS[0], capsize=2
        )
    best = rows[0]
    axes.plot(best["madds_ratio"], best["accuracy"], "o", markersize=11, markerfacecolor="none", color=COLOURS[4])
    for place, row in enumerate(rows[:5], start=1):
        axes.annotate(str(place), (row["madds_ratio"], row["accuracy"]), xytext=(7, 3), textcoords="offset points")
    named = [
        f"{place}: {row['alpha']:g}, {row['beta']:g}, {row['gamma']:g}" for place, row in enumerate(rows[:5], start=1)
    ]
    nothing = [Line2D([], [], linestyle="") for _ in named]
    axes.legend(nothing, named, title="alpha, beta, gamma", handlelength=0, frameon=False, fontsize=9)
    axes.axvline(2.0, color="grey", linewidth=0.8, linestyle=":")
    _finish(axes, "multiply-adds, as a multiple of the base's", _accuracy(rows))
    axes.set_title("The base scaled by each triple at phi 1; the best is ringed", loc="left", fontsize=10)
    return save_figure(figure, path)


def plot_front(rows: Sequence[Row], path: Path) -> Path:
    """Draw all trials of an architecture search, and the front of those that none beats."""
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    done = [row for row in rows if row["state"] == "done"]
    axes.plot([_millions(row) for row in done], [row["accuracy"] for row in done], "o", color="#999999", markersize=4)
    front = sorted((row for row in done if row["pareto"]), key=lambda row: row["madds"])
    axes.plot([_millions(row) for row in front], [row["accuracy"] for row in front], "o-", color=COLOURS[0])
    best = max(done, key=lambda row: row["objective"])
    axes.plot(_millions(best), best["accuracy"], "o", markersize=11, markerfacecolor="none", color=COLOURS[4])
    axes.set_xscale("log")
    plain_numbers(axes.xaxis)
    _finish(axes, "multiply-adds (millions)", "accuracy of the short training")
    axes.set_title("Trials, those that none beats (blue), and the one worth most (ringed)", loc="left", fontsize=10)
    return save_figure(figure, path)


def plot_study(figure_name: str, rows: Sequence[Row], path: Path) -> Path:
    """Draw the curves of a study: Figure 3 a panel for each dimension, the others all in one."""
    rows = [row for row in rows if row["accuracy"] is not None]
    if figure_name == "figure3":
        figure = Figure(figsize=(11, 3.8), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
        for axes, dimension in zip(panels, ("width", "depth", "resolution"), strict=True):
            own = [row for row in rows if row["curve"] == dimension]
            _curve(axes, own, OF_WAYS[dimension], None)
            for row in own:
                axes.annotate(
                    f"{dimension[0]}={row['value']:g}",
                    (_millions(row), row["accuracy"]),
                    xytext=(4, -11),
                    textcoords="offset points",
                    fontsize=8,
                )
            _finish(axes, "multiply-adds (millions)", _accuracy(rows) if dimension == "width" else "")
            axes.margins(x=0.12, y=0.12)  # room for what is written beside the first and the last point
            axes.set_title(f"{dimension} alone", loc="left", fontsize=10)
        return save_figure(figure, path)
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.subplots()
    base = [row for row in rows if row["curve"] == "base"]
    curves = list(dict.fromkeys(row["curve"] for row in rows if row["curve"] != "base"))
    for number, curve in enumerate(curves):
        own = [*base, *(row for row in rows if row["curve"] == curve)]
        label = f"{curve} alone" if curve in DIMENSIONS else curve
        _curve(axes, own, OF_WAYS.get(curve, COLOURS[number % len(COLOURS)]), label)
    axes.legend(frameon=False, fontsize=9)
    _finish(axes, "multiply-adds (millions)", _accuracy(rows))
    return save_figure(figure, path)


def _curve(axes: Axes, rows: Sequence[Row], colour: str, label: str | None) -> None:
    ordered = sorted(rows, key=lambda row: row["madds"])
    axes.errorbar(
        [_millions(row) for row in ordered],
        [row["accuracy"] for row in ordered],
        yerr=[row["standard_error"] or 0.0 for row in ordered],
        fmt="o-",
        color=colour,
        label=label,
        capsize=2,
        markersize=5,
    )


def _finish(axes: Axes, x: str, y: str) -> None:
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _accuracy(rows: Sequence[Row]) -> str:
    """Return the name of an axis: with bars of the standard error where there are several seeds."""
    seeds = max((row["seeds"] for row in rows), default=1)
    return "accuracy of the short training" + (f"\n(mean and standard error of {seeds} seeds)" if seeds > 1 else "")


def _millions(row: Row) -> float:
    return float(row["madds"]) / 1e6
