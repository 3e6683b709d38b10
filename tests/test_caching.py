"""Where records are kept: in memory, where they become examples, or in a folder that is complete or absent."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from source_files import noise, write_records, write_shards

from efficientnet_tf.data.caching import keep
from efficientnet_tf.data.pipeline import load_data, make_dataset
from efficientnet_tf.data.sources import Examples, Records, read_source
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.specs import Preprocessing

RECORD = Preprocessing(image_size=(16, 16), crop="none")


@pytest.fixture
def records(tmp_path: Path) -> Records:
    write_shards(tmp_path / "set", [6, 5], damaged=[3])
    write_shards(tmp_path / "set", [1], split="validation", first=50)
    source = read_source(f"tfrecord:{tmp_path / 'set'}")
    assert isinstance(source, Records)
    return source


def test_small_records_are_kept_in_memory_and_checked(records: Records) -> None:
    kept = keep(records)
    assert isinstance(kept, Examples)
    assert kept.labels == tuple(number % 3 for number in range(11) if number != 3)
    assert kept.read(3) == noise(4)
    assert kept.paths[5] == records.describe(6)
    assert [file for file, _ in kept.skipped] == [records.describe(3)]
    with pytest.raises(EfficientNetError) as caught:
        keep(records, max_bad_files=0.01)
    assert str(caught.value).startswith(
        "1 of the 11 images in 'set' cannot be used, more than max_bad_files=0.01 allows: "
    )


def test_choices(records: Records) -> None:
    assert keep(records, "none") is records
    assert keep(records, cache_bytes=100) is records
    assert isinstance(keep(records, "memory", cache_bytes=100), Examples)
    sample = read_source("sample", "validation")
    assert keep(sample, "memory") is sample
    with pytest.raises(UsageError) as caught:
        keep(sample, "folder")
    assert str(caught.value) == (
        "A cache in a folder is for tfrecord: and tfds: sources, got 'folder'. Allowed here: auto, none, memory."
    )


def test_a_folder_holds_a_copy(tmp_path: Path, records: Records) -> None:
    kept = keep(records, str(tmp_path / "cache"))
    assert isinstance(kept, Records)
    (folder,) = (tmp_path / "cache").iterdir()
    assert folder.name.startswith("set-")
    assert sorted(path.name for path in folder.iterdir()) == ["part-00000.tfrecord", "part-00001.tfrecord"]
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    common = {"batch_size": 4, "training": True, "shuffle_buffer": 4}
    for images, copies in zip(
        make_dataset(records, RECORD, **common), make_dataset(kept, RECORD, **common), strict=True
    ):
        np.testing.assert_array_equal(images[0], copies[0])
        np.testing.assert_array_equal(images[1], copies[1])
    assert keep(records, str(tmp_path / "cache")) == kept
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_changed_source_has_another_copy(tmp_path: Path, records: Records) -> None:
    first = keep(records, str(tmp_path / "cache"))
    os.utime(records.parts[0].file, ns=(1, 1))
    second = keep(records, str(tmp_path / "cache"))
    assert first.parts[0].file != second.parts[0].file
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_an_interrupted_copy_leaves_nothing(tmp_path: Path, records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("efficientnet_tf.data.caching.islice", stop)
    with pytest.raises(KeyboardInterrupt):
        keep(records, str(tmp_path / "cache"))
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("inside", [".", "cache"])
def test_no_copy_in_the_source(tmp_path: Path, records: Records, inside: str) -> None:
    with pytest.raises(UsageError) as caught:
        keep(records, str(tmp_path / "set" / inside))
    assert str(caught.value) == (
        f"The cache must lie outside the source '{tmp_path / 'set'}', got {str(tmp_path / 'set' / inside)!r}."
    )


def test_a_file_is_no_cache(tmp_path: Path, records: Records) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError) as caught:
        keep(records, str(tmp_path / "file"))
    assert str(caught.value) == (
        f"The cache must be a folder, got the file '{tmp_path / 'file'}'. Allowed: auto, none, memory, or a folder."
    )


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "set", [1], split="validation")
    path = write_records(folder / "train-00000-of-00001", [(noise(0), 1), (noise(1), 2)])
    data = bytearray(path.read_bytes())
    data[-100] ^= 255
    path.write_bytes(data)
    with pytest.raises(EfficientNetError) as caught:
        load_data(f"tfrecord:{folder}", image_size=16)
    assert str(caught.value).startswith(f"A record after '{path}#0' cannot be read: ")
