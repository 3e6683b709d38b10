"""The pictures that a quantised network is calibrated on."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from source_files import noise, number_of, write_records, write_shards

from efficientnet_tf.config import TrainConfig
from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.sources import SAMPLE, read_source
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.exporting.calibration import _evenly, read_calibration
from efficientnet_tf.run import Run
from efficientnet_tf.specs import Preprocessing

RECORD = Preprocessing(image_size=(16, 16), crop="none")


def write_plain(folder: Path, count: int) -> Path:
    """Write pictures of one grey each, which tells them apart."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (16, 16), (number, number, number)).save(folder / f"{number:03d}.png")
    return folder


def greys(pictures: np.ndarray) -> list[int]:
    return pictures[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("sizes", "number", "expected"),
    [
        ((10, 2), 6, (4, 2)),
        ((10, 10), 7, (3, 4)),
        ((3, 3), 100, (3, 3)),
        ((1, 50, 50), 21, (1, 10, 10)),
    ],
)
def test_classes_have_even_shares(sizes, number, expected):
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    rows = _evenly(labels, number)
    assert rows == sorted(set(rows))
    counts = Counter(labels[row] for row in rows)
    assert sorted(counts[label] for label in range(len(sizes))) == sorted(expected)


def test_of_more_classes_than_pictures_some_are_taken_from_everywhere():
    assert _evenly(range(100), 5) == [0, 25, 50, 74, 99]


def test_a_folder_without_classes(tmp_path):
    lines: list[str] = []
    pictures = read_calibration(str(write_plain(tmp_path / "a", 9)), RECORD, number=3, announce=lines.append)
    assert pictures.dtype == np.uint8
    assert pictures.shape == (3, 16, 16, 3)
    assert greys(pictures) == [0, 4, 8]
    assert lines == [f"Calibrating on 3 pictures of {tmp_path / 'a'}."]


def test_of_a_divided_folder_the_training_pictures(tmp_path):
    for split, count in (("train", 4), ("val", 2)):
        for name in ("cats", "dogs"):
            write_plain(tmp_path / split / name, count)
    assert greys(read_calibration(str(tmp_path), RECORD, number=100)) == [*range(4), *range(4)]


def test_a_variant_is_calibrated_on_the_bundled_photographs():
    expected = read_source("sample", "train")
    row = _evenly(expected.labels, 3)[1]
    pictures = read_calibration(None, RECORD, number=3)
    np.testing.assert_array_equal(pictures[1], decode_and_crop(expected.read(row), RECORD).numpy())
    assert str(SAMPLE) in expected.paths[row]


def make_run(folder: Path, data: str) -> Run:
    run = Run(folder)
    run.begin(TrainConfig(variant="tiny", weights="none", data=data), ["cats", "dogs"], RECORD)
    return run


def test_a_run_is_calibrated_on_what_it_was_trained_on(tmp_path):
    for name in ("cats", "dogs"):
        write_plain(tmp_path / "data" / name, 10)
    run = make_run(tmp_path / "run", str(tmp_path / "data"))
    pictures = read_calibration(None, RECORD, number=100, run=run)
    training = read_source(str(tmp_path / "data"), "train")
    assert greys(pictures) == [int(Path(path).stem) for path in training.paths]
    assert len(pictures) == 16


def test_a_run_whose_pictures_are_gone_says_what_to_give(tmp_path):
    run = make_run(tmp_path / "run", str(tmp_path / "gone"))
    with pytest.raises(
        UsageError, match=r"^No such data: .* These are what .*run was trained on; give --calibration\.$"
    ):
        read_calibration(None, RECORD, number=4, run=run)


def test_a_folder_without_pictures_is_refused(tmp_path):
    expected = f"No images in {str(tmp_path)!r}; searched for"
    with pytest.raises(EfficientNetError, match=f"^{re.escape(expected)}"):
        read_calibration(str(tmp_path), RECORD, number=4)


@pytest.mark.parametrize("folders", ["", "cats dogs", "train/cats train/dogs val/cats val/dogs"])
def test_damaged_pictures_are_passed_over_in_a_line(folders, tmp_path, caplog):
    names = [tmp_path / "data" / name for name in folders.split() or [""]]
    for folder in names:
        write_plain(folder, 3)
        (folder / "000.png").write_bytes(b"not a picture")
        (folder / "001.png").write_bytes(b"")
    training = [folder for folder in names if "val" not in folder.parts]
    # More of them than training would put up with, and no flag of an export has to be given for that.
    assert greys(read_calibration(str(tmp_path / "data"), RECORD, number=9)) == [2] * len(training)
    assert caplog.messages == [
        f"Skipped {2 * len(training)} files in {tmp_path / 'data'}; "
        f"the first: {training[0] / '000.png'} (its content is not JPEG, PNG, BMP, GIF or WebP)."
    ]
    for folder in names:
        (folder / "002.png").write_bytes(b"not a picture")
    with pytest.raises(
        EfficientNetError, match=rf"^None of the {3 * len(training)} images in .* can be read \(first: "
    ):
        read_calibration(str(tmp_path / "data"), RECORD, number=9)


def test_a_class_without_a_picture_that_can_be_read_is_no_reason_to_stop(tmp_path, caplog):
    write_plain(tmp_path / "cats", 2)
    write_plain(tmp_path / "dogs", 1)
    (tmp_path / "dogs" / "000.png").write_bytes(b"")
    assert greys(read_calibration(str(tmp_path), RECORD, number=9)) == [0, 1]
    first = f"{tmp_path / 'dogs' / '000.png'} (an empty file)"
    assert caplog.messages == [f"Skipped 1 file in {tmp_path}; the first: {first}."]


def test_a_run_is_calibrated_on_what_is_left_of_its_pictures(tmp_path):
    for name in ("cats", "dogs"):
        write_plain(tmp_path / "data" / name, 10)
        for number in range(6):
            (tmp_path / "data" / name / f"{number:03d}.png").write_bytes(b"")
    run = make_run(tmp_path / "run", str(tmp_path / "data"))
    assert set(greys(read_calibration(None, RECORD, number=100, run=run))) <= {6, 7, 8, 9}


def test_of_records_each_class_has_its_share(tmp_path):
    write_shards(tmp_path, [1], split="validation")
    write_records(tmp_path / "train-00000-of-00001", [(noise(n), 1 if n < 9 else 2) for n in range(11)])
    pictures = read_calibration(f"tfrecord:{tmp_path}", RECORD, number=6)
    # Two of each of three classes; the third has none, and the first is taken in its place.
    assert [number_of(picture) for picture in pictures] == [0, 1, 9, 10, 2, 3]
