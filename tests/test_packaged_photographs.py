"""What the Lite weights see on photographs that packages carry, and that results/ says so."""

from __future__ import annotations

import csv
import importlib
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from efficientnet_tf.errors import EfficientNetError

ROOT = Path(__file__).resolve().parents[1]
VERDICT = ("variant", "package", "version", "picture", "expected_index", "expected_label", "index", "label", "right")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return importlib.import_module("packaged_photographs")


@pytest.fixture(scope="module")
def rows(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Run the whole script, with packages from the package index."""
    target = tmp_path_factory.mktemp("answers") / "packaged_photographs.csv"
    script.main(target)
    return read(target)


def write_packages(folder: Path, cats: int) -> None:
    """Write what pip would bring, with files among the photographs that have no business there."""
    with zipfile.ZipFile(folder / "foolbox-3.3.4-py3-none-any.whl", "w") as wheel:
        for number in range(20):
            wheel.writestr(f"foolbox/data/imagenet_{number:02d}_{number}.jpg", b"photograph")
        for name in ("foolbox/data/../../imagenet_20_1.jpg", "/imagenet_21_1.jpg", "foolbox/data/imagenet_22_1.py"):
            wheel.writestr(name, b"intruder")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for number in range(cats):
            archive.addfile(tarfile.TarInfo(f"n0212304{number}_28{number}_cat.jpg"))
        link = tarfile.TarInfo("n02123049_289_link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("../n02123048_288_cat.jpg"))
    with zipfile.ZipFile(folder / "alibi-0.9.4-py3-none-any.whl", "w") as wheel:
        wheel.writestr("alibi/data/cats.tar.gz", packed.getvalue())


def test_only_photographs_are_unpacked(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    folder = tmp_path / "packages"
    folder.mkdir()
    write_packages(folder, cats=4)
    photographs = script.fetch(folder)
    assert [photograph.expected for photograph in photographs] == [*range(20), *range(280, 284)]
    assert list(tmp_path.iterdir()) == [folder]
    assert {path for path in folder.iterdir() if path.suffix != ".whl"} == {each.path for each in photographs}


def test_missing_photographs_are_an_error(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    write_packages(tmp_path, cats=3)
    with pytest.raises(EfficientNetError, match=r"^alibi-0\.9\.4-py3-none-any\.whl holds 3 photographs, expected 4\.$"):
        script.fetch(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["lite0", "lite1", "lite2"])
def test_at_least_20_of_24_are_right(rows: list[dict[str, str]], variant: str) -> None:
    answers = [row for row in rows if row["variant"] == variant]
    assert len({row["picture"] for row in answers}) == len(answers) == 24
    assert all((row["right"] == "yes") == (row["index"] == row["expected_index"]) for row in answers)
    assert sum(row["right"] == "yes" for row in answers) >= 20, answers


@pytest.mark.slow
def test_cats_are_called_what_alibi_calls_them(rows: list[dict[str, str]]) -> None:
    cats = {row["picture"]: row["expected_label"] for row in rows if row["package"] == "alibi"}
    assert len(cats) == 4
    assert all(label.replace(" ", "_") in picture for picture, label in cats.items()), cats


@pytest.mark.slow
def test_kept_results_are_these(rows: list[dict[str, str]]) -> None:
    kept = read(ROOT / "results" / "packaged_photographs.csv")
    assert [[row[name] for name in VERDICT] for row in kept] == [[row[name] for name in VERDICT] for row in rows]
    for old, new in zip(kept, rows, strict=True):
        assert float(old["probability"]) == pytest.approx(float(new["probability"]), abs=0.002), new["picture"]
