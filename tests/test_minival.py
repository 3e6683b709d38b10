"""Photographs held out of training: how many, which, and that no other part loses or gains any."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from source_files import noise, save, write_shards

from efficientnet_tf.data.minival import hold_out
from efficientnet_tf.data.sources import Examples, Part, Records, read_source
from efficientnet_tf.data.streams import all_records
from efficientnet_tf.errors import UsageError


def imagenet() -> Records:
    """Return ImageNet's training files as the official script fills them; nothing of them is read here."""
    bounds = np.linspace(0, 1_281_167, 1025).astype(int)
    parts = tuple(Part(f"train-{row:05d}-of-01024", 0, int(take)) for row, take in enumerate(np.diff(bounds)))
    return Records(parts=parts, class_names=("a",) * 1000, name="imagenet", open=None, parse=None)


def letters(sizes: dict[str, int]) -> Examples:
    files = [(label, f"data/{name}/{row}.jpg") for label, name in enumerate(sizes) for row in range(sizes[name])]
    return Examples(
        paths=tuple(path for _, path in files),
        labels=tuple(label for label, _ in files),
        class_names=tuple(sizes),
        skipped=(("data/a/broken.jpg", "an empty file"),),
        name="data",
    )


def test_imagenet_is_divided_as_by_the_official_code():
    rest, held_out = hold_out(imagenet(), 25_022)
    assert [part.file for part in held_out.parts] == [f"train-{row:05d}-of-01024" for row in range(20)]
    assert (len(held_out), len(rest), len(rest.parts)) == (25_022, 1_256_145, 1004)


def test_few_records_are_the_first_of_each_file():
    rest, held_out = hold_out(imagenet(), 600)
    assert (len(held_out), len(rest)) == (600, 1_280_567)
    assert Counter(part.take for part in held_out.parts) == {1: 600}
    assert {part.skip for part in held_out.parts} == {0}
    assert [part.skip for part in rest.parts if part.skip] == [1] * 600


def test_nothing_of_records_is_lost_or_read_twice(tmp_path):
    write_shards(tmp_path, [6, 5, 7, 5])
    write_shards(tmp_path, [2], split="validation", first=50)
    source = read_source(f"tfrecord:{tmp_path}")
    for count, files in ((6, [6]), (11, [6, 5]), (8, [2, 1, 3, 2]), (22, [5, 5, 7, 5])):
        rest, held_out = hold_out(source, count)
        assert [part.take for part in held_out.parts] == files
        images = [image for side in (rest, held_out) for image, _ in all_records(side).as_numpy_iterator()]
        assert len(images) == len(rest) + len(held_out)
        assert sorted(images) == sorted(map(noise, range(23)))


def test_limits_of_records(tmp_path):
    write_shards(tmp_path, [3, 3])
    write_shards(tmp_path, [1], split="validation")
    source = read_source(f"tfrecord:{tmp_path}")
    message = "minival must be below the 6 training photographs, got 6."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        hold_out(source, 6)
    with pytest.raises(UsageError, match=r"^minival must be at least 1, got 0\.$"):
        hold_out(source, 0)


def test_examples_are_held_out_of_every_class():
    source = letters({"a": 50, "b": 30, "c": 20})
    rest, held_out = hold_out(source, 10)
    assert Counter(held_out.labels) == {0: 5, 1: 3, 2: 2}
    assert len(rest) == 90
    assert sorted(rest.paths + held_out.paths) == sorted(source.paths)
    assert rest.skipped == held_out.skipped == source.skipped


@pytest.mark.parametrize("count", range(1, 18))
def test_the_count_is_exact(count):
    source = letters({"a": 1, "b": 2, "c": 7, "d": 11})
    rest, held_out = hold_out(source, count)
    assert (len(held_out), len(rest)) == (count, 21 - count)
    assert Counter(rest.labels).keys() == {0, 1, 2, 3}  # a class keeps one to train on


def test_neither_order_nor_folder_decides():
    source = letters({"a": 9, "b": 6})
    _, held_out = hold_out(source, 5)
    order = np.random.default_rng(1).permutation(len(source))
    assert set(hold_out(source.take([int(row) for row in order]), 5)[1].paths) == set(held_out.paths)
    moved = dataclasses.replace(source, paths=tuple(f"/elsewhere/{path}" for path in source.paths))
    assert hold_out(moved, 5)[1].paths == tuple(f"/elsewhere/{path}" for path in held_out.paths)


def test_another_photograph_moves_at_most_one():
    source = letters({"a": 40, "b": 40})
    before = set(hold_out(source, 20)[1].paths)
    after = set(hold_out(letters({"a": 41, "b": 40}), 20)[1].paths)
    assert len(before - after) <= 1


def test_a_folder(tmp_path: Path):
    for name in ("cats", "dogs"):
        for split, count in (("train", 6), ("val", 2)):
            for row in range(count):
                save(tmp_path / split / name / f"{row}.png", shade=row)
    source = read_source(str(tmp_path))
    rest, held_out = hold_out(source, 4)
    assert (Counter(rest.labels), Counter(held_out.labels)) == ({0: 4, 1: 4}, {0: 2, 1: 2})


def test_limits_of_examples():
    message = "minival must be at most 13, to leave a photograph of every class to train on; got 14."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        hold_out(letters({"a": 9, "b": 6}), 14)
