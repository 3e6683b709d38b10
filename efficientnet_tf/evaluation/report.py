"""An evaluation on the screen, and its predictions as a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efficientnet_tf.errors import UsageError
from efficientnet_tf.files import atomic_write_bytes

if TYPE_CHECKING:
    from rich.table import Table

_CLASSES_SHOWN, _PAIRS_SHOWN, _MATRIX_UP_TO, _SKIPPED_SHOWN = 20, 10, 10, 20

# Keys of the figures, and what they are called on the screen.
_FIGURES = {
    "top1": "top-1",
    "top5": "top-5",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "loss": "loss",
    "ece": "calibration error",
}


def print_evaluation(result: Mapping[str, Any]) -> None:
    """Print what `Evaluation.to_json` returns: the figures, the worst classes and the most confused pairs first."""
    from rich.console import Console

    # A narrow terminal breaks lines, which loses nothing; rich would cut the figures. Names of classes are not markup.
    console = Console(width=1000, markup=False, emoji=False, highlight=False, soft_wrap=True)
    views = f", the mean of {result['views']} views each" if result["views"] > 1 else ""
    console.print(
        f"{result['network']} on {_count(result['examples'], 'photograph')} of {result['data']} "
        f"({result['split']}){views}:"
    )
    for key, name in _FIGURES.items():
        if result[key] is not None:
            console.print(f"  {name:<18} {_share(result[key], digits=4)}")
    per_class = {label: row for label, row in result["per_class"].items() if row["examples"]}
    console.print(_class_table(per_class))
    if len(per_class) > _CLASSES_SHOWN:
        console.print(f"and {len(per_class) - _CLASSES_SHOWN} classes more, all better; --json has them.")
    if result["confusion"] is not None:
        _print_confusion(console, list(result["per_class"]), result["confusion"])
    for entry in result["skipped"][:_SKIPPED_SHOWN]:
        console.print(f"skipped {entry['file']}: {entry['reason']}")
    if result["skipped"]:
        console.print(f"{_count(len(result['skipped']), 'file')} skipped.")


def most_confused(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> list[tuple[str, str, int, int]]:
    """Return (right class, class it was taken for, how often, examples of the right class), the most often first.

    >>> most_confused(["cat", "dog"], [[3, 1], [2, 8]])
    [('dog', 'cat', 2, 10), ('cat', 'dog', 1, 4)]
    """
    pairs = [
        (labels[right], labels[taken], count, sum(row))
        for right, row in enumerate(confusion)
        for taken, count in enumerate(row)
        if count and taken != right
    ]
    # Of pairs that are equally frequent, the one that is more of its class.
    return sorted(pairs, key=lambda pair: (-pair[2], -pair[2] / pair[3]))


def prepare_file(path: str) -> None:
    """See that a file can be written, before hours of work rely on it.

    Raises:
        UsageError: it exists, or its folder does not.
    """
    file = Path(path)
    if file.exists():
        raise UsageError(f"--output={path} exists already. Give a new file.")
    if not file.absolute().parent.is_dir():
        raise UsageError(f"--output={path} is to be in the folder {file.parent}, which does not exist.")


def write_predictions(path: str, result: Mapping[str, Any], predictions: Sequence[Mapping[str, Any]]) -> None:
    """Write the prediction of each photograph as .csv, or with the whole result as .json."""
    if path.endswith(".json"):
        text = json.dumps({**result, "predictions": list(predictions)}, ensure_ascii=False, allow_nan=False) + "\n"
    else:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, ("file", "label", "predicted", "probability"), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "probability": f"{row['probability']:.6f}"} for row in predictions)
        text = buffer.getvalue()
    # The name of a file need not be text.
    atomic_write_bytes(path, text.encode("utf-8", "surrogateescape"))


def _class_table(per_class: Mapping[str, Mapping[str, Any]]) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    worst = sorted(per_class.items(), key=lambda item: (item[1]["top1"], item[1]["f1"]))[:_CLASSES_SHOWN]
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1))
    table.add_column("class, the worst first", no_wrap=True)
    for heading in ("examples", "top-1", "precision", "F1"):
        table.add_column(heading, justify="right", no_wrap=True)
    for label, row in worst:
        table.add_row(label, str(row["examples"]), *(_share(row[key]) for key in ("top1", "precision", "f1")))
    return table


def _print_confusion(console: Any, labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    pairs = most_confused(labels, confusion)
    if pairs:
        console.print("Most often confused:")
    for right, taken, count, examples in pairs[:_PAIRS_SHOWN]:
        console.print(f"  {right} taken for {taken}: {count} of {examples}")
    if not pairs or len(labels) > _MATRIX_UP_TO:
        return
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1))
    table.add_column("class, taken for:", no_wrap=True)
    for label in labels:
        table.add_column(label, justify="right", no_wrap=True)
    for label, row in zip(labels, confusion, strict=True):
        table.add_row(label, *(str(count) if count else "." for count in row))
    console.print(table)


def _share(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
