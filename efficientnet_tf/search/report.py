"""What a search or a study found, as tables on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from efficientnet_tf.benchmarking.tables import Columns, print_table, shorten
from efficientnet_tf.search.architecture import Found
from efficientnet_tf.search.candidates import digest_of
from efficientnet_tf.search.running import GridResult
from efficientnet_tf.specs import Spec, count

Row = Mapping[str, Any]

#: Triples that are printed; all are in the table.
_SHOWN = 10

GRID: Columns = {
    "alpha": lambda row: f"{row['alpha']:g}",
    "beta": lambda row: f"{row['beta']:g}",
    "gamma": lambda row: f"{row['gamma']:g}",
    "accuracy": lambda row: _with_error(row),
    "seeds": lambda row: str(row["seeds"]),
    "x base": lambda row: f"{row['madds_ratio']:.3g}",
}
CURVES: Columns = {
    "scaling": lambda row: row["curve"],
    "by": lambda row: f"{row['value']:g}",
    "network": lambda row: row["network"],
    "MAdds": lambda row: shorten(row["madds"]),
    "params": lambda row: shorten(row["params"]),
    "accuracy": lambda row: _with_error(row),
    "seeds": lambda row: str(row["seeds"]),
}
ROWS: Columns = {
    "stage": lambda row: str(row["stage"]),
    "block": lambda row: row["block"],
    "kernel": lambda row: row["kernel"],
    "SE": lambda row: row["se"],
    "skip": lambda row: row["skip"],
    "filters": lambda row: row["filters"],
    "layers": lambda row: row["layers"],
    "strides": lambda row: row["strides"],
}


def print_grid(base: Spec, result: GridResult) -> None:
    """Print the best triples, and how the base is scaled by the best one."""
    print_table(f"{base.name} at phi 1, the best first", GRID, [one.row() for one in result.ranked[:_SHOWN]])
    if len(result.ranked) > _SHOWN:
        print(f"{len(result.ranked) - _SHOWN} more are in the table.")
    alike = [one for one in result.ranked[1:] if digest_of(one.spec) == digest_of(result.spec)]
    if alike:
        triples = "; ".join(", ".join(f"{value:g}" for value in vars(one.coefficients).values()) for one in alike)
        print(f"At phi 1 these round to the same network as the best: {triples}. A larger --base tells them apart.")
    best, second = result.ranked[0], result.ranked[1] if len(result.ranked) > 1 else None
    if second is not None and best.standard_error is None:
        print("One seed tells nothing of chance: networks that are close may change places with others (--seeds).")
    elif second is not None and best.accuracy - second.accuracy < (best.standard_error or 0) + (
        second.standard_error or 0
    ):
        print("The first two are closer than their standard errors: chance may have put them in this order.")


def print_found(found: Found, target: float) -> None:
    """Print the best architecture as a table like the paper's Table 1, and what it is worth."""
    rows = [
        {
            "stage": number,
            "block": f"{row.kind}, expand_ratio {row.expand_ratio}",
            "kernel": f"{row.kernel_size}x{row.kernel_size}",
            "se": f"{row.se_ratio:g}" if row.se_ratio else "-",
            "skip": "yes" if row.skip else "no",
            "filters": str(row.filters),
            "layers": str(row.repeats),
            "strides": str(row.strides),
        }
        for number, row in enumerate(found.best.blocks, start=1)
    ]
    print_table(f"{found.best.name}, worth most of {len(found.rows)} trials", ROWS, rows)
    front = sum(row.get("pareto", 0) for row in found.rows)
    print(
        f"Accuracy {found.accuracy:.4f} with {shorten(found.madds)} multiply-adds and "
        f"{shorten(count(found.best).trainable)} parameters: worth {found.objective:.4f} at a target of "
        f"{shorten(target)}. {front} trials are such that none is better and cheaper."
    )
    if len(found.rows) > 1:
        print("The best of many was lucky, too: trained with another seed, it is likely to be a little less accurate.")


def print_study(title: str, rows: Sequence[Row]) -> None:
    """Print a row for each point of each curve."""
    print_table(title, CURVES, rows)


def _with_error(row: Row) -> str:
    if row["accuracy"] is None:
        return "failed"
    return f"{row['accuracy']:.4f}" + (f" ± {row['standard_error']:.4f}" if row["standard_error"] is not None else "")
