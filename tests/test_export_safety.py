"""Exports that are interrupted, repeated at once, or tampered with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keras
import pytest
from networks import randomise

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.exporting import export, verify
from efficientnet_tf.exporting.writers import WRITERS
from efficientnet_tf.locking import locked
from efficientnet_tf.model import preprocessing_of
from efficientnet_tf.pretrained import EfficientNet
from efficientnet_tf.run import Run, digest
from efficientnet_tf.runtimes import open_artifact
from efficientnet_tf.runtimes.artifact import check_report

PROGRAM = str(Path(sys.executable).with_name("efficientnet-export"))


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return randomise(EfficientNet("tiny", weights=None, classes=4), seed=1)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "out"
    export(model, folder, formats=["tflite", "tfjs"], verify_images=2)
    return folder


def change_a_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize(("name", "inner"), [("model.tflite", ""), ("tfjs", "group1-shard1of1.bin")])
def test_an_artifact_with_one_bit_changed_is_refused(name, inner, folder):
    path = folder / name
    report = json.loads((folder / "report.json").read_text())
    expected = {row["file"]: row["sha256"] for row in report["artifacts"]}
    assert digest(path) == expected[name]
    file = path / inner if inner else path
    whole = file.read_bytes()
    open_artifact(path).close()
    change_a_byte(file)
    verdict = "its SHA-256 differs. Export it again."
    message = f"{path} is not the artifact that {folder / 'report.json'} was written for: {verdict}"
    try:
        with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
            open_artifact(path)
        if inner:
            return
        done = subprocess.run(
            [PROGRAM.replace("export", "evaluate"), f"--artifact={path}", "--data=sample"],
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"efficientnet-evaluate: {message}")
    finally:
        file.write_bytes(whole)


def test_a_folder_is_known_however_it_is_named(folder, monkeypatch):
    shard = folder / "tfjs" / "group1-shard1of1.bin"
    whole = shard.read_bytes()
    change_a_byte(shard)
    monkeypatch.chdir(folder / "tfjs")
    try:
        with pytest.raises(EfficientNetError, match=r"its SHA-256 differs"):
            check_report(Path("."))
    finally:
        shard.write_bytes(whole)


def test_what_is_no_export_is_not_replaced(model, tmp_path):
    run = Run(tmp_path / "run")
    run.make_folder()
    run.save_model(model)
    (run.path / "config.json").write_text("{}")
    before = digest(run.path)
    message = f"{run.path} holds a run, whose files an export would replace. Give another --output_dir."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        export(model, run.path, formats=["keras"], verify_images=1)
    assert digest(run.path) == before
    (tmp_path / "out" / "tfjs").mkdir(parents=True)
    (tmp_path / "out" / "tfjs" / "mine.txt").write_text("mine")
    message = f"{tmp_path / 'out' / 'tfjs'} is a folder of something else. Give another --output_dir."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        export(model, tmp_path / "out", formats=["tfjs"], verify_images=1)
    assert (tmp_path / "out" / "tfjs" / "mine.txt").read_text() == "mine"


def test_a_file_more_in_an_artifact_is_refused(folder):
    stranger = folder / "tfjs" / "more.js"
    stranger.write_text("alert(1)")
    try:
        with pytest.raises(EfficientNetError, match=r"its SHA-256 differs"):
            check_report(folder / "tfjs")
    finally:
        stranger.unlink()


@pytest.mark.parametrize("text", ["", "[]", '{"artifacts": 3}', '{"artifacts": [3]}'])
def test_a_report_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "report.json").write_text(text)
    (tmp_path / "model.tflite").write_bytes(b"")
    message = f"{tmp_path / 'report.json'} is not the report of an export."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        check_report(tmp_path / "model.tflite")


def test_an_artifact_that_no_report_names_is_taken(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"")
    check_report(tmp_path / "model.tflite")
    (tmp_path / "report.json").write_text('{"artifacts": [{"file": "other.tflite"}]}')
    check_report(tmp_path / "model.tflite")


def test_one_export_at_a_time(model, tmp_path):
    message = f"Another export is writing to {tmp_path}. Give another --output_dir."
    with locked(tmp_path, ""), pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        export(model, tmp_path, formats=["tflite"], verify_images=1)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_export_left_is_removed_by_the_next(model, tmp_path):
    (tmp_path / ".unfinished-x").mkdir()
    (tmp_path / ".unfinished-x" / "model.tflite").write_bytes(b"half")
    export(model, tmp_path, formats=["tflite"], verify_images=1)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_error_in_the_middle_leaves_what_was_there(model, tmp_path, monkeypatch):
    export(model, tmp_path, formats=["tflite"], verify_images=1)
    before = {path.name: digest(path) for path in tmp_path.iterdir()}

    def fail(job, path, quantize):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(WRITERS, "tfjs", fail)
    with pytest.raises(OSError, match="No space left on device"):
        export(model, tmp_path, formats=["tflite", "tfjs"], verify_images=1)
    assert {path.name: digest(path) for path in tmp_path.iterdir()} == before


def test_a_broken_bound_leaves_not_even_a_folder(model, tmp_path, monkeypatch):
    monkeypatch.setitem(verify.BOUNDS, "none", verify.Bounds(largest=1e-12))
    with pytest.raises(
        EfficientNetError, match=r"^Not exported, since it answers otherwise than Keras: model\.tflite: "
    ):
        export(model, tmp_path / "a" / "b", formats=["tflite"], verify_images=1)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_bound_is_told_at_once_with_what_to_leave_out(model, tmp_path, monkeypatch):
    monkeypatch.setitem(verify.BOUNDS, "float16", verify.Bounds(largest=0.0))
    monkeypatch.setitem(WRITERS, "tfjs", lambda *_: pytest.fail("written in vain"))
    with pytest.raises(
        EfficientNetError, match=r"allowed 0\. Leave float16 out of --quantize, or choose another kind\.$"
    ):
        export(model, tmp_path / "a", formats=["tflite", "tfjs"], quantize=["float16", "none"], verify_images=1)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def command(model, tmp_path) -> list[str]:
    """Return the command that exports a run to `out`."""
    run = Run(tmp_path / "run")
    run.describe(list("abcd"), preprocessing_of(model))
    run.save_model(model)
    return [PROGRAM, f"--model_dir={run.path}", f"--output_dir={tmp_path / 'out'}"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_real_process_that_is_stopped_leaves_nothing_that_looks_finished(number, command, tmp_path):
    out = tmp_path / "out"
    command += ["--format=tflite,saved_model,tfjs"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # The background of a shell ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    line = next(line for line in process.stdout if line.startswith("Writing saved_model"))
    assert line == "Writing saved_model, 2 of 3 ...\n"
    process.send_signal(number)
    _, complaints = process.communicate(timeout=120)
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        visible = [path for path in out.iterdir() if not path.name.startswith(".unfinished-")]
        assert visible == []
        assert subprocess.run(command, capture_output=True).returncode == 0
        assert not [name for name in os.listdir(out) if name.startswith(".")]
    else:
        assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
        assert complaints.splitlines()[-1] == "efficientnet-export: stopped."
        assert not out.exists()


def children_of(process: int) -> list[int]:
    files = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for file in files for child in file.read_text("ascii").split()]


def measures(process: int) -> bool:
    try:
        return b"efficientnet_tf.runtimes.measuring" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def is_alive(process: int) -> bool:
    try:
        # One that has ended, and whose parent has not asked, has none any more.
        return Path(f"/proc/{process}/cmdline").read_bytes() != b""
    except OSError:
        return False


def wait_until(condition: Callable[[], object], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited for too long"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, as Linux has it")
def test_a_killed_export_leaves_no_process_and_no_photograph_in_the_temporary_folder(command, tmp_path):
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command += ["--format=keras"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Comparing "):
            break
    # The export has other children; it is this one that is handed the photographs.
    wait_until(lambda: any(map(measures, children_of(process.pid))) and list(out.rglob("*.file")))
    children = children_of(process.pid)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(map(is_alive, children)))
    assert [path.name for path in out.iterdir() if not path.name.startswith(".unfinished-")] == []
    for folder in (out, temporary):
        assert [path for pattern in ("*.file", "*.npy") for path in folder.rglob(pattern)] == []
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert [name for name in os.listdir(out) if name.startswith(".")] == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_export_that_is_stopped_while_it_replaces_another_leaves_one_of_the_two(number, command, tmp_path):
    out = tmp_path / "out"
    command += ["--format=keras", "--verify_images=1"]
    assert subprocess.run(command, capture_output=True).returncode == 0
    before = {path.name: digest(path) for path in out.iterdir()}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    # The card is among the last that is written, just before all of it is moved.
    wait_until(lambda: list(out.glob(".unfinished-*/new/MODEL_CARD.md")) or process.poll() is not None)
    process.send_signal(number)
    _, complaints = process.communicate()
    after = {path.name: digest(path) for path in out.iterdir()}
    if process.returncode == 0:
        assert after.keys() == before.keys()
        report = json.loads((out / "report.json").read_text())
        assert {row["file"]: row["sha256"] for row in report["artifacts"]} == {"model.keras": after["model.keras"]}
    else:
        assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], complaints
        # Before the moves nothing has changed; after them everything has.
        changed = [name for name, each in after.items() if each != before.get(name)]
        assert changed == [] or {"report.json", "report.html"} <= set(changed)
        assert after.keys() == before.keys()
