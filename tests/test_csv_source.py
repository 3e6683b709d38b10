"""Tables of images: which of them are read, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_files import save

from efficientnet_tf.data.sources import FORMS, Examples, read_source
from efficientnet_tf.data.splits import validation_names
from efficientnet_tf.errors import EfficientNetError, UsageError


def table(folder: Path, text: str, *, images: int = 6, encoding: str = "utf-8") -> Path:
    """Write images 0.png, 1.png ... and a table beside them."""
    for number in range(images):
        save(folder / f"{number}.png", number)
    path = folder / "set.csv"
    path.write_bytes(text.encode(encoding))
    return path


def read(path: Path, split: str = "train", **options: float) -> Examples:
    examples = read_source(f"csv:{path}", split, **options)
    assert isinstance(examples, Examples)
    return examples


def names(examples: Examples) -> list[str]:
    return [Path(path).name for path in examples.paths]


def message(path: Path | str, split: str = "train", kind: type[Exception] = EfficientNetError) -> str:
    with pytest.raises(EfficientNetError) as caught:
        read_source(f"csv:{path}", split)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_splits_of_the_table(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "file,label,split\n0.png,rose,train\n1.png,lily,train\n2.png,rose,val\n3.png,lily,Validation\n4.png,rose,test\n",
    )
    found = {split: read(path, split) for split in ("train", "validation", "test")}
    assert {split: names(examples) for split, examples in found.items()} == {
        "train": ["0.png", "1.png"],
        "validation": ["2.png", "3.png"],
        "test": ["4.png"],
    }
    assert found["train"].class_names == ("lily", "rose")
    assert [found[split].labels for split in found] == [(1, 0), (1, 0), (1,)]
    assert found["train"].name == "set"


def test_without_splits_the_rule_divides(tmp_path: Path) -> None:
    rows = [f"{number}.png,{'ab'[number % 2]}" for number in range(10)]
    path = table(tmp_path, "\n".join(["image,class", *rows]), images=10)
    chosen = validation_names([f"{n}.png" for n in range(10)], [n % 2 for n in range(10)], 0.4)
    assert sorted(names(read(path, "validation", validation_fraction=0.4))) == sorted(chosen)
    assert len(read(path, validation_fraction=0.4)) == 6
    assert message(path, "test") == f"{str(path)!r} has no images for 'test'. Allowed: train, validation."


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_separators_quotes_and_byte_order_mark(tmp_path: Path, mark: str) -> None:
    text = f'\ufeffLabel{mark}FileName\r\n"rose; ""red"", tall"{mark}"0.png"\r\n\r\nlily{mark}sub/../1.png\r\n'
    path = table(tmp_path, text + f"lily{mark}2.png\r\nlily{mark}3.png\r\n", images=4)
    examples = read(path)
    assert examples.class_names == ("lily", 'rose; "red", tall')
    assert "1.png" in names(examples) + names(read(path, "validation"))


def test_numbers_are_sorted_as_numbers(tmp_path: Path) -> None:
    rows = "".join(f"{number}.png,{label},train\n" for number, label in enumerate((10, 9, 2, -1)))
    assert read(table(tmp_path, "file,label,split\n" + rows + "4.png,9,val\n")).class_names == ("-1", "2", "9", "10")


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    rows = "".join(f"{number}.png,{'ab'[number % 2]},train\n" for number in range(10))
    path = table(tmp_path, "file,label,split\n" + rows + "none.png,a,train\n0.png.x,b,val\n", images=10)
    (tmp_path / "0.png.x").write_bytes((tmp_path / "0.png").read_bytes())
    examples = read(path)
    assert len(examples) == 10
    assert examples.skipped == ((str(tmp_path / "none.png"), "No such file or directory"),)
    with pytest.raises(EfficientNetError) as caught:
        read(path, max_bad_files=0.05)
    assert str(caught.value) == (
        f"1 of the 11 images in {str(path)!r} cannot be used, more than max_bad_files=0.05 allows: "
        f"{tmp_path / 'none.png'} (No such file or directory)."
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "{path} is empty. Needed: a header with file and label, and rows."),
        ("file,label\n", "{path} has a header and no rows."),
        ("0.png,a\n", "{path} has no column for the file. Found: 0.png, a. Allowed: file, path, image, filename."),
        ("file,kind\n0.png,a\n", "{path} has no column for the label. Found: file, kind. Allowed: label, class."),
        ("file,path,label\n", "{path} has more than one column for the file: file, path."),
        ("file,label\n0.png\n", "{path}, line 2: expected 2 fields as in the header, got 1."),
        ("file,label\n0.png,\n", "{path}, line 2: the label is empty."),
        (
            "file,label,split\n0.png,a,dev\n",
            "{path}, line 2: the split is 'dev'. Allowed: train, validation, val, test.",
        ),
        ("file,label\n0.png,a\n./0.png,b\n", "{path}, line 3: names '0.png' again, after line 2."),
        ("file,label\n0.png,a\n1.png,a\n", "{path} has a single class, 'a'; two or more are needed."),
        ("file,label,split\n0.png,a,val\n", "{path} has no rows whose split is train."),
        (
            "file,label,split\n0.png,a,train\n1.png,b,train\n2.png,c,val\n",
            "{path} has the class 'c' in validation, which train has not. Allowed: a, b.",
        ),
        (
            "file,label\n/etc/0.png,a\n",
            "{path}, line 2: the path '/etc/0.png' is absolute. Allowed: paths relative to the folder of the table, "
            "so that both can be moved together.",
        ),
        (
            "file,label\nC:\\0.png,a\n",
            "{path}, line 2: the path 'C:\\\\0.png' is absolute. Allowed: paths relative to the folder of the table, "
            "so that both can be moved together.",
        ),
        (
            "file,label\na/../../0.png,a\n",
            "{path}, line 2: the path 'a/../../0.png' leads out of the folder of the table.",
        ),
        ('file,label\n"0.png,a\n', "{path}, line 2: unexpected end of data."),
    ],
)
def test_wrong_tables(tmp_path: Path, text: str, expected: str) -> None:
    path = table(tmp_path, text)
    assert message(path) == expected.format(path=repr(str(path)))


def test_links_out_of_the_folder(tmp_path: Path) -> None:
    outside = save(tmp_path / "secret.png")
    folder = tmp_path / "set"
    path = table(folder, "file,label\nlink.png,a\n0.png,b\n")
    (folder / "link.png").symlink_to(outside)
    assert message(path) == (
        f"{str(path)!r}, line 2: the path 'link.png' is a link that leads out of the folder of the table."
    )
    (folder / "link.png").unlink()
    (folder / "link.png").symlink_to(folder / "1.png")
    (tmp_path / "set" / "set.csv").write_text("file,label,split\nlink.png,a,train\n0.png,b,train\n2.png,b,val\n")
    assert names(read(path)) == ["link.png", "0.png"]


def test_not_text_and_not_there(tmp_path: Path) -> None:
    path = table(tmp_path, "file,label\nd\u00e9j\u00e0.png,a\n", encoding="latin-1")
    assert message(path) == f"{str(path)!r} is not UTF-8, at byte 12."
    assert message("none.csv", kind=UsageError) == (
        "No such file: 'none.csv'. Allowed: csv:FILE with the columns file and label."
    )
    assert message("", kind=UsageError) == f"No such data: 'csv:'. Allowed: {FORMS}."
