"""`csv:FILE`: a table that names the images, their classes and perhaps their splits."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import posixpath
import re
from collections.abc import Callable
from pathlib import Path, PureWindowsPath

from efficientnet_tf.data.sources.checked import readable_rows
from efficientnet_tf.data.sources.examples import Examples, no_split, short_name
from efficientnet_tf.data.splits import validation_names
from efficientnet_tf.errors import EfficientNetError, UsageError

#: What each column may be called; the first is the name in messages.
COLUMNS = {"file": ("file", "path", "image", "filename"), "label": ("label", "class"), "split": ("split",)}

_SPLITS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
_DELIMITERS = (",", "\t", ";")


@dataclasses.dataclass(frozen=True)
class _Row:
    """One image: its path relative to the folder of the table, with `/`; its class; its split, if the table has any."""

    name: str
    label: str
    split: str | None


def read_csv(path: str, split: str, *, validation_fraction: float, max_bad_files: float) -> Examples:
    """Return the images of one split of a table.

    The table is UTF-8, with or without a byte order mark, has a header, and is separated by commas, tabs or
    semicolons. Paths are relative to its folder. Without rows for validation, part of the training rows is held out
    by the rule of `splits`.

    Args:
        path: the table.
        split: `"train"`, `"validation"` or `"test"`.
        validation_fraction: the part of every class that is held out.
        max_bad_files: the share of the files that may be missing, empty or damaged, of 1.

    Raises:
        UsageError: the table does not exist.
        EfficientNetError: it is not such a table, a path is absolute or leads out of the folder, an image is named
            twice, there is a single class, or as `read_folder`.
    """
    rows = _read_rows(path)
    found = {row.split or "train" for row in rows}
    if "train" not in found:
        raise EfficientNetError(f"{path!r} has no rows whose split is train.")
    training = [row for row in rows if (row.split or "train") == "train"]
    classes = tuple(sorted({row.label for row in training}, key=_order({row.label for row in training})))
    if len(classes) == 1:
        raise EfficientNetError(f"{path!r} has a single class, {classes[0]!r}; two or more are needed.")
    for row in rows:
        if row.label not in classes:
            raise EfficientNetError(
                f"{path!r} has the class {row.label!r} in {row.split}, which train has not. "
                f"Allowed: {', '.join(classes)}."
            )
    if split == "test" and split not in found:
        raise no_split(repr(path), split, ", ".join(dict.fromkeys(["train", "validation", *sorted(found)])))
    if split in found and (split != "train" or "validation" in found):
        return _examples(path, [row for row in rows if (row.split or "train") == split], classes, max_bad_files)
    return _divide(path, _examples(path, training, classes, max_bad_files), split, validation_fraction)


def _divide(path: str, everything: Examples, split: str, fraction: float) -> Examples:
    folder = os.path.dirname(path) or "."
    names = [Path(file).relative_to(folder).as_posix() for file in everything.paths]
    chosen = validation_names(names, everything.labels, fraction)
    rows = [row for row, name in enumerate(names) if (name in chosen) == (split == "validation")]
    if not rows:
        raise EfficientNetError(f"No images for validation in {path!r}: every class has a single image.")
    return everything.take(rows)


def _examples(path: str, rows: list[_Row], classes: tuple[str, ...], max_bad_files: float) -> Examples:
    folder = Path(path).parent
    paths = [str(folder / row.name) for row in rows]
    readable, broken = readable_rows(
        paths,
        [row.label for row in rows],
        repr(path),
        place=lambda label: f"the class {label!r} of {path!r}",
        max_bad_files=max_bad_files,
    )
    index = {name: position for position, name in enumerate(classes)}
    return Examples(
        paths=tuple(paths[row] for row in readable),
        labels=tuple(index[rows[row].label] for row in readable),
        class_names=classes,
        skipped=broken,
        name=short_name(os.path.splitext(os.path.abspath(path))[0]),
    )


def _order(labels: set[str]) -> Callable[[str], tuple[int, str]]:
    """Return the key to sort classes by: as numbers if all of them are, else as text."""
    numbers = all(re.fullmatch(r"[+-]?[0-9]{1,18}", label) for label in labels)
    return lambda label: (int(label) if numbers else 0, label)


def _read_rows(path: str) -> list[_Row]:
    lines = _read_lines(path)
    if not lines:
        raise EfficientNetError(f"{path!r} is empty. Needed: a header with file and label, and rows.")
    columns = _find_columns(path, [name.strip() for name in lines[0][1]])
    rows: list[_Row] = []
    first: dict[str, int] = {}
    folder = os.path.realpath(os.path.dirname(path) or ".")
    for number, cells in lines[1:]:
        where = f"{path!r}, line {number}"
        if len(cells) != len(lines[0][1]):
            raise EfficientNetError(f"{where}: expected {len(lines[0][1])} fields as in the header, got {len(cells)}.")
        row = _parse_row(where, {kind: cells[column].strip() for kind, column in columns.items()}, folder)
        if row.name in first:
            raise EfficientNetError(f"{where}: names {row.name!r} again, after line {first[row.name]}.")
        first[row.name] = number
        rows.append(row)
    if not rows:
        raise EfficientNetError(f"{path!r} has a header and no rows.")
    return rows


def _read_lines(path: str) -> list[tuple[int, list[str]]]:
    """Return the lines that are not empty, each with its number in the file."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"No such file: {path!r}. Allowed: csv:FILE with the columns file and label.") from None
    except UnicodeDecodeError as error:
        raise EfficientNetError(f"{path!r} is not UTF-8, at byte {error.start}.") from None
    except OSError as error:
        raise EfficientNetError(f"Cannot read {path!r}: {error.strerror}.") from None
    header = text.split("\n", 1)[0]
    # The separator is the one that the header shows; of none, a comma.
    delimiter = max(_DELIMITERS, key=lambda mark: (header.count(mark), mark == ","))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise EfficientNetError(f"{path!r}, line {reader.line_num}: {error}.") from None


def _find_columns(path: str, header: list[str]) -> dict[str, int]:
    """Return the position of each kind of column that the table has."""
    lower = [name.lower() for name in header]
    columns: dict[str, int] = {}
    for kind, names in COLUMNS.items():
        found = [position for position, name in enumerate(lower) if name in names]
        if len(found) > 1:
            raise EfficientNetError(
                f"{path!r} has more than one column for the {kind}: "
                f"{', '.join(header[position] for position in found)}."
            )
        if found:
            columns[kind] = found[0]
        elif kind != "split":
            raise EfficientNetError(
                f"{path!r} has no column for the {kind}. Found: {', '.join(header)}. Allowed: {', '.join(names)}."
            )
    return columns


def _parse_row(where: str, cells: dict[str, str], folder: str) -> _Row:
    for kind, cell in cells.items():
        if not cell:
            raise EfficientNetError(f"{where}: the {kind} is empty.")
    split = _SPLITS.get(cells["split"].lower()) if "split" in cells else None
    if "split" in cells and split is None:
        raise EfficientNetError(f"{where}: the split is {cells['split']!r}. Allowed: {', '.join(_SPLITS)}.")
    if not cells["label"].isprintable():
        raise EfficientNetError(f"{where}: {cells['label']!r} cannot name a class.")
    return _Row(_inside(where, cells["file"], folder), cells["label"], split)


def _inside(where: str, file: str, folder: str) -> str:
    """Return a path in its shortest form, once it is known to stay in the folder of the table."""
    windows = PureWindowsPath(file)
    if posixpath.isabs(file) or windows.drive or windows.root:
        raise EfficientNetError(
            f"{where}: the path {file!r} is absolute. Allowed: paths relative to the folder of the table, "
            "so that both can be moved together."
        )
    name = posixpath.normpath(file)
    if "\0" in name or name.split("/")[0] == "..":
        raise EfficientNetError(f"{where}: the path {file!r} leads out of the folder of the table.")
    if not Path(os.path.realpath(os.path.join(folder, name))).is_relative_to(folder):
        raise EfficientNetError(f"{where}: the path {file!r} is a link that leads out of the folder of the table.")
    return name
