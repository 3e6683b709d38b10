"""From scratch to the folder of an export: all of it or none, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from efficientnet_tf.exporting import publishing
from efficientnet_tf.exporting.publishing import NEW, publish, recover
from efficientnet_tf.run import digest

OLD_FILES = ("labels.txt", "report.json", "model.tflite", "tfjs/model.json", "model.onnx", "notes.txt")
NEW_FILES = ("labels.txt", "report.json", "model.tflite", "tfjs/model.json", "model.keras")
STALE = ("model.onnx",)
#: Old files that step aside, and new ones that are moved in.
MOVES = 5 + 5


def write(folder: Path, names: tuple[str, ...], text: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def state(folder: Path) -> dict[str, str]:
    return {path.name: digest(path) for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "out", OLD_FILES, "old")
    return tmp_path / "out"


@pytest.fixture
def scratch(folder):
    write(folder / ".unfinished-x" / NEW, NEW_FILES, "new")
    return folder / ".unfinished-x"


@pytest.fixture
def before(folder):
    return state(folder)


@pytest.fixture
def after(tmp_path):
    write(tmp_path / "expected", NEW_FILES, "new")
    write(tmp_path / "expected", ("notes.txt",), "old")
    return state(tmp_path / "expected")


def test_new_files_take_the_places_of_the_old_ones(before, folder, scratch, after):
    publish(scratch, folder, removed=STALE)
    assert (scratch / "old" / "model.onnx").read_text() == "old"
    recover(folder)
    assert state(folder) == after != before


def test_a_folder_that_is_new(tmp_path):
    write(tmp_path / ".unfinished-x" / NEW, NEW_FILES, "new")
    publish(tmp_path / ".unfinished-x", tmp_path)
    recover(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(name.split("/")[0] for name in NEW_FILES)


@pytest.mark.parametrize("number", range(MOVES))
def test_an_error_in_between_is_taken_back(number, before, folder, scratch, monkeypatch):
    calls = iter(range(100))
    rename = os.rename

    def fail(source, target):
        if next(calls) == number:
            raise OSError(5, "Input/output error")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(publishing.os, "rename", fail)
        with pytest.raises(OSError, match="Input/output error"):
            publish(scratch, folder, removed=STALE)
    # The caller removes what is left, and may be killed while it does.
    (scratch / NEW / "model.tflite").unlink()
    recover(folder)
    assert state(folder) == before


def test_the_report_goes_first_and_comes_last(before, folder, scratch, monkeypatch):
    moved = []
    rename = os.rename
    monkeypatch.setattr(
        publishing.os, "rename", lambda source, target: (moved.append(Path(source)), rename(source, target))
    )
    publish(scratch, folder, removed=STALE)
    assert len(moved) == MOVES
    assert (moved[0], moved[-1]) == (folder / "report.json", scratch / NEW / "report.json")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_has_to_wait(number, before, folder, scratch, after, monkeypatch):
    rename = os.rename
    monkeypatch.setattr(
        publishing.os, "rename", lambda source, target: (os.kill(os.getpid(), number), rename(source, target))
    )
    publish(scratch, folder, removed=STALE)
    recover(folder)
    assert state(folder) == after


# By its file, since the package around it loads TensorFlow. Each process is killed before another of its moves: of
# those that publish, and of those that take back what an error has stopped.
KILLED = """
import importlib.util, json, os, shutil, signal, sys
from pathlib import Path

spec = importlib.util.spec_from_file_location("publishing", sys.argv[1])
publishing = importlib.util.module_from_spec(spec)
spec.loader.exec_module(publishing)
from efficientnet_tf.run import digest

def state(folder):
    return {path.name: digest(path) for path in folder.iterdir()}

rename, found = os.rename, []
moves = int(sys.argv[3])
for fatal, broken in [
    *((fatal, None) for fatal in range(moves + 1)),
    *((fatal, (fatal + 1) // 2) for fatal in range(2, 2 * moves - 1)),
]:
    folder = Path(sys.argv[2] + f"-{fatal}-{broken}")
    shutil.copytree(sys.argv[2], folder)
    child = os.fork()
    if not child:
        numbers = iter(range(100))
        def move(source, target):
            number = next(numbers)
            if number == broken:
                raise OSError("broken")
            if number == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target)
        os.rename = move
        publishing.publish(folder / ".unfinished-x", folder, removed=["model.onnx"])
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    looks_finished = (folder / "report.json").exists()
    publishing.recover(folder)
    found.append([fatal, broken, os.WIFSIGNALED(status), looks_finished, state(folder)])
print(json.dumps(found))
"""


def test_a_killed_process_is_taken_back_by_the_next_export(before, folder, scratch, after):
    command = [sys.executable, "-c", KILLED, publishing.__file__, str(folder), str(MOVES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert len(found) == MOVES + 1 + 2 * MOVES - 3
    for fatal, broken, killed, looks_finished, left in found:
        finished = fatal == MOVES and broken is None
        assert killed != finished
        # Before the first move the old report is in its place, and everything that it names.
        assert looks_finished == (finished or fatal == 0), (fatal, broken)
        assert left == (after if finished else before), (fatal, broken)
