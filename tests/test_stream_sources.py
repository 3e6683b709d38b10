"""TFRecord files as a source: splits, labels, order and seeds, and records that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from source_files import noise, number_of, write_records, write_shards

from efficientnet_tf.data.damage import named_errors
from efficientnet_tf.data.pipeline import load_data, make_dataset
from efficientnet_tf.data.sources import Part, Records, read_source
from efficientnet_tf.data.splits import name_hash
from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.specs import Preprocessing
from efficientnet_tf.weights.labels import imagenet_labels

RECORD = Preprocessing(image_size=(16, 16), crop="none")


def read(source: Path | str, split: str = "train", **options: float) -> Records:
    records = read_source(f"tfrecord:{source}", split, **options)
    assert isinstance(records, Records)
    return records


def message(source: Path | str, split: str = "train") -> str:
    with pytest.raises(EfficientNetError) as caught:
        read(source, split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def training_set(records: Records, **options: object) -> tf.data.Dataset:
    common = {"batch_size": 4, "training": True, "seed": 5, "min_crop_area": 0.9, "shuffle_buffer": 8}
    return make_dataset(records, RECORD, **(common | options))


def images_of(dataset: tf.data.Dataset) -> np.ndarray:
    return np.concatenate([batch[0] for batch in dataset])


def numbers(images: np.ndarray) -> list[int]:
    return [number_of(image) for image in images]


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """Twenty-three records in four files, and two for validation."""
    write_shards(tmp_path, [6, 5, 7, 5])
    write_shards(tmp_path, [2], split="validation", first=50)
    return read(tmp_path)


def test_splits_by_name(tmp_path: Path, records: Records) -> None:
    assert [part.take for part in records.parts] == [6, 5, 7, 5]
    assert records.parts[0] == Part(str(tmp_path / "train-00000-of-00004"), 0, 6)
    assert (records.class_names, records.name, len(records)) == (("a", "b", "c"), tmp_path.name, 23)
    assert len(read(tmp_path, "validation")) == 2
    assert message(tmp_path, "test") == f"'{tmp_path}' has no images for 'test'. Allowed: train, validation."
    assert message(tmp_path / "validation-*") == (
        f"'{tmp_path / 'validation-*'}' has no images for 'train'. Allowed: validation."
    )


def test_whole_shards_are_held_out(tmp_path: Path) -> None:
    write_shards(tmp_path, [3] * 10)
    held_out = sorted((path.name for path in tmp_path.glob("train-*")), key=name_hash)[:2]
    assert sorted(Path(part.file).name for part in read(tmp_path, "validation").parts) == sorted(held_out)
    assert len(read(tmp_path).parts) == 8


def test_the_last_records_of_a_single_file_are_held_out(tmp_path: Path) -> None:
    path = write_records(tmp_path / "flowers.tfrecord", [(noise(number), 1) for number in range(10)])
    assert read(path).parts == (Part(str(path), 0, 8),)
    validation = read(path, "validation")
    assert validation.parts == (Part(str(path), 8, 2),)
    assert numbers(images_of(make_dataset(validation, RECORD, batch_size=4, training=False))) == [8, 9]
    assert validation.describe(1) == f"{path}#9"
    assert validation.class_names == imagenet_labels()


def test_every_record_once_in_an_epoch_of_its_own(records: Records) -> None:
    dataset = training_set(records)
    assert dataset.cardinality() == 6
    first, second = images_of(dataset), images_of(dataset)
    assert sorted(numbers(first)) == sorted(numbers(second)) == list(range(23))
    assert numbers(first) != numbers(second)
    pairs = [(dict(zip(numbers(images), images, strict=True))) for images in (first, second)]
    # Crops this large are now and then the same.
    assert sum(np.array_equal(pairs[0][number], pairs[1][number]) for number in range(23)) < 5
    labels = [batch[1].numpy().argmax(-1) for batch in make_dataset(records, RECORD, batch_size=23, training=False)]
    assert labels[0].tolist() == [number % 3 for number in range(23)]


def test_pictures_follow_from_the_seed_alone(records: Records) -> None:
    dataset = training_set(records)
    first, second = images_of(dataset), images_of(dataset)
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    np.testing.assert_array_equal(images_of(training_set(records, batch_size=5).with_options(options)), first)
    np.testing.assert_array_equal(images_of(training_set(records, first_epoch=1)), second)
    # A buffer is of the order alone.
    shuffled = training_set(records, shuffle_buffer=1)
    by_number = [dict(zip(numbers(images), images, strict=True)) for images in (first, images_of(shuffled))]
    for number in range(23):
        np.testing.assert_array_equal(by_number[0][number], by_number[1][number])


def test_damaged_records_are_left_out_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_shards(tmp_path, [11, 12], damaged=[5, 13])
    write_shards(tmp_path, [1], split="validation")
    records = read(tmp_path)
    dataset = training_set(records)
    images = images_of(dataset)
    assert sorted(set(numbers(images))) == [number for number in range(23) if number not in (5, 13)]
    # The first two of the epoch come again, so that every epoch has as many steps.
    assert numbers(images)[21:] == numbers(images)[:2]
    names = [f"{tmp_path}/train-00000-of-00002#5", f"{tmp_path}/train-00001-of-00002#2"]
    assert dataset.damage.skipped == tuple((name, "it cannot be decoded") for name in names)
    assert sorted(record.getMessage() for record in caplog.records) == [
        f"Skipped the record {name}: it cannot be decoded." for name in names
    ]
    evaluation = make_dataset(records, RECORD, batch_size=4, training=False)
    assert [len(images) for images, _ in evaluation] == [4, 3, 4, 3, 4, 3]
    padded = make_dataset(records, RECORD, batch_size=4, training=False, pad_remainder=True)
    assert [weights.numpy().tolist() for _, _, weights in padded][1] == [1, 0, 1, 1]


def test_too_many_damaged_records(tmp_path: Path) -> None:
    write_shards(tmp_path, [10], damaged=[2, 4])
    write_shards(tmp_path, [1], split="validation")
    dataset = make_dataset(read(tmp_path), RECORD, batch_size=10, training=False)
    with pytest.raises(EfficientNetError) as caught, named_errors(dataset):
        list(dataset)
    named = ", ".join(f"{tmp_path}/train-00000-of-00001#{row} (it cannot be decoded)" for row in (2, 4))
    assert str(caught.value) == (
        f"2 of the 10 records of {tmp_path.name!r} cannot be decoded, more than max_bad_files=0.1 allows: {named}."
    )


def test_what_comes_after_too_many_is_not_called_damaged(tmp_path: Path) -> None:
    write_shards(tmp_path, [30], damaged=[2, 4, 6, 8])
    write_shards(tmp_path, [1], split="validation")
    dataset = make_dataset(read(tmp_path), RECORD, batch_size=2, training=False)
    batches = iter(dataset)
    refusals = 0
    # Whoever reads ahead asks again after an error.
    for _ in range(20):
        try:
            next(batches)
        except StopIteration:
            break
        except tf.errors.OpError:
            refusals += 1
    assert refusals
    assert [name.rsplit("#")[1] for name, _ in dataset.damage.skipped] == ["2", "4", "6", "8"]


def test_label_out_of_range(tmp_path: Path) -> None:
    write_shards(tmp_path, [1], split="validation")
    path = write_records(tmp_path / "train-00000-of-00001", [(noise(0), 1), (noise(1), 4)])
    dataset = make_dataset(read(tmp_path), RECORD, batch_size=2, training=False)
    expected = f"The record '{path}#1' has the label 4. Allowed: 1 to 3, one for each of the class names."
    with pytest.raises(EfficientNetError) as caught, named_errors(dataset):
        list(dataset)
    assert str(caught.value) == expected
    with pytest.raises(EfficientNetError) as caught:
        load_data(f"tfrecord:{tmp_path}", image_size=16, split="train")
    assert str(caught.value) == expected


def test_empty_files_and_other_names_are_left_out(tmp_path: Path) -> None:
    write_shards(tmp_path, [3, 0, 3])
    write_shards(tmp_path, [1], split="validation")
    assert read(tmp_path).skipped == ((str(tmp_path / "train-00001-of-00003"), "holds no record"),)
    (tmp_path / "notes.tfrecord").touch()
    assert read(tmp_path / "*[!t]").skipped[0] == (str(tmp_path / "notes.tfrecord"), "not named as a shard of a split")


def test_wrong_names_of_classes(tmp_path: Path) -> None:
    write_shards(tmp_path, [5])
    (tmp_path / "labels.txt").write_text("a\na\n")
    assert message(tmp_path) == f"labels.txt in '{tmp_path}' must hold two names or more, one a line, each another."


def test_records_of_another_schema(tmp_path: Path) -> None:
    path = tmp_path / "train-00000-of-00001"
    with tf.io.TFRecordWriter(str(path)) as writer:
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[noise(0)]))
        writer.write(tf.train.Example(features=tf.train.Features(feature={"picture": feature})).SerializeToString())
    assert message(tmp_path) == (
        f"The records of '{path}' are of another schema. Needed keys: image/encoded, image/class/label. "
        "Received: picture."
    )
