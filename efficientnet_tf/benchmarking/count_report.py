"""Sizes as tables on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficientnet_tf.benchmarking.tables import Columns, Row, print_table, shorten

ZOO: Columns = {
    "network": lambda row: row["network"],
    "trainable": lambda row: _whole(row["trainable"]),
    "official": lambda row: _whole(row["official_trainable"]),
    "total": lambda row: _whole(row["total"]),
    "official\ntotal": lambda row: _whole(row["official_total"]),
    "MAdds": lambda row: shorten(row["madds"]),
    "official\nMAdds": lambda row: row["official_madds"] or "-",
    "printed": lambda row: row["printed_madds"] or "-",
    "equal": lambda row: _yes(row["equal"]),
}
BUILT: Columns = {**ZOO, "in Keras": lambda row: _in_keras(row)}
TABLE2: Columns = {
    "network": lambda row: row["network"],
    "top-1 / top-5": lambda row: f"{row['top1']:.1f} / {row['top5']:.1f}",
    "params": lambda row: _beside(shorten, row["params"], row["paper_params"]),
    "params\nratio": lambda row: _beside(_times, row["params_ratio"], row["paper_params_ratio"]),
    "MAdds": lambda row: _beside(shorten, row["madds"], row["paper_flops"]),
    "MAdds\nratio": lambda row: _beside(_times, row["madds_ratio"], row["paper_flops_ratio"]),
    "counted from": lambda row: row["source"],
}


def print_zoo(rows: Sequence[Row]) -> None:
    """Print the rows of `zoo_rows`."""
    columns = BUILT if any("keras_madds" in row for row in rows) else ZOO
    print_table("Parameters and multiply-adds, ours and the official ones", columns, rows)
    print(
        "Official MAdds are those of the official code's convolutions and dense layers; printed ones are the authors', "
        "who count more or round, and are not compared."
    )
    compared = [row["equal"] for row in rows if row["equal"] is not None]
    print(f"{sum(compared)} of {len(compared)} networks are of the official size.")


def print_table2(rows: Sequence[Row]) -> None:
    """Print the rows of `table2_rows`, and which of the paper's figures ours are not."""
    print_table("The paper's Table 2: our counts, and in brackets the paper's figures", TABLE2, rows)
    counted = [row for row in rows if row["params"] is not None]
    print(f"{len(counted)} networks are counted here, {len(rows) - len(counted)} quoted. Accuracy is as published.")
    for name, column in (("Parameters", "params_as_printed"), ("Multiply-adds", "madds_as_printed")):
        others = [row["network"] for row in counted if not row[column]]
        print(f"{name} as printed, to the digits given: {len(counted) - len(others)}; not so: {', '.join(others)}.")


def _whole(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _yes(value: bool | None) -> str:
    return {None: "-", True: "yes", False: "NO"}[value]


def _in_keras(row: Row) -> str:
    """Return that the model which Keras builds has the same counts, or which it has."""
    names = ("trainable", "total", "madds")
    counts = [row[f"keras_{name}"] for name in names]
    return "the same" if counts == [row[name] for name in names] else " / ".join(map(_whole, counts))


def _times(value: float) -> str:
    return f"{value:#.2g}x".replace(".x", "x")


def _beside(text: Any, ours: float | None, papers: str) -> str:
    return f"{'-' if ours is None else text(ours).replace(' ', '')} ({papers})"
