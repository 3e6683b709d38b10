"""TFRecord files are whole and what they were made from, or there are none."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from efficientnet_tf.data import tfrecord
from efficientnet_tf.data.sources import Examples, read_source
from efficientnet_tf.data.tfrecord import read_labels
from efficientnet_tf.data.tfrecord_writing import check_shard, write_tfrecords
from efficientnet_tf.errors import EfficientNetError, UsageError

MAKE_ONE_AND_WAIT = """
import sys
from efficientnet_tf.data import read_source
from efficientnet_tf.data.tfrecord_writing import write_tfrecords

def wait(done, whole):
    if done == 100:
        print("half", flush=True)
        sys.stdin.read()

write_tfrecords({"train": read_source("sample")}, sys.argv[1], shards=4, progress=wait)
"""


@pytest.fixture(scope="module")
def splits() -> dict[str, Examples]:
    return {split: read_source("sample", split) for split in ("train", "validation")}


@pytest.fixture(scope="module")
def written(splits, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tfrecord") / "sample"
    write_tfrecords({"train": splits["train"]}, folder, shards=3)
    return folder


def assert_refused(kind: type[Exception], message: str, splits: dict[str, Examples], output: Path, **options) -> None:
    before = sorted(output.parent.rglob("*"))
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        write_tfrecords(splits, output, **options)
    assert sorted(output.parent.rglob("*")) == before


def test_wrong_values_are_refused_before_anything_is_written(splits, tmp_path, monkeypatch):
    output = tmp_path / "out"
    assert_refused(
        UsageError,
        "shards must be at most the number of images for training, 141, got 142.",
        splits,
        output,
        shards=142,
    )
    train = splits["train"]
    wrong = dataclasses.replace(train, labels=(5, *train.labels[1:]))
    assert_refused(
        EfficientNetError, f"The label of '{train.paths[0]}' must lie in 0...4, got 5.", {"train": wrong}, output
    )
    other = dataclasses.replace(train, class_names=("a", "b", "c", "d", "e"))
    assert_refused(
        EfficientNetError,
        "The classes of 'validation' are not those of 'train'.",
        {"train": train, "validation": other},
        output,
    )
    for name, shown in (("a\nb", r"a\nb"), (" ", " "), ("e", "e")):
        unfit = dataclasses.replace(train, class_names=(name, "b", "c", "d", "e"))
        message = f"The class '{shown}' cannot be a line of labels.txt, which holds each name once."
        assert_refused(EfficientNetError, message, {"train": unfit}, output)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))
    assert_refused(EfficientNetError, f"'{output}' needs 0.004 GB, and 0.001 GB are free on its disk.", splits, output)


def test_what_is_there_is_not_touched(splits, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("mine")
    message = f"'{tmp_path}/full' holds something already. Give an output folder that is new or empty."
    assert_refused(UsageError, message, splits, tmp_path / "full")
    (tmp_path / "file").write_text("mine")
    message = f"'{tmp_path}/file' is a file. Give an output folder that is new or empty."
    assert_refused(UsageError, message, splits, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    write_tfrecords({"train": splits["validation"]}, tmp_path / "empty")
    assert tfrecord.count_records(tmp_path / "empty" / "train-00000-of-00001") == 48


def test_what_came_there_meanwhile_is_not_replaced(splits, tmp_path):
    output = tmp_path / "out"

    def come_between(done: int, whole: int) -> None:
        output.mkdir(exist_ok=True)
        (output / "a").write_text("mine")

    with pytest.raises(UsageError, match="holds something already"):
        write_tfrecords({"train": splits["validation"]}, output, progress=come_between)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]


def test_image_that_cannot_be_read_any_more_stops_the_writing(splits, tmp_path):
    examples = splits["validation"]
    path = tmp_path / "a.jpg"
    changed = dataclasses.replace(examples, paths=(*examples.paths[:-1], str(path)))
    path.write_bytes(b"no image")
    assert_refused(EfficientNetError, f"Cannot read '{path}': it is no image.", {"train": changed}, tmp_path / "out")
    path.unlink()
    path.mkdir()
    assert_refused(EfficientNetError, f"Cannot read '{path}': Is a directory.", {"train": changed}, tmp_path / "out")


def test_interruption_leaves_nothing(splits, tmp_path):
    def interrupt(done: int, whole: int) -> None:
        assert whole == 48
        if done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tfrecords({"train": splits["validation"]}, tmp_path / "a" / "out", shards=4, progress=interrupt)
    assert list((tmp_path / "a").iterdir()) == []


def test_full_disk_is_one_line_and_leaves_nothing(splits, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        with pytest.raises(EfficientNetError, match=r"^Cannot write train-00000-of-00001: .*File too large\.$"):
            write_tfrecords({"train": splits["validation"]}, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_killed_process_leaves_nothing_that_looks_finished(splits, tmp_path):
    output = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-c", MAKE_ONE_AND_WAIT, str(output)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout.readline() == "half\n"
        # Two shards are whole and checked by now.
        (unfinished,) = tmp_path.iterdir()
        assert (unfinished / "train-00001-of-00004").stat().st_size > 0
        process.kill()
    assert not output.exists()
    assert re.fullmatch(r"\.out\.[0-9a-f]{8}\.partial", unfinished.name)
    assert not (unfinished / "dataset.json").exists()
    with pytest.raises(EfficientNetError, match="of the 4 shards of 'train' are missing"):
        tfrecord.shard_files(unfinished)
    write_tfrecords({"train": splits["train"]}, output, shards=4)
    assert sum(map(tfrecord.count_records, tfrecord.shard_files(output))) == 141


def test_damage_is_found_when_a_shard_is_read_back(splits, written, tmp_path):
    path = tmp_path / "train-00000-of-00003"
    whole = (written / path.name).read_bytes()
    path.write_bytes(whole)
    pairs = [
        (image, label) for image, label in tf.data.TFRecordDataset(str(path)).map(tfrecord.parse).as_numpy_iterator()
    ]
    expected = [(hashlib.sha256(image).digest(), int(label)) for image, label in pairs]
    check_shard(path, expected)

    def assert_found(message: str, rows: list[tuple[bytes, int]]) -> None:
        with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
            check_shard(path, rows)

    swapped = [expected[1], expected[0], *expected[2:]]
    assert_found("Record 1 of train-00000-of-00003 is not what was written; is the disk sound?", swapped)
    relabelled = [*expected[:5], (expected[5][0], 6), *expected[6:]]
    assert_found("Record 6 of train-00000-of-00003 is not what was written; is the disk sound?", relabelled)
    assert_found("Record 47 of train-00000-of-00003 is not what was written; is the disk sound?", expected[:-1])
    assert_found("train-00000-of-00003 holds 47 of the 48 records that were written.", [*expected, expected[0]])
    starts = [start for start, _ in tfrecord.record_positions(path)]
    damaged = bytearray(whole)
    damaged[starts[2] + 100] ^= 1
    path.write_bytes(damaged)
    assert_found("Record 3 of train-00000-of-00003 is damaged; is the disk sound?", expected)
    path.write_bytes(whole[:-1])
    assert_found("Record 47 of train-00000-of-00003 is damaged; is the disk sound?", expected)


def test_a_disk_that_writes_something_else_is_found(splits, tmp_path, monkeypatch):
    real = tf.io.TFRecordWriter

    class Faulty(real):
        def write(self, record: bytes) -> None:
            super().write(record.replace(b"\xff\xd8\xff", b"\xff\xd8\xfe", 1))

    monkeypatch.setattr(tf.io, "TFRecordWriter", Faulty)
    message = "Record 1 of train-00000-of-00001 is not what was written; is the disk sound?"
    assert_refused(EfficientNetError, message, {"train": splits["validation"]}, tmp_path / "out")


def test_names_behind_a_link_out_of_the_folder_are_not_read(tmp_path):
    (tmp_path / "secret").write_text("root\nx\n")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "labels.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(EfficientNetError) as caught:
        read_labels(tmp_path / "set")
    path = tmp_path / "set" / "labels.txt"
    assert str(caught.value) == f"{str(path)!r} is a link that leads out of the folder {str(path.parent)!r}."
