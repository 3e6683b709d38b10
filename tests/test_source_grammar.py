"""The grammar of `--data`, and the shares that a source is held to."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_files import save

from efficientnet_tf.data.sources import FORMS, read_source
from efficientnet_tf.data.sources.checked import watched
from efficientnet_tf.errors import EfficientNetError, UsageError


def folder_of(tmp_path: Path, **counts: int) -> Path:
    """Write a folder of classes, with so many images each."""
    for name, count in counts.items():
        for number in range(count):
            save(tmp_path / name / f"{number}.png", number)
    return tmp_path


def message(error: type[Exception], source: Path | str, **options: float) -> str:
    with pytest.raises(EfficientNetError) as caught:
        read_source(source, **options)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("flwers", f"No such data: 'flwers'. Allowed: {FORMS}."),
        ("", f"No such data: ''. Allowed: {FORMS}."),
        ("csv:", f"No such data: 'csv:'. Allowed: {FORMS}."),
        ("smple", f"No such data: 'smple'. Did you mean 'sample'? Allowed: {FORMS}."),
        ("C:/flowers", f"No such data: 'C:/flowers'. Allowed: {FORMS}."),
        (
            "tfdata:flowers",
            "Unknown kind of data 'tfdata'. Did you mean 'tfds'? Allowed: csv, idx, synthetic, tfds, tfrecord.",
        ),
        ("http://flowers", "Unknown kind of data 'http'. Allowed: csv, idx, synthetic, tfds, tfrecord."),
    ],
)
def test_unknown_source(source: str, expected: str) -> None:
    assert message(UsageError, source) == expected


def test_a_folder_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder_of(tmp_path / "csv:set", a=3, b=3).parent)
    assert len(read_source("csv:set")) == 4


def test_too_many_damaged_files(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=40, b=40)
    for number in range(25):
        (folder / "a" / f"bad{number:02d}.png").touch()
    named = ", ".join(f"{folder / 'a'}/bad{number:02d}.png (an empty file)" for number in range(20))
    assert message(EfficientNetError, folder) == (
        f"25 of the 105 images in '{folder}' cannot be used, more than max_bad_files=0.1 allows: {named}, and 5 more."
    )
    assert len(read_source(folder, max_bad_files=25 / 105)) == 64
    assert message(UsageError, folder, max_bad_files=1.5) == "max_bad_files must lie in 0...1, got 1.5."


def test_a_long_check_is_watched(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line every ten seconds, and nothing of what is quick."""
    clock = iter([0.0, 1.0, 9.0, 11.0, 12.0, 30.0])
    monkeypatch.setattr("efficientnet_tf.data.sources.checked.time.monotonic", lambda: next(clock))
    assert len(list(watched(iter([[None] * 100] * 5), 500))) == 5
    assert capsys.readouterr().err == "Checking images: 300 of 500, 27 a second\n"


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_fraction_out_of_range(fraction: float) -> None:
    assert message(UsageError, "sample", validation_fraction=fraction) == (
        f"validation_fraction must lie between 0 and 1, got {fraction}."
    )
