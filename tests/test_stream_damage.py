"""Files of records that break while they are read, and what is left of batches."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
import tensorflow as tf
from source_files import write_shards

from efficientnet_tf.data.damage import named_errors
from efficientnet_tf.data.pipeline import make_dataset
from efficientnet_tf.data.sources import read_source
from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.specs import Preprocessing

RECORD = Preprocessing(image_size=(16, 16), crop="none")


def batches(folder: Path, *, training: bool, split: str = "train") -> tf.data.Dataset:
    records = read_source(f"tfrecord:{folder}", split)
    return make_dataset(records, RECORD, batch_size=4, training=training, shuffle_buffer=2)


def flip_a_byte(file: Path, record: int) -> None:
    data = bytearray(file.read_bytes())
    start = 0
    for _ in range(record):
        start += 16 + struct.unpack_from("<Q", data, start)[0]
    data[start + 40] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("training", [True, False])
def test_a_wrong_checksum_stops_the_reading(tmp_path: Path, training: bool) -> None:
    """The rest of the file would be lost in silence, and the first of its records come again and again."""
    dataset = batches(write_shards(tmp_path, [20]), training=training)
    flip_a_byte(tmp_path / "train-00000-of-00001", 3)
    with (
        pytest.raises(EfficientNetError, match=r"^A file of records is damaged: corrupted record at \d+\.$"),
        named_errors(dataset),
    ):
        list(dataset)


@pytest.mark.parametrize("training", [True, False])
def test_a_file_that_has_gone_stops_the_reading(tmp_path: Path, training: bool) -> None:
    dataset = batches(write_shards(tmp_path, [6, 6]), training=training)
    gone = tmp_path / "train-00001-of-00002"
    gone.unlink()
    expected = f"A file of records cannot be read: {gone}; No such file or directory."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(expected)}$"), named_errors(dataset):
        list(dataset)


def test_a_batch_of_nothing_but_a_damaged_record_is_left_out(tmp_path: Path) -> None:
    folder = write_shards(tmp_path, [5])
    write_shards(tmp_path, [9], split="validation", damaged=[8])
    dataset = make_dataset(
        read_source(f"tfrecord:{folder}", "validation"), RECORD, batch_size=4, training=False, max_bad_files=0.2
    )
    assert [len(images) for images, _ in dataset] == [4, 4]
    assert [reason for _, reason in dataset.damage.skipped] == ["it cannot be decoded"]
