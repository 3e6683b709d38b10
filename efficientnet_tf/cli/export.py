"""`efficientnet-export`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from efficientnet_tf.cli.command import run_command
from efficientnet_tf.config import ExportConfig
from efficientnet_tf.flags import CommandLine


def main(argv: Sequence[str] | None = None) -> int:
    """Export a network and verify every artifact; return the exit code."""
    return run_command("export", _export, argv)


def _export(line: CommandLine) -> dict[str, Any]:
    from efficientnet_tf.exporting import source_of, write_artifacts

    assert isinstance(line.config, ExportConfig)
    source, folder = source_of(line.config)
    print(f"Exporting {source.name} to {folder}.", flush=True)
    # At once, also where a program reads it: exports take a while.
    rows = write_artifacts(source, folder, line.config, functools.partial(print, flush=True))
    print_report(rows, folder)
    return {"output_dir": str(folder), "artifacts": rows}


def print_report(rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """Print report.json as a table, and what was not verified."""
    import sys

    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"Beside Keras, on {max(row['photographs'] for row in rows)} photographs",
        caption="max diff.: of any probability; same class: photographs whose most probable class is Keras' too; "
        "ms: for one photograph",
        caption_justify="left",
        box=SIMPLE,
        pad_edge=False,
        padding=(0, 1),
    )
    for heading in ("artifact", "MB", "max diff.", "same class", "ms", "verified"):
        table.add_column(heading, justify="left" if heading == "artifact" else "right", no_wrap=True)
    for row in rows:
        table.add_row(row["file"], f"{row['bytes'] / 1e6:.1f}", *_figures(row))
    Console(file=sys.stdout).print(table)
    for row in rows:
        if not row["photographs"]:
            print(f"Warning: {row['file']} was not verified. {row['reason']}")
    if any(row.get("clear_photographs") == 0 for row in rows):
        print(
            "Warning: classes were not checked, since on none of the photographs Keras' top class leads the next by "
            "10 % or more. Give others by --verify, or more of them by --verify_images."
        )
    print(f"Written to {folder}; look at {folder / 'report.html'}. The figures are in {folder / 'report.json'}.")


def _figures(row: dict[str, Any]) -> list[str]:
    """Return the cells of what an artifact showed; those of what it does not answer are empty."""
    total = row["photographs"]
    if not total:
        return ["", "", "", "no"]
    largest, share, milliseconds = (row[name] for name in ("max_difference", "top1_agreement", "latency_ms"))
    return [
        "" if largest is None else f"{largest:.1e}",
        "" if share is None else f"{round(share * total)} of {total}",
        "" if milliseconds is None else f"{milliseconds:.1f}",
        "yes" if row["verified"] else "no",
    ]


if __name__ == "__main__":
    raise SystemExit(main())
