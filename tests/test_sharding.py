"""The parts of several workers: together the source, apart from each other, and as many steps for all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from source_files import noise, number_of, write_shards

from efficientnet_tf.data.pipeline import make_dataset
from efficientnet_tf.data.sharding import Plan, Shard, plan
from efficientnet_tf.data.sources import Examples, Records, read_source
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Preprocessing

RECORD = Preprocessing(image_size=(16, 16), crop="none")


def examples(count: int) -> Examples:
    return Examples(
        tuple(map(str, range(count))), (0,) * count, ("a", "b"), (), "noise", tuple(noise(n) for n in range(count))
    )


def pictures(source: Examples | Records, shard: Shard | None = None, **options: object) -> list[np.ndarray]:
    common = {"batch_size": 4, "training": True, "seed": 5, "min_crop_area": 0.9}
    dataset = make_dataset(source, RECORD, shard=shard, **(common | options))
    return [image for batch in dataset for image in batch[0].numpy()]


def numbers(images: list[np.ndarray]) -> list[int]:
    return [number_of(image) for image in images]


def test_examples_are_divided() -> None:
    source = examples(11)
    whole = pictures(source)
    # Each worker sees every third picture of the one order, the very same pictures.
    for index in range(3):
        np.testing.assert_array_equal(pictures(source, Shard(index, 3)), whole[index::3][:3])
    evaluation = [numbers(pictures(source, Shard(index, 3), training=False)) for index in range(3)]
    assert [len(part) for part in evaluation] == [4, 4, 3]
    assert sorted(number for part in evaluation for number in part) == list(range(11))


def test_records_are_divided(tmp_path: Path) -> None:
    write_shards(tmp_path, [6, 5, 6, 5])
    source = read_all(tmp_path)
    seen = {number: image for image in pictures(source, shuffle_buffer=4) for number in [number_of(image)]}
    assert sorted(seen) == list(range(22))
    for by in ("file", "record"):
        parts = [pictures(source, Shard(index, 2, by), shuffle_buffer=4) for index in range(2)]
        assert [len(part) for part in parts] == [11, 11]
        assert sorted(numbers(parts[0]) + numbers(parts[1])) == list(range(22))
        for image in parts[0] + parts[1]:
            np.testing.assert_array_equal(image, seen[number_of(image)])
    evaluation = [numbers(pictures(source, Shard(index, 2, "file"), training=False)) for index in range(2)]
    assert sorted(evaluation[0] + evaluation[1]) == list(range(22))


def read_all(folder: Path) -> Records:
    """Return all of the shards: those for validation are written elsewhere."""
    write_shards(folder, [2], split="validation", first=50)
    source = read_source(f"tfrecord:{folder}")
    assert isinstance(source, Records)
    return source


def test_all_workers_have_as_many_steps(tmp_path: Path) -> None:
    write_shards(tmp_path, [7, 5])
    source = read_all(tmp_path)
    for by, sizes in (("file", [5, 5]), ("record", [6, 6])):
        parts = [make_dataset(source, RECORD, batch_size=2, training=True, shard=Shard(i, 2, by)) for i in range(2)]
        assert [int(part.cardinality()) for part in parts] == [(size + 1) // 2 for size in sizes]
    assert sum(len(images) for images, _ in parts[1]) == 6
    padded = [
        make_dataset(source, RECORD, batch_size=4, training=False, pad_remainder=True, shard=Shard(i, 2, "file"))
        for i in range(2)
    ]
    assert [part.cardinality() for part in padded] == [2, 2]
    assert [[int(weights.numpy().sum()) for _, _, weights in part] for part in padded] == [[4, 3], [4, 1]]


def test_plans() -> None:
    assert plan([100], Shard()) == Plan((0,), 1, 0, 100, 100, 100)
    # Files of one size are divided, files of which one is much larger are not.
    assert plan([10] * 8, Shard(0, 4)) == Plan((0, 4), 1, 0, 20, 20, 20)
    assert plan([10, 10, 30], Shard(2, 4)) == Plan((0, 1, 2), 4, 2, 12, 12, 13)
    assert plan([10, 10, 30], Shard(1, 2, "file")) == Plan((0, 1), 1, 0, 20, 20, 30)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Shard(0, 0), "The count of shards must be 1 or more, got 0."),
        (lambda: Shard(-1, 2), "The index of a shard must lie in 0...1, got -1."),
        (
            lambda: Shard(0, 2, "files"),
            "Unknown way to shard 'files'. Did you mean 'file'? Allowed: auto, file, record.",
        ),
        (lambda: plan([5], Shard(0, 2, "file")), "1 files cannot be divided among 2 workers; divide by record."),
        (lambda: plan([5], Shard(0, 6)), "5 examples cannot be divided among 6 workers."),
    ],
)
def test_wrong_shards(make: object, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value) == expected


def test_examples_have_no_files_to_divide() -> None:
    examples = read_source("sample")
    sizes = []
    for index in range(2):
        shard = Shard(index, 2, by="file")
        part = make_dataset(examples, Preprocessing(image_size=(32, 32)), batch_size=50, training=False, shard=shard)
        sizes.append(sum(len(labels) for _, labels in part))
    assert sizes == [71, 70]
