"""Photographs into TFRecord files and back: the same bytes, labels and names, or nothing."""

from __future__ import annotations

import collections
import hashlib
import json
from pathlib import Path

import pytest
import tensorflow as tf
from PIL import Image

from efficientnet_tf.data import tfrecord
from efficientnet_tf.data.sources import Examples, read_source
from efficientnet_tf.data.tfrecord_writing import SHARD_BYTES, shuffled, write_tfrecords

# What the official pipeline asks for, with its defaults.
OFFICIAL = {
    "image/encoded": tf.io.FixedLenFeature((), tf.string, ""),
    "image/class/label": tf.io.FixedLenFeature([], tf.int64, -1),
}
BESIDE = {
    "image/filename": tf.io.FixedLenFeature((), tf.string),
    "image/class/text": tf.io.FixedLenFeature((), tf.string),
    "image/class/synset": tf.io.FixedLenFeature((), tf.string, ""),
    "image/format": tf.io.FixedLenFeature((), tf.string),
    "image/colorspace": tf.io.FixedLenFeature((), tf.string),
    "image/height": tf.io.FixedLenFeature((), tf.int64),
    "image/width": tf.io.FixedLenFeature((), tf.int64),
    "image/channels": tf.io.FixedLenFeature((), tf.int64),
}


@pytest.fixture(scope="module")
def splits() -> dict[str, Examples]:
    return {split: read_source("sample", split) for split in ("train", "validation")}


@pytest.fixture(scope="module")
def written(splits, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tfrecord") / "sample"
    write_tfrecords(splits, folder, shards=3, about={"data": "sample"})
    return folder


def read(folder: Path, split: str) -> list[dict[str, bytes | int]]:
    paths = [path for path in tfrecord.shard_files(folder) if tfrecord.split_of(path) == split]
    dataset = tf.data.TFRecordDataset(list(paths)).map(lambda one: tf.io.parse_single_example(one, OFFICIAL | BESIDE))
    return list(dataset.as_numpy_iterator())


def make_folder(folder: Path, files: dict[str, Image.Image]) -> None:
    for name, image in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(folder / name)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_what_is_read_back_is_what_was_written(split, splits, written):
    examples = splits[split]
    originals = {
        Path(path).name: (Path(path).read_bytes(), examples.class_names[label])
        for path, label in zip(examples.paths, examples.labels, strict=True)
    }
    records = read(written, split)
    labels = tfrecord.read_labels(written)
    assert labels == examples.class_names
    received = {
        record["image/filename"].decode(): (record["image/encoded"], labels[record["image/class/label"] - 1])
        for record in records
    }
    assert received == originals
    assert len(records) == len(examples)
    for record in records:
        assert record["image/class/text"].decode() == labels[record["image/class/label"] - 1]
        shape = tf.io.decode_jpeg(record["image/encoded"]).shape
        assert (record["image/height"], record["image/width"], record["image/channels"]) == tuple(shape)
        assert (record["image/format"], record["image/colorspace"]) == (b"JPEG", b"RGB")


def test_folder_holds_the_official_names_and_what_was_done(splits, written):
    shards = [f"train-0000{n}-of-00003" for n in range(3)] + ["validation-00000-of-00001"]
    assert sorted(path.name for path in written.iterdir()) == ["dataset.json", "labels.txt", *shards]
    assert [path.name for path in written.parent.iterdir()] == ["sample"]
    record = json.loads((written / "dataset.json").read_text(encoding="utf-8"))
    assert list(record) == ["data", "seed", "class_names", "formats", "splits", "skipped"]
    assert (record["data"], record["seed"], record["formats"]) == ("sample", 0, {"JPEG": 189})
    for split, examples in splits.items():
        part = record["splits"][split]
        counts = collections.Counter(examples.labels)
        assert part["per_class"] == {name: counts[n] for n, name in enumerate(examples.class_names)}
        assert part["records"] == len(examples) == sum(shard["records"] for shard in part["shards"])
        for shard in part["shards"]:
            data = (written / shard["file"]).read_bytes()
            assert (shard["bytes"], shard["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
            assert tfrecord.count_records(written / shard["file"]) == shard["records"]


def test_every_shard_holds_a_fair_share_of_every_class(splits, written):
    counts = collections.Counter(splits["train"].labels)
    for path in tfrecord.shard_files(f"{written}/train-*"):
        labels = [int(label) for _, label in tf.data.TFRecordDataset(path).map(tfrecord.parse)]
        assert len(labels) == 47
        for label, count in counts.items():
            assert labels.count(label + 1) == pytest.approx(count / 3, abs=6)


def test_order_follows_from_the_seed(splits, written, tmp_path):
    part = {"train": splits["train"]}
    for name, seed in (("same", 0), ("other", 1)):
        write_tfrecords(part, tmp_path / name, shards=3, seed=seed)
    for number in range(3):
        name = f"train-0000{number}-of-00003"
        assert (tmp_path / "same" / name).read_bytes() == (written / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (written / name).read_bytes()
    names = [[row["image/filename"] for row in read(tmp_path / name, "train")] for name in ("same", "other")]
    assert sorted(names[0]) == sorted(names[1])
    assert names[0] != names[1]
    assert shuffled(6, "7/train") == [4, 1, 3, 0, 2, 5]


def test_other_formats_are_kept_and_described(tmp_path):
    grey, colour = Image.new("L", (20, 10), 7), Image.new("RGB", (30, 20), (1, 2, 3))
    make_folder(
        tmp_path / "in",
        {
            "n01440764/grey.jpg": grey,
            "n01440764/cmyk.jpg": colour.convert("CMYK"),
            "fish/alpha.png": colour.convert("RGBA"),
            "fish/palette.gif": colour.convert("P"),
            "fish/plain.bmp": colour,
        },
    )
    examples = {split: read_source(tmp_path / "in", split) for split in ("train", "validation")}
    record = write_tfrecords(examples, tmp_path / "out")
    assert record["formats"] == {"BMP": 1, "GIF": 1, "JPEG": 2, "PNG": 1}
    rows = {row["image/filename"].decode(): row for split in examples for row in read(tmp_path / "out", split)}
    for path in (path for part in examples.values() for path in part.paths):
        assert rows[Path(path).name]["image/encoded"] == Path(path).read_bytes()
    described = {
        name: tuple(
            row[f"image/{key}"] for key in ("format", "colorspace", "channels", "height", "width", "class/synset")
        )
        for name, row in rows.items()
    }
    assert described == {
        "grey.jpg": (b"JPEG", b"Grayscale", 1, 10, 20, b"n01440764"),
        "cmyk.jpg": (b"JPEG", b"CMYK", 4, 20, 30, b"n01440764"),
        "alpha.png": (b"PNG", b"RGB", 4, 20, 30, b""),
        "palette.gif": (b"GIF", b"RGB", 3, 20, 30, b""),
        "plain.bmp": (b"BMP", b"RGB", 3, 20, 30, b""),
    }


def test_skipped_files_are_recorded_once(tmp_path):
    colour = Image.new("RGB", (30, 20))
    folder = tmp_path / "in"
    make_folder(folder, {f"{name}/{n}.png": colour for name in "ab" for n in range(5)})
    (folder / "a" / "broken.png").write_bytes(b"")
    both = {split: read_source(folder, split) for split in ("train", "validation")}
    record = write_tfrecords(both, tmp_path / "out")
    assert record["skipped"] == [{"file": str(folder / "a" / "broken.png"), "reason": "an empty file"}]
    assert record["splits"]["validation"]["per_class"] == {"a": 1, "b": 1}


def test_number_of_shards_follows_from_the_size(splits, tmp_path, monkeypatch):
    assert SHARD_BYTES == 150_000_000
    # 3.1 MB for training and 1.1 MB for validation.
    monkeypatch.setattr("efficientnet_tf.data.tfrecord_writing.SHARD_BYTES", 600_000)
    record = write_tfrecords(splits, tmp_path / "out")
    assert {split: len(part["shards"]) for split, part in record["splits"].items()} == {"train": 5, "validation": 2}
