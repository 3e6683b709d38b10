"""TFRecord files in the official layout: found, counted, understood, and refused in one line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from efficientnet_tf.data import tfrecord
from efficientnet_tf.errors import EfficientNetError


def example(features: dict[str, bytes | int | float | list[int]]) -> bytes:
    """Return a serialised example, made as the official builder makes them."""
    made = {}
    for key, value in features.items():
        values = value if isinstance(value, list) else [value]
        if isinstance(values[0], bytes):
            made[key] = tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        elif isinstance(values[0], float):
            made[key] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        else:
            made[key] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


def write(path: Path, records: list[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def image_records(count: int) -> list[bytes]:
    return [example({"image/encoded": bytes([65 + n]) * (100 * n), "image/class/label": n + 1}) for n in range(count)]


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")


def assert_error(message: str, function, *arguments) -> None:
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        function(*arguments)


def test_shards_are_found_in_a_folder_and_by_a_glob(tmp_path):
    train = [f"train-0000{n}-of-00003" for n in range(3)]
    touch(tmp_path, *reversed(train), "validation-00000-of-00001", "labels.txt", "train-00003-of-00003", "README")
    names = [*train, "validation-00000-of-00001"]
    assert tfrecord.shard_files(tmp_path) == tuple(str(tmp_path / name) for name in names)
    assert tfrecord.shard_files(f"{tmp_path}/valid*") == (str(tmp_path / names[3]),)
    # Part of a whole set, as the official hold-out of the first shards.
    assert tfrecord.shard_files(f"{tmp_path}/train-0000[01]-of-*") == tuple(str(tmp_path / name) for name in names[:2])
    assert tfrecord.shard_files(tmp_path / train[0]) == (str(tmp_path / train[0]),)


def test_folders_with_the_signs_of_a_glob_are_folders(tmp_path):
    touch(tmp_path / "a[1]", "train-00000-of-00001")
    assert tfrecord.shard_files(tmp_path / "a[1]") == (str(tmp_path / "a[1]" / "train-00000-of-00001"),)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000-of-01024", "train"),
        ("imagenet/validation-00127-of-00128", "validation"),
        ("test-00000-of-00001.tfrecord", "test"),
        ("train-00008-of-00008", None),
        ("train-0-of-8", None),
        ("mytrain-00000-of-00008", None),
        ("train-00000-of-00008.index", None),
        ("flowers.tfrecord", None),
    ],
)
def test_split_is_told_from_the_official_name(name, split):
    assert tfrecord.split_of(name) == split


def test_what_is_not_there_is_one_line(tmp_path):
    touch(tmp_path, "a.jpg")
    assert_error(f"No TFRecord files match '{tmp_path}/train-*'.", tfrecord.shard_files, f"{tmp_path}/train-*")
    assert_error(f"No TFRecord files match '{tmp_path}/absent'.", tfrecord.shard_files, tmp_path / "absent")
    assert_error(
        f"No TFRecord files in '{tmp_path}'; searched for names such as train-00000-of-00008.",
        tfrecord.shard_files,
        tmp_path,
    )


def test_missing_shards_are_named(tmp_path):
    touch(tmp_path, "train-00000-of-00003", "train-00001-of-00003")
    message = f"1 of the 3 shards of 'train' are missing in '{tmp_path}': train-00002-of-00003."
    assert_error(message, tfrecord.shard_files, tmp_path)
    assert_error(message, tfrecord.shard_files, f"{tmp_path}/train-00000*")
    touch(tmp_path / "b", "validation-00007-of-00008")
    named = ", ".join(f"validation-0000{n}-of-00008" for n in range(5))
    assert_error(
        f"7 of the 8 shards of 'validation' are missing in '{tmp_path}/b': {named} and 2 more.",
        tfrecord.shard_files,
        tmp_path / "b",
    )


def test_two_sets_of_one_split_are_refused(tmp_path):
    touch(tmp_path, "train-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002")
    assert_error(
        f"There is more than one set of 'train' in '{tmp_path}': -of-00001 and -of-00002.",
        tfrecord.shard_files,
        tmp_path,
    )
    assert len(tfrecord.shard_files(f"{tmp_path}/train-*-of-00002")) == 2


def test_links_out_of_the_folder_are_refused(tmp_path):
    touch(tmp_path / "elsewhere", "a")
    folder = tmp_path / "set"
    touch(folder, "train-00000-of-00002")
    (folder / "train-00001-of-00002").symlink_to(folder / "train-00000-of-00002")
    assert len(tfrecord.shard_files(folder)) == 2
    link = folder / "train-00001-of-00002"
    link.unlink()
    link.symlink_to(tmp_path / "elsewhere" / "a")
    message = f"'{link}' is a link that leads out of the folder '{folder}'."
    assert_error(message, tfrecord.shard_files, folder)
    assert_error(message, tfrecord.shard_files, f"{folder}/train-*")
    # Below a wildcard it is the folder above it that counts.
    (folder / "deep").symlink_to(tmp_path / "elsewhere")
    assert_error(
        f"'{folder}/deep/a' is a link that leads out of the folder '{folder}'.", tfrecord.shard_files, f"{folder}/*/a"
    )


def test_records_are_counted_from_their_headers(tmp_path):
    records = image_records(5)
    path = write(tmp_path / "train-00000-of-00001", records)
    assert tfrecord.count_records(path) == 5
    data = path.read_bytes()
    assert [data[start : start + length] for start, length in tfrecord.record_positions(path)] == records
    assert tfrecord.count_records(write(tmp_path / "empty", [])) == 0


def test_truncated_files_are_named_with_the_place(tmp_path):
    path = write(tmp_path / "a", image_records(3))
    whole = path.read_bytes()
    # A record begins with a header of 12 bytes.
    _, second, third = (start - 12 for start, _ in tfrecord.record_positions(path))
    for size, begin in ((len(whole) - 1, third), (second + 5, second), (second + 12, second)):
        path.write_bytes(whole[:size])
        assert_error(
            f"'{path}' is truncated: it ends at byte {size}, in the record that begins at {begin}.",
            tfrecord.count_records,
            path,
        )


def test_damaged_headers_are_named_with_the_place(tmp_path):
    path = write(tmp_path / "a", image_records(3))
    data = bytearray(path.read_bytes())
    second = [start - 12 for start, _ in tfrecord.record_positions(path)][1]
    data[second] ^= 1
    path.write_bytes(data)
    assert_error(
        f"'{path}' is damaged: the header of the record at byte {second} is wrong.", tfrecord.count_records, path
    )


def test_other_files_are_told_from_tfrecords(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    assert_error(f"'{path}' is no TFRecord file, or damaged at its start.", tfrecord.count_records, path)
    with tf.io.TFRecordWriter(str(path), options="GZIP") as writer:
        writer.write(image_records(1)[0])
    assert_error(f"'{path}' is compressed with gzip.", tfrecord.count_records, path)
    assert_error(f"Cannot read '{tmp_path}/b': No such file or directory.", tfrecord.count_records, tmp_path / "b")


def test_official_records_are_understood(tmp_path):
    record = example(
        {
            "image/height": 375,
            "image/width": 500,
            "image/colorspace": b"RGB",
            "image/channels": 3,
            "image/class/label": 1000,
            "image/class/synset": b"n15075141",
            "image/class/text": b"toilet tissue",
            "image/object/bbox/label": [1000, 1000],
            "image/format": b"JPEG",
            "image/filename": b"n15075141_54.JPEG",
            "image/encoded": b"\xff\xd8\xff the bytes",
        }
    )
    path = write(tmp_path / "train-00000-of-00001", [record])
    tfrecord.check_schema(path)
    (pair,) = tf.data.TFRecordDataset(str(path)).map(tfrecord.parse)
    assert (pair[0].numpy(), pair[1].numpy()) == (b"\xff\xd8\xff the bytes", 1000)
    assert (pair[0].dtype, pair[1].dtype, pair[1].shape) == (tf.string, tf.int64, [])


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"image/encoded": b"a", "image/object/class/label": [1, 2], "image/object/bbox/xmin": [0.5]},
            "The records of {path!r} are of another schema. Needed keys: image/encoded, image/class/label. "
            "Received: image/encoded, image/object/bbox/xmin, image/object/class/label.",
        ),
        (
            {},
            "The records of {path!r} are of another schema. Needed keys: image/encoded, image/class/label. "
            "Received: none.",
        ),
        (
            {"image/encoded": b"a", "image/class/label": b"3"},
            "image/class/label in {path!r} must be one int64, got bytes_list of 1 values.",
        ),
        (
            {"image/encoded": b"a", "image/class/label": [3, 4]},
            "image/class/label in {path!r} must be one int64, got int64_list of 2 values.",
        ),
        (
            {"image/encoded": 0.5, "image/class/label": 3},
            "image/encoded in {path!r} must be one string, got float_list of 1 values.",
        ),
    ],
)
def test_another_schema_is_one_line(record, message, tmp_path):
    path = write(tmp_path / "a", [example(record)])
    assert_error(message.format(path=str(path)), tfrecord.check_schema, path)


def test_first_records_that_cannot_be_read_are_one_line(tmp_path):
    path = write(tmp_path / "a", [b"not an example"])
    assert_error(
        f"The first record of '{path}' is no tf.train.Example. Needed keys: image/encoded, image/class/label.",
        tfrecord.check_schema,
        path,
    )
    assert_error(f"'{tmp_path}/b' holds no record.", tfrecord.check_schema, write(tmp_path / "b", []))
    path = write(tmp_path / "a", image_records(2)[1:])
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    assert tfrecord.count_records(path) == 1
    assert_error(f"The first record of '{path}' is damaged: its checksum is wrong.", tfrecord.check_schema, path)


def test_labels_are_read_if_they_are_there(tmp_path):
    assert tfrecord.read_labels(tmp_path) is None
    (tmp_path / "labels.txt").write_text("tench\ngold\u00a0fish\n", encoding="utf-8")
    assert tfrecord.read_labels(tmp_path) == ("tench", "gold\u00a0fish")
    (tmp_path / "labels.txt").write_bytes(b"\xff\n")
    assert_error(f"Cannot read '{tmp_path}/labels.txt': not UTF-8.", tfrecord.read_labels, tmp_path)


def test_checksum_is_that_of_the_format():
    # The published check value of CRC-32C is 0xe3069283; rotated by 15 bits and offset by 0xa282ead8.
    rotated = (0xE3069283 >> 15 | 0xE3069283 << 17) & 0xFFFFFFFF
    assert tfrecord.masked_crc32c(b"123456789") == (rotated + 0xA282EAD8) & 0xFFFFFFFF


def test_counting_needs_no_tensorflow(tmp_path):
    write(tmp_path / "train-00000-of-00001", image_records(3))
    program = (
        "import sys; from efficientnet_tf.data import tfrecord as t; "
        f"print([t.count_records(p) for p in t.shard_files({str(tmp_path)!r})], 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[3] False\n"
