"""Sources of photographs: folders of classes, and what is wrong with them."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_files import save

from efficientnet_tf.data.files import IMAGE_EXTENSIONS
from efficientnet_tf.data.sources import FORMS, SAMPLE, Examples, read_source
from efficientnet_tf.data.splits import validation_names
from efficientnet_tf.errors import EfficientNetError, UsageError


def folder_of(tmp_path: Path, **counts: int) -> Path:
    """Write a folder of classes, with so many images each."""
    for name, count in counts.items():
        for number in range(count):
            save(tmp_path / name / f"{number}.png", number)
    return tmp_path


def names(examples: Examples, folder: Path) -> list[str]:
    return [Path(path).relative_to(folder).as_posix() for path in examples.paths]


def message(error: type[Exception], source: Path | str, split: str = "train", **options: float) -> str:
    with pytest.raises(EfficientNetError) as caught:
        read_source(source, split, **options)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folder_is_divided_by_the_rule(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "my flowers", tulips=10, roses=5)
    training, validation = read_source(folder), read_source(folder, "validation")
    expected = []
    for name, count in (("roses", 5), ("tulips", 10)):
        files = [f"{name}/{number}.png" for number in range(count)]
        expected += sorted(files, key=lambda file: hashlib.sha256(file.encode()).hexdigest())[: count // 5]
    assert sorted(names(validation, folder)) == sorted(expected)
    assert sorted(names(training, folder) + names(validation, folder)) == sorted(
        path.relative_to(folder).as_posix() for path in folder.glob("*/*")
    )
    assert training.class_names == validation.class_names == ("roses", "tulips")
    assert training.labels == (0,) * 4 + (1,) * 8
    assert training.name == "my-flowers"


def test_division_does_not_depend_on_where_the_folder_is(tmp_path: Path) -> None:
    one, other = (folder_of(tmp_path / name, a=9, b=9) for name in ("one", "other"))
    assert names(read_source(one), one) == names(read_source(other), other)


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_every_class_of_two_gives_one_image_to_each_side(tmp_path: Path, fraction: float) -> None:
    folder = folder_of(tmp_path, a=2, b=3, c=1)
    training, validation = (
        read_source(folder, split, validation_fraction=fraction) for split in ("train", "validation")
    )
    assert set(training.labels) == {0, 1, 2}
    assert set(validation.labels) == {0, 1}


def test_a_new_image_moves_at_most_one_other() -> None:
    before = [f"a/{number}" for number in range(40)]
    for number in range(40, 60):
        after = [*before, f"a/{number}"]
        one, other = (validation_names(files, [0] * len(files), 0.2) for files in (before, after))
        assert len((one ^ other) - {f"a/{number}"}) <= 1
        before = after


def test_nothing_to_validate_on_is_an_error(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=1, b=1)
    assert message(EfficientNetError, folder, "validation") == (
        f"No images for validation in '{folder}': every class has a single image."
    )


@pytest.mark.parametrize("name", ["val", "validation"])
def test_folder_with_its_own_splits(tmp_path: Path, name: str) -> None:
    folder_of(tmp_path / "train", a=3, b=2)
    folder_of(tmp_path / name, b=2)
    folder_of(tmp_path / "test", a=1, b=1)
    found = {split: read_source(tmp_path, split) for split in ("train", "validation", "test")}
    assert {split: len(examples) for split, examples in found.items()} == {"train": 5, "validation": 2, "test": 2}
    assert all(examples.class_names == ("a", "b") for examples in found.values())
    # The class that is absent here keeps its number.
    assert found["validation"].labels == (1, 1)
    assert {examples.name for examples in found.values()} == {tmp_path.name}


def test_train_folder_alone_is_divided(tmp_path: Path) -> None:
    folder_of(tmp_path / "train", a=5, b=5)
    folder_of(tmp_path / "test", a=1)
    assert [len(read_source(tmp_path, split)) for split in ("train", "validation", "test")] == [8, 2, 1]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    folder_of(tmp_path, train=5, bus=5)
    assert read_source(tmp_path).class_names == ("bus", "train")


def test_extensions_hidden_files_and_deeper_folders(tmp_path: Path) -> None:
    for name in ("a/1.JPG", "a/2.Jpeg", "a/deep/3.PnG", "b/4.bmp", "b/5.gif", "b/.hidden.png", ".git/6.png"):
        save(tmp_path / name)
    (tmp_path / "b" / "notes.txt").write_text("no image")
    examples = [read_source(tmp_path, split) for split in ("train", "validation")]
    found = sorted(names(examples[0], tmp_path) + names(examples[1], tmp_path))
    assert found == ["a/1.JPG", "a/2.Jpeg", "a/deep/3.PnG", "b/4.bmp", "b/5.gif"]
    assert examples[0].skipped == ()


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "data", a=3, b=3)
    save(folder / "loose.png")
    (folder / "empty").mkdir()
    (folder / "a" / "zero.jpg").touch()
    (folder / "a" / "photo.tiff").touch()
    (folder / "b" / "text.jpg").write_text("not an image")
    photograph = (SAMPLE / "animals" / "cat.jpg").read_bytes()
    (folder / "b" / "cut.jpg").write_bytes(photograph[: len(photograph) // 2])
    os.mkfifo(folder / "a" / "pipe.png")
    extensions = ", ".join(IMAGE_EXTENSIONS)
    assert dict(read_source(folder, max_bad_files=0.5).skipped) == {
        str(folder / "loose.png"): "not in the folder of a class",
        str(folder / "empty"): "a folder without images",
        str(folder / "a" / "zero.jpg"): "an empty file",
        str(folder / "a" / "photo.tiff"): f".tiff files are not supported, only {extensions}",
        str(folder / "a" / "pipe.png"): "not a regular file",
        str(folder / "b" / "text.jpg"): "its content is not JPEG, PNG, BMP, GIF or WebP",
        str(folder / "b" / "cut.jpg"): "truncated or damaged (the JPEG has no end)",
    }
    sides = [read_source(folder, split, max_bad_files=0.5) for split in ("train", "validation")]
    assert sides[0].skipped == sides[1].skipped
    assert len(sides[0]) + len(sides[1]) == 6


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside = save(tmp_path / "outside" / "secret.png")
    folder = folder_of(tmp_path / "data", a=3, b=3)
    (folder / "a" / "out.png").symlink_to(outside)
    (folder / "a" / "in.png").symlink_to(folder / "b" / "0.png")
    (folder / "a" / "nowhere.png").symlink_to(folder / "b" / "none.png")
    (folder / "b" / "up").symlink_to(folder)
    (folder / "c").symlink_to(outside.parent)
    examples = [read_source(folder, split) for split in ("train", "validation")]
    assert len(examples[0]) + len(examples[1]) == 7
    assert examples[0].class_names == ("a", "b")
    assert dict(examples[0].skipped) == {
        str(folder / "a" / "out.png"): "a link that leads out of the folder",
        str(folder / "a" / "nowhere.png"): "a link to a file that does not exist",
        str(folder / "b" / "up"): "a link to a folder",
        str(folder / "c"): "a link that leads out of the folder",
    }


def test_links_between_the_splits_of_a_folder_are_followed(tmp_path: Path) -> None:
    folder_of(tmp_path / "train", a=2, b=2)
    folder_of(tmp_path / "val", b=1)
    (tmp_path / "val" / "a").mkdir()
    (tmp_path / "val" / "a" / "same.png").symlink_to(tmp_path / "train" / "a" / "0.png")
    assert read_source(tmp_path, "validation").labels == (0, 1)


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    folder_of(tmp_path / "real", a=3, b=3)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(read_source(tmp_path / "link")) == 4
    assert read_source(tmp_path / "link").skipped == ()


# What is wrong with a source


def test_sample_has_no_test_split() -> None:
    assert (
        message(EfficientNetError, "sample", "test") == "sample has no images for 'test'. Allowed: train, validation."
    )


def test_a_file_is_no_source(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png")
    assert message(UsageError, path) == f"'{path}' is a file. Allowed: {FORMS}."


def test_unknown_split() -> None:
    assert message(UsageError, "sample", "validate") == (
        "Unknown split 'validate'. Did you mean 'validation'? Allowed: train, validation, test."
    )


def test_folder_without_images(tmp_path: Path) -> None:
    assert message(EfficientNetError, tmp_path) == f"No images in the sub-folders of '{tmp_path}'. Allowed: {FORMS}."
    loose = save(tmp_path / "loose.png")
    assert message(EfficientNetError, tmp_path) == (
        f"No images in the sub-folders of '{tmp_path}' (1 left out, the first: '{loose}', "
        f"not in the folder of a class). Allowed: {FORMS}."
    )


def test_single_class(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=3)
    assert message(EfficientNetError, folder) == f"'{folder}' has a single class, 'a'; two or more are needed."


def test_nothing_readable(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert message(EfficientNetError, tmp_path) == (
        f"None of the 3 images in '{tmp_path}' can be read (first: '1.png', an empty file)."
    )
    save(tmp_path / "a" / "3.png")
    assert message(EfficientNetError, tmp_path) == (
        f"None of the 1 images in '{tmp_path / 'b'}' can be read (first: '1.png', an empty file)."
    )


def test_class_that_training_does_not_have(tmp_path: Path) -> None:
    folder_of(tmp_path / "train", a=2, b=2)
    folder_of(tmp_path / "val", a=1, c=1)
    assert message(EfficientNetError, tmp_path, "validation") == (
        f"'{tmp_path / 'val'}' has the class 'c', which '{tmp_path / 'train'}' has not. Allowed: a, b."
    )


@pytest.mark.parametrize("beside", ["valid", "extra"])
def test_unknown_folder_beside_train(tmp_path: Path, beside: str) -> None:
    folder_of(tmp_path / "train", a=2, b=2)
    folder_of(tmp_path / beside, a=1)
    assert message(EfficientNetError, tmp_path) == (
        f"'{tmp_path}' has train/ and {beside}/. Allowed beside train/: val/ or validation/, and test/."
    )


def test_splits_that_are_missing_or_doubled(tmp_path: Path) -> None:
    folder_of(tmp_path / "val", a=1, b=1)
    assert message(EfficientNetError, tmp_path) == (
        f"'{tmp_path}' has val/ but no train/ of classes. Allowed: {FORMS}."
    )
    folder_of(tmp_path / "train", a=2, b=2)
    assert message(EfficientNetError, tmp_path, "test") == (
        f"'{tmp_path}' has no images for 'test'. Allowed: train, validation."
    )
    folder_of(tmp_path / "validation", a=1)
    assert message(EfficientNetError, tmp_path) == (
        f"'{tmp_path}' has train/ and validation/. Allowed beside train/: val/ or validation/, and test/."
    )


def test_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path, a=2, b=2)
    scandir = os.scandir

    def refuse(path: Path) -> Iterator[os.DirEntry[str]]:
        if path == folder / "b":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert message(EfficientNetError, folder) == f"Cannot read the folder '{folder / 'b'}': Permission denied."


def test_sources_do_not_load_tensorflow() -> None:
    code = (
        "import sys; from efficientnet_tf.data import read_source; read_source('sample');"
        "import efficientnet_tf.data.files; print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
