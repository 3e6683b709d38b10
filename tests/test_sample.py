"""The bundled photographs: whole, attributed, and divided by the written rule."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from efficientnet_tf.data.sources import SAMPLE, read_source


def rows(name: str) -> list[dict[str, str]]:
    with (SAMPLE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_sample_names_author_licence_and_source_of_every_photograph() -> None:
    table = rows("labels.csv")
    assert sorted(row["file"] for row in table) == sorted(
        path.relative_to(SAMPLE).as_posix() for path in SAMPLE.glob("*/*")
    )
    assert len(table) == 189
    assert {row["licence"] for row in table} == {"CC0-1.0", "Public Domain"}
    assert all(row["author"] and row["source_url"].startswith("https://") for row in table)
    assert all(row["file"].split("/")[0] == row["class"] for row in table)


def test_split_of_the_sample_follows_its_rule() -> None:
    # Written out again, so that a change of `splits` cannot move the sample's division along with it.
    expected = {}
    by_class: dict[str, list[str]] = {}
    for row in rows("labels.csv"):
        by_class.setdefault(row["class"], []).append(row["file"])
    for files in by_class.values():
        files.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
        quarter = int(len(files) / 4 + 0.5)
        expected.update(dict.fromkeys(files[:quarter], "validation") | dict.fromkeys(files[quarter:], "train"))
    table = rows("split.csv")
    assert {row["file"]: row["split"] for row in table} == expected
    assert [row["file"] for row in table] == sorted(expected)


def test_sample_is_read_whole() -> None:
    training, validation = read_source("sample"), read_source("sample", "validation")
    assert (len(training), len(validation)) == (141, 48)
    assert not set(training.paths) & set(validation.paths)
    assert training.skipped == validation.skipped == ()
    assert training.name == validation.name == "sample"
    assert [validation.labels.count(label) for label in range(5)] == [6, 7, 18, 7, 10]
    for path, label in zip(training.paths, training.labels, strict=True):
        assert Path(path).parent.name == training.class_names[label]
