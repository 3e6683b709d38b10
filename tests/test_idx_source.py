"""The files of MNIST and of sets in its form, and what is wrong with them."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from source_files import write_idx

from efficientnet_tf.data.sources import Examples, read_source
from efficientnet_tf.data.sources.idx import FASHION
from efficientnet_tf.data.sources.png import encode_png
from efficientnet_tf.errors import EfficientNetError, UsageError

PICTURES = np.random.default_rng(0).integers(0, 256, (40, 9, 7), np.uint8)
LABELS = (np.arange(40) % 10).astype(np.uint8)


def write_set(folder: Path, ending: str = "", *, kind: str = "train", count: int = 40) -> Path:
    write_idx(folder / f"{kind}-images-idx3-ubyte{ending}", PICTURES[:count])
    write_idx(folder / f"{kind}-labels-idx1-ubyte{ending}", LABELS[:count])
    return folder


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def message(folder: Path | str, split: str = "train", kind: type[Exception] = EfficientNetError) -> str:
    with pytest.raises(EfficientNetError) as caught:
        read_source(f"idx:{folder}", split)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_pictures_and_labels(tmp_path: Path, ending: str) -> None:
    folder = write_set(write_set(tmp_path / "digits", ending), ending, kind="t10k", count=12)
    training, validation, test = (read_source(f"idx:{folder}", split) for split in ("train", "validation", "test"))
    # Of every class of four, one fifth, rounded to the nearest.
    assert (len(training), len(validation), len(test)) == (30, 10, 12)
    rows = {}
    for examples in (training, validation):
        assert isinstance(examples, Examples)
        assert examples.class_names == tuple("0123456789")
        for number, path in enumerate(examples.paths):
            file, _, row = path.partition("#")
            assert file == str(folder / f"train-images-idx3-ubyte{ending}")
            assert examples.labels[number] == LABELS[int(row)]
            rows[int(row)] = pixels(examples.read(number))
    assert sorted(rows) == list(range(40))
    for row, picture in rows.items():
        np.testing.assert_array_equal(picture, PICTURES[row])
    assert test.name == "digits"
    assert test.labels == tuple(LABELS[:12].tolist())


def test_the_division_does_not_depend_on_the_folder(tmp_path: Path) -> None:
    one, other = (read_source(f"idx:{write_set(tmp_path / name)}", "validation") for name in ("one", "other"))
    numbers = [[path.split("#")[1] for path in examples.paths] for examples in (one, other)]
    assert numbers[0] == numbers[1]


def test_names_of_the_classes(tmp_path: Path) -> None:
    assert read_source(f"idx:{write_set(tmp_path / 'Fashion-MNIST')}").class_names == FASHION
    folder = write_set(tmp_path / "letters")
    (folder / "labels.txt").write_text("".join(f"letter {letter}\n" for letter in "abcdefghij"))
    assert read_source(f"idx:{folder}").class_names[9] == "letter j"
    (folder / "labels.txt").write_text("a\nb\na\n")
    assert message(folder) == f"'{folder / 'labels.txt'}' must hold one name a line, each another."
    (folder / "labels.txt").write_text("a\nb\n")
    assert message(folder) == (
        f"'{folder / 'train-labels-idx1-ubyte'}' has the label 9, of picture 9. Allowed: 0 to 1; "
        "names of other classes go into labels.txt in the folder, one a line."
    )


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 3), (1, 1)])
@pytest.mark.parametrize("level", [0, 1])
def test_png_is_without_loss(shape: tuple[int, ...], level: int) -> None:
    expected = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    np.testing.assert_array_equal(pixels(encode_png(expected, level=level)), expected)


def test_missing_files(tmp_path: Path) -> None:
    assert message(tmp_path / "none", kind=UsageError) == (
        f"No such folder: '{tmp_path / 'none'}'. Allowed: idx:FOLDER with train-images-idx3-ubyte and its labels."
    )
    assert message(tmp_path) == f"There is no train-images-idx3-ubyte or .gz of it in '{tmp_path}'."
    write_set(tmp_path)
    assert message(tmp_path, "test") == f"'{tmp_path}' has no images for 'test'. Allowed: train, validation."
    outside = tmp_path / "train-labels-idx1-ubyte"
    inside = tmp_path / "inside"
    write_idx(inside / "train-images-idx3-ubyte", PICTURES)
    (inside / outside.name).symlink_to(outside)
    assert message(inside) == f"'{inside / outside.name}' is a link that leads out of the folder."


def header(*shape: int) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "is not an idx file of 3 dimensions of bytes: it begins with nothing, not 00000803."),
        (b"\x89PNG\r\n", "is not an idx file of 3 dimensions of bytes: it begins with 89504e47, not 00000803."),
        (header(4), "is not an idx file of 3 dimensions of bytes: it begins with 00000801, not 00000803."),
        (header(1, 2, 2)[:9], "is truncated in its header."),
        (header(2, 2, 2) + bytes(7), "is truncated: expected 8 values, got 7."),
        (header(2, 2, 2) + bytes(9), "is longer than its header says: expected 8 values, got more."),
        (
            header(2**31, 28, 28),
            "cannot have the dimensions 2147483648x28x28. Allowed: sides up to 4096 pixels, 1073741824 values in all.",
        ),
        (
            header(2, 0, 2),
            "cannot have the dimensions 2x0x2. Allowed: sides up to 4096 pixels, 1073741824 values in all.",
        ),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_damaged_files(tmp_path: Path, data: bytes, expected: str, ending: str) -> None:
    write_set(tmp_path, ending)
    path = tmp_path / f"train-images-idx3-ubyte{ending}"
    path.write_bytes(gzip.compress(data) if ending else data)
    assert message(tmp_path) == f"'{path}' {expected}"


def test_a_gzip_bomb_is_read_no_further_than_its_header_says(tmp_path: Path) -> None:
    write_set(tmp_path, ".gz")
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(header(2, 2, 2) + bytes(2**26)))
    assert message(tmp_path) == f"'{path}' is longer than its header says: expected 8 values, got more."
    path.write_bytes(gzip.compress(header(2, 2, 2) + bytes(8))[:-9])
    assert message(tmp_path).startswith(f"'{path}' is damaged or not gzip: ")
    path.write_bytes(b"no gzip")
    assert message(tmp_path) == f"'{path}' is damaged or not gzip: Not a gzipped file (b'no')."


def test_pictures_and_labels_of_other_numbers(tmp_path: Path) -> None:
    write_set(tmp_path)
    labels = write_idx(tmp_path / "train-labels-idx1-ubyte", LABELS[:39])
    assert message(tmp_path) == (
        f"'{tmp_path / 'train-images-idx3-ubyte'}' has 40 pictures and '{labels}' has 39 labels."
    )
