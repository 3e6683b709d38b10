"""Records that come one after another, laid down so that they can be written in any order."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import pytest
import tensorflow as tf
from PIL import Image
from source_files import write_records

from efficientnet_tf.data import tfrecord
from efficientnet_tf.data.sources.examples import Part, Records
from efficientnet_tf.data.tfrecord_spooling import spool
from efficientnet_tf.data.tfrecord_writing import write_tfrecords
from efficientnet_tf.errors import EfficientNetError


def picture(number: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(file, "PNG")
    return file.getvalue()


def parse(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    image, label = tfrecord.parse(serialized)
    return image, tf.cast(label, tf.int32) - 1


def write(path: Path, rows: list[tuple[bytes, int]]) -> str:
    return str(write_records(path, rows))


@pytest.fixture
def records(tmp_path) -> Records:
    (tmp_path / "in").mkdir()
    rows = [(picture(number), number % 3 + 1) for number in range(300)]
    files = [write(tmp_path / "in" / "a", rows[:200]), write(tmp_path / "in" / "b", rows[200:])]
    return Records(
        parts=(Part(files[0], 5, 195), Part(files[1], 0, 90)),
        class_names=("x", "y", "z"),
        name="in",
        open=tf.data.TFRecordDataset,
        parse=parse,
        first_label=1,
    )


def assert_error(message: str, records: Records, file: Path, **options: float) -> None:
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        spool(records, file, **options)


def test_records_can_be_read_in_any_order(records, tmp_path):
    examples = spool(records, tmp_path / "images")
    assert (len(examples), examples.class_names, examples.skipped, examples.name) == (285, ("x", "y", "z"), (), "in")
    for row in (284, 0, 194, 195, 17):
        assert examples.read(row) == picture(row + 5)
        assert examples.labels[row] == (row + 5) % 3
    assert (examples.paths[0], examples.paths[195]) == (f"{tmp_path}/in/a#5", f"{tmp_path}/in/b#0")
    few = examples.take([284, 0])
    assert (few.read(0), few.read(1), few.labels) == (picture(289), picture(5), (1, 2))


def test_what_is_laid_down_is_written(records, tmp_path):
    record = write_tfrecords({"train": spool(records, tmp_path / "images")}, tmp_path / "out", shards=2)
    assert record["splits"]["train"]["per_class"] == {"x": 95, "y": 95, "z": 95}
    dataset = tf.data.TFRecordDataset(list(tfrecord.shard_files(tmp_path / "out"))).map(parse)
    received = [(image, int(label)) for image, label in dataset.as_numpy_iterator()]
    expected = [(picture(number), number % 3) for number in range(5, 290)]
    assert sorted(received) == sorted(expected)
    assert received != expected


def test_what_is_no_image_is_skipped_and_named(records, tmp_path):
    file = write(tmp_path / "in" / "a", [(picture(0), 1), (b"no image", 2), (picture(2), 3)])
    records = dataclasses.replace(records, parts=(Part(file, 0, 3),))
    reason = "its content is not JPEG, PNG, BMP, GIF or WebP"
    examples = spool(records, tmp_path / "images", max_bad_files=0.5)
    assert examples.skipped == ((f"{file}#1", reason),)
    assert [examples.read(row) for row in range(2)] == [picture(0), picture(2)]
    assert_error(
        f"1 of the 3 images in in cannot be used, more than max_bad_files=0.1 allows: {file}#1 ({reason}).",
        records,
        tmp_path / "more",
    )


def test_labels_out_of_range_and_damaged_files_are_named(records, tmp_path):
    file = write(tmp_path / "in" / "a", [(picture(0), 1), (picture(1), 4)])
    wrong = dataclasses.replace(records, parts=(Part(file, 0, 2),))
    message = f"The record '{file}#1' has the label 4. Allowed: 1 to 3, one for each of the class names."
    assert_error(message, wrong, tmp_path / "images")
    second = [start for start, _ in tfrecord.record_positions(file)][1]
    data = bytearray(Path(file).read_bytes())
    data[second + 30] ^= 1
    Path(file).write_bytes(data)
    message = f"The record '{file}#1' cannot be read; it is damaged, or of another schema."
    assert_error(message, wrong, tmp_path / "more")
