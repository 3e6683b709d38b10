"""Latencies as tables on the screen, and published accuracy against them as a figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from efficientnet_tf.benchmarking.paper import TABLE2
from efficientnet_tf.benchmarking.plots import OURS, THEIRS, plain_numbers
from efficientnet_tf.benchmarking.tables import Columns, Row, print_notes, print_table

#: How a form is drawn.
_STYLES = {"deployed": ("o", "-"), "Keras": ("s", ":"), "LiteRT": ("^", "-"), "PyTorch": ("D", "--")}

LATENCY: Columns = {
    "network": lambda row: row["candidate"],
    "median\nms": lambda row: _milliseconds(row["p50_ms"]),
    "90 %": lambda row: _milliseconds(row["p90_ms"]),
    "99 %": lambda row: _milliseconds(row["p99_ms"]),
    "mean": lambda row: _milliseconds(row["mean_ms"]),
    "x ours,\ndeployed": lambda row: f"{row['ratio']:.2f}",
    "first\ncall, s": lambda row: f"{row['first_call_seconds']:.1f}",
}
TABLE4: Columns = {
    "network": lambda row: row["network"],
    "form": lambda row: row.get("form", "quoted"),
    "top-1, as\npublished": lambda row: f"{row['paper_top1']:.1f}",
    "seconds": lambda row: f"{row['mean_ms'] / 1000:.3f}" if "mean_ms" in row else "-",
    "the paper's": lambda row: row["paper_seconds"],
    "ratio": lambda row: f"{row['ratio']:.1f}x" if "ratio" in row else "-",
    "the paper's ratio": lambda row: row["paper_ratio"],
}


def print_latency(rows: Sequence[Row]) -> None:
    """Print the rows of `latency.latency_rows`, a table for each architecture."""
    for variant in dict.fromkeys(row["variant"] for row in rows):
        found = [row for row in rows if row["variant"] == variant]
        first = found[0]
        pictures = "one picture" if first["batch_size"] == 1 else f"{first['batch_size']} pictures"
        threads = "one thread" if first["threads"] == 1 else f"{first['threads']} threads"
        title = f"Answers of {variant}: {pictures} of {first['image_size']} pixels, {threads}, float32"
        print_table(title, LATENCY, [row for row in found if not row["note"]])
        print_notes(found)
    first = rows[0]
    print(
        f"Of {first['rounds']} rounds in which all took turns, {first['calls_per_round']} calls each, on {_on(first)}."
    )


def print_table4(rows: Sequence[Row]) -> None:
    """Print the rows of `latency.table4_rows`."""
    print_table("The paper's Table 4: one picture, one thread, measured here", TABLE4, rows)
    print_notes(rows)
    print(f"Means of {rows[0]['runs']} runs, taken in turn on {_on(rows[0])}. Of GPipe there is no code: it is quoted.")


def plot_latency(rows: Sequence[Row]) -> Figure:
    """Draw published top-1 accuracy against measured latency, a line for each library and form.

    Args:
        rows: of `latency.latency_rows`; variants without a figure in the paper's Table 2 are left out.
    """
    published = {network.source: network.top1 for network in TABLE2}
    shown = [row for row in rows if not row["note"] and row["variant"] in published]
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    axes = figure.subplots()
    for candidate in dict.fromkeys(row["candidate"] for row in shown):
        points = [
            (row["p50_ms"], published[row["variant"]], row["variant"]) for row in shown if row["candidate"] == candidate
        ]
        ours = candidate.startswith("efficientnet_tf")
        marker, line = _STYLES[candidate.rpartition(", ")[2]]
        style = {"color": OURS if ours else THEIRS, "marker": marker, "linestyle": line}
        axes.plot(*zip(*[point[:2] for point in points], strict=True), label=candidate, **style)
        for x, y, name in points if candidate.endswith("LiteRT") else ():
            axes.annotate(name.upper(), (x, y), xytext=(-6, 4), textcoords="offset points", ha="right", color=OURS)
    axes.set_xscale("log")
    plain_numbers(axes.xaxis)
    axes.set(xlabel="median latency (ms), logarithmic", ylabel="ImageNet top-1 as published (%)")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if shown:
        first = shown[0]
        threads = "one thread" if first["threads"] == 1 else f"{first['threads']} threads"
        axes.set_title(f"Batch {first['batch_size']}, {threads} of {_on(first)}", loc="left", fontsize=10)
        axes.legend(frameon=False, loc="lower right")
    return figure


def _on(row: Row) -> str:
    return str(row["processor"])


def _milliseconds(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
