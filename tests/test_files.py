"""Complete or absent: what a failure in the middle of a write leaves behind."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from efficientnet_tf import files


class _DiskFull(OSError):
    pass


def test_a_file_is_written_with_the_folders_above_it(tmp_path):
    path = files.atomic_write_text(tmp_path / "a" / "b.txt", "café\n")
    assert path == tmp_path / "a" / "b.txt"
    assert path.read_bytes() == b"caf\xc3\xa9\n"
    assert os.listdir(path.parent) == ["b.txt"]


def test_a_file_that_fails_keeps_the_old_one(tmp_path, monkeypatch):
    path = files.atomic_write_bytes(tmp_path / "state.json", b"old")

    def fail(descriptor):
        raise _DiskFull("No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(_DiskFull, match=r"^No space left on device$"):
        files.atomic_write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state.json"]


def test_a_file_replaces_a_link_and_not_what_it_points_to(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_bytes(b"outside")
    link = tmp_path / "link.txt"
    link.symlink_to(outside)
    files.atomic_write_bytes(link, b"new")
    assert outside.read_bytes() == b"outside"
    assert not link.is_symlink()
    assert link.read_bytes() == b"new"


@pytest.mark.skipif(sys.platform == "win32", reason="modes are a matter of POSIX")
def test_files_and_folders_get_the_modes_that_the_user_asks_for(tmp_path):
    before = os.umask(0o022)
    try:
        path = files.atomic_write_bytes(tmp_path / "file", b"")
        with files.atomic_directory(tmp_path / "folder"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o755


def test_a_folder_appears_when_it_is_finished(tmp_path):
    target = tmp_path / "export" / "tfjs"
    with files.atomic_directory(target) as unfinished:
        (unfinished / "model.json").write_text("{}")
        assert unfinished.parent == target.parent
        assert not target.exists()
    assert [file.name for file in target.iterdir()] == ["model.json"]
    assert os.listdir(target.parent) == ["tfjs"]


def test_a_folder_replaces_an_older_one_as_a_whole(tmp_path):
    target = tmp_path / "tfjs"
    target.mkdir()
    (target / "stale.bin").write_bytes(b"stale")
    with files.atomic_directory(target) as unfinished:
        (unfinished / "model.json").write_text("{}")
        assert (target / "stale.bin").exists()
    assert os.listdir(target) == ["model.json"]
    assert os.listdir(tmp_path) == ["tfjs"]


@pytest.mark.parametrize("error", [_DiskFull("full"), KeyboardInterrupt("stop")], ids=["error", "interrupt"])
def test_a_folder_that_fails_keeps_the_older_one(tmp_path, error):
    target = tmp_path / "tfjs"
    target.mkdir()
    (target / "model.json").write_text("old")

    def write():
        with files.atomic_directory(target) as unfinished:
            (unfinished / "model.json").write_text("new")
            raise error

    with pytest.raises(type(error), match=f"^{error}$"):
        write()
    assert (target / "model.json").read_text() == "old"
    assert os.listdir(tmp_path) == ["tfjs"]


def test_a_folder_that_fails_is_not_there(tmp_path):
    with pytest.raises(_DiskFull), files.atomic_directory(tmp_path / "tfjs"):
        raise _DiskFull("full")
    assert os.listdir(tmp_path) == []


def test_the_older_folder_comes_back_if_the_last_rename_fails(tmp_path, monkeypatch):
    target = tmp_path / "tfjs"
    target.mkdir()
    (target / "model.json").write_text("old")
    rename, calls = os.rename, []

    def fail_once(source, destination):
        calls.append(Path(destination).name)
        if len(calls) == 2:
            raise _DiskFull("full")
        rename(source, destination)

    monkeypatch.setattr(files.os, "rename", fail_once)
    with pytest.raises(_DiskFull), files.atomic_directory(target):
        pass
    assert (target / "model.json").read_text() == "old"
    assert os.listdir(tmp_path) == ["tfjs"]


def test_a_folder_replaces_a_link_and_not_what_it_points_to(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "photo.jpg").write_bytes(b"photo")
    link = tmp_path / "tfjs"
    link.symlink_to(outside, target_is_directory=True)
    with files.atomic_directory(link) as unfinished:
        (unfinished / "model.json").write_text("{}")
    assert not link.is_symlink()
    assert os.listdir(link) == ["model.json"]
    assert os.listdir(outside) == ["photo.jpg"]
    assert sorted(os.listdir(tmp_path)) == ["outside", "tfjs"]


def test_a_folder_does_not_replace_a_file(tmp_path):
    path = tmp_path / "tfjs"
    path.write_text("mine")
    with pytest.raises(FileExistsError) as caught, files.atomic_directory(path):
        pass
    assert str(caught.value) == f"Expected a folder or nothing at {path}, got a file."
    assert path.read_text() == "mine"


def test_the_cache_folder_is_the_chosen_one(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFICIENTNET_TF_CACHE", str(tmp_path / "cache"))
    assert files.cache_directory() == tmp_path / "cache"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "chosen/efficientnet_tf"),
        ("linux", None, ".cache/efficientnet_tf"),
        ("darwin", None, "Library/Caches/efficientnet_tf"),
        ("win32", "LOCALAPPDATA", "chosen/efficientnet_tf"),
        ("win32", None, "AppData/Local/efficientnet_tf"),
    ],
)
def test_the_cache_folder_of_each_system(tmp_path, monkeypatch, platform, variable, expected):
    for name in ("EFFICIENTNET_TF_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(files.sys, "platform", platform)
    monkeypatch.setattr(files.Path, "home", lambda: tmp_path)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "chosen"))
    assert files.cache_directory() == tmp_path / expected
