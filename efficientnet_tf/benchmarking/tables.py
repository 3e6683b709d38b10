"""Rows of figures as tables on the screen and as .csv files."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from efficientnet_tf.files import atomic_write_text

Row = Mapping[str, Any]
Columns = Mapping[str, Callable[[Row], str]]


def print_table(title: str, columns: Columns, rows: Sequence[Row]) -> None:
    """Print rows under a title, a column for each entry of `columns`."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=SIMPLE, pad_edge=False, padding=(0, 1), title_justify="left")
    texts = ("network", "alone", "base", "scaling")
    for heading in columns:
        table.add_column(heading, justify="left" if heading in texts else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(cell(row) for cell in columns.values()))
    # A narrow terminal breaks lines, which loses nothing; rich would cut the figures.
    Console(width=max(Console().width, 120)).print(table)


def print_notes(rows: Sequence[Row]) -> None:
    """Print which rows were not measured, and why: those with a `note`, each with its `candidate`."""
    for row in rows:
        if row.get("note"):
            print(f"Not measured: {row['candidate']}: {row['note']}")


def write_csv(path: str | os.PathLike[str], rows: Sequence[Row]) -> None:
    """Write rows of different columns to one file; what a row lacks stays empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows([{name: _cell(value) for name, value in row.items()} for row in rows])
    atomic_write_text(path, text.getvalue())


def shorten(number: float) -> str:
    """Return a number with three digits and a unit.

    >>> shorten(5_288_548), shorten(385_814_752), shorten(37_700_000_000)
    ('5.29 M', '386 M', '37.7 G')
    """
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * limit:
            return f"{number / limit:#.3g}".rstrip(".") + f" {unit}"
    return f"{number:g}"


def _cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
