"""How the input's speed is measured: all take turns, and every picture is counted."""

from __future__ import annotations

import csv
import functools
import json
import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from augment_pictures import sample
from PIL import Image

from efficientnet_tf.benchmarking import input_speed
from efficientnet_tf.benchmarking.input_profile import profile_rows
from efficientnet_tf.benchmarking.input_report import TASKS
from efficientnet_tf.benchmarking.input_speed import Sizes, candidates, input_rows
from efficientnet_tf.benchmarking.machine import available_cores, confined, machine
from efficientnet_tf.benchmarking.passes import Passes, augmented
from efficientnet_tf.benchmarking.photographs import center_pictures, read_photographs, repeated
from efficientnet_tf.benchmarking.processes import Job, Workers
from efficientnet_tf.benchmarking.rates import Candidate, Pass, measure, rows
from efficientnet_tf.cli import benchmark
from efficientnet_tf.config import BenchmarkConfig
from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError

TINY = Sizes(photographs=4, augmented=16, whole=16, slow=8, batch=8, side=32)


class Turns:
    """A runner that writes down its turns, and whose passes take what it is told."""

    def __init__(self, log: list[str], name: str, seconds: list[float], fails_at: int = -1) -> None:
        self.log, self.name, self.seconds, self.fails_at = log, name, list(seconds), fails_at

    def run(self) -> Pass:
        self.log.append(self.name)
        if self.log.count(self.name) == self.fails_at:
            raise ValueError("no more\npictures")
        seconds = self.seconds.pop(0)
        return Pass(100, seconds, 2 * seconds)

    def close(self) -> None:
        self.log.append(f"{self.name} closed")


def pixels(side=32, count=4):
    return np.stack([np.array(Image.fromarray(image).resize((side, side))) for image in sample(40, 48)[:count]])


def test_candidates_take_turns_and_the_warm_up_does_not_count():
    log = []
    ours = Candidate("task", "ours", lambda: Turns(log, "ours", [9, 1, 2, 4]), ours=True)
    peer = Candidate("task", "peer", lambda: Turns(log, "peer", [9, 2, 8, 4]))
    first, second = rows(measure([ours, peer], 3))
    assert log == ["ours", "peer"] * 4 + ["ours closed", "peer closed"]
    assert (first["images_per_second"], first["slowest"], first["fastest"]) == (50, 25, 100)
    assert (first["ratio"], second["ratio"]) == (1, 2)  # of 2, 4 and 1, round by round; that of the medians is 1.5
    assert first["processor_ms_per_image"] == 40
    assert first["warm_up_seconds"] == 9
    assert (first["rounds"], first["images_per_round"], first["note"]) == (3, 100, "")


def test_a_peer_that_fails_is_named_and_ours_that_fails_is_an_error():
    log = []

    def missing():
        raise MissingDependencyError("timm is not installed.")

    steady = Candidate("task", "steady", lambda: Turns(log, "steady", [1] * 3), ours=True)
    late = Candidate("task", "late", lambda: Turns(log, "late", [1] * 3, fails_at=3))
    found = rows(measure([steady, Candidate("task", "missing", missing), late], 2))
    assert [row["note"] for row in found] == ["", "timm is not installed.", "ValueError: no more pictures"]
    assert [row["rounds"] for row in found] == [2, 0, 0]
    assert found[2]["images_per_second"] is None
    assert "late closed" in log

    with pytest.raises(ValueError, match="no more"):
        measure([Candidate("task", "ours", lambda: Turns(log, "ours", [1] * 3, fails_at=2), ours=True)], 2)
    assert log[-1] == "ours closed"


def test_every_picture_of_a_dataset_is_made_and_counted():
    seen = []

    def note(image, seed):
        tf.py_function(lambda number: seen.append(int(number)), [seed[1]], [])
        return image

    passes = Passes(lambda: augmented(pixels(), note, 20, 8))
    seen.clear()
    done = passes.run()
    assert done.pictures == 20
    assert sorted(seen) == list(range(20))
    assert done.seconds > 0
    assert done.processor_seconds > 0


def test_batches_that_are_augmented_at_once_are_counted_by_picture():
    passes = Passes(lambda: augmented(pixels(), lambda images, seed: images, 20, 8, batched=True))
    assert passes.run().pictures == 20


@pytest.mark.parametrize("moved", [True, False])
def test_processes_make_as_many_pictures_as_are_asked_for(moved):
    workers = Workers(Job("none", tuple(pixels()), 32, 40, 8, moved=moved), 2)
    try:
        assert [workers.run().pictures for _ in range(2)] == [40, 40]
        if moved:
            made = {picture.tobytes() for picture in workers._slots.reshape(-1, 32, 32, 3)}
            assert made == {picture.tobytes() for picture in pixels()}
    finally:
        workers.close()


def test_processes_crop_encoded_photographs():
    workers = Workers(Job("autoaugment", read_photographs("sample", 2), 32, 16, 8), 1)
    try:
        done = workers.run()
        assert done.pictures == 16
        assert done.processor_seconds > 0
        assert workers._slots.std() > 20
    finally:
        workers.close()


def test_a_process_that_cannot_work_says_why():
    with pytest.raises(EfficientNetError, match=r"^UnidentifiedImageError: cannot identify image file "):
        Workers(Job("none", (b"no photograph",), 32, 8, 8), 1)


def test_tables_have_a_row_for_every_candidate():
    photographs = read_photographs("sample", 4)
    listed = [(row.task, row.name) for row in candidates(photographs, TINY, 2)]
    assert len(set(listed)) == len(listed)
    assert {task for task, _ in listed} == set(TASKS)
    firsts = {task: next(row for row in candidates(photographs, TINY, 2) if row.task == task) for task in TASKS}
    assert all(row.ours for row in firsts.values())

    found = input_rows(rounds=1, sizes=TINY, tasks=("trivialaugment",))
    assert [(row["task"], row["candidate"]) for row in found] == [row for row in listed if row[0] == "trivialaugment"]
    assert [row["note"] for row in found] == [""] * len(found)
    assert {row["images_per_round"] for row in found} == {16}
    assert all(row["images_per_second"] > 0 and row["processor_ms_per_image"] > 0 for row in found)
    assert {row["photographs"] for row in found} == {4}
    assert {row["keras"] for row in found} == {keras.__version__}


def test_our_input_is_augmented_and_counts_every_photograph():
    dataset = input_speed.whole_input(read_photographs("sample", 4), TINY, "cutout:size=2,fill=grey+erasing:p=0")
    assert [images.shape for images, _ in dataset] == [(8, 32, 32, 3)] * 2
    # A hole of twice the side about any place hides everything.
    assert {int(value) for images, _ in dataset for value in np.unique(images)} == {128}


@pytest.mark.slow
def test_every_candidate_runs():
    found = input_rows(rounds=1, sizes=TINY)
    absent = [row["candidate"] for row in found if row["note"]]
    assert [name for name in absent if not name.startswith(("tf-models-official", "timm "))] == []
    assert {row["images_per_round"] for row in found if not row["note"]} == {8, 16}


@pytest.mark.slow
def test_the_profile_adds_up():
    found = profile_rows(rounds=1, sizes=TINY, augmentation="trivialaugment")
    assert [row["stage"] for row in found][3] == "+ trivialaugment"
    whole = found[1:]
    assert sum(row["stage_ms_per_image"] for row in whole) == pytest.approx(whole[-1]["processor_ms_per_image"])
    assert {row["images_per_round"] for row in found} == {16}


def test_only_jpeg_files_are_taken(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(4):
            Image.new("RGB", (40, 40), (number, 0, 0)).save(tmp_path / name / f"{number}.png")
    message = f"There are no JPEG files in {str(tmp_path)!r}, which is what this benchmark decodes."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        read_photographs(tmp_path, 3)
    for number in range(9):
        Image.new("RGB", (40, 40)).save(tmp_path / "a" / f"{number}.jpg")
    assert len(read_photographs(tmp_path, 3)) == 3


def test_photographs_are_repeated():
    photographs = read_photographs("sample", 3)
    examples = repeated(photographs, 7)
    assert [examples.read(number) for number in range(7)] == [*photographs, *photographs, photographs[0]]
    assert center_pictures(photographs, 24).shape == (3, 24, 24, 3)


def test_a_process_is_kept_to_its_cores():
    before = os.sched_getaffinity(0)
    with confined(1):
        assert len(os.sched_getaffinity(0)) == 1
        assert {len(os.sched_getaffinity(int(path.name))) for path in Path("/proc/self/task").iterdir()} == {1}
    assert os.sched_getaffinity(0) == before
    many = available_cores() + 1
    message = f"threads must be at most {many - 1}, the cores that this process may use, got {many}."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"), confined(many):
        pass


def test_the_machine_is_named():
    found = machine(["keras", "no-such-package"])
    assert (found["keras"], found["no-such-package"]) == (keras.__version__, "")
    assert found["processor"]
    assert tf.__version__ in found.values()


def test_the_command_prints_and_writes(monkeypatch, tmp_path, capsys):
    small = functools.partial(input_rows, sizes=TINY, tasks=("trivialaugment",))
    monkeypatch.setattr(input_speed, "input_rows", small)
    words = ["--mode=input", "--threads=1", "--rounds=2", f"--output_dir={tmp_path}", "--json"]
    assert benchmark.main(words) == 0
    output = capsys.readouterr()
    printed = json.loads(output.out)["input"]
    assert [row["rounds"] for row in printed] == [2, 2, 2]
    assert {row["threads"] for row in printed} == {1}
    assert "round 2 of 2\n" in output.err
    assert "TrivialAugment of pictures in memory, batch" in output.err
    assert "Medians of 2 rounds in which all took turns, on 1 cores of " in output.err
    with (tmp_path / "input.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["candidate"] for row in written] == [row["candidate"] for row in printed]
    assert list(written[0]) == list(printed[0])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--threads=2"],
            "--threads belongs to --mode=latency or --mode=train or --mode=input, which is not asked for.",
        ),
        (["--mode=input", "--build"], "--build belongs to --mode=params, which is not asked for."),
        (["--mode=input", "--table=2"], "Give --mode or --table, not both; got input and 2."),
        (["--table=2", "--rounds=3"], "--rounds belongs to --mode, not to --table=2, whose networks are fixed."),
        (["--mode=input", "--rounds=0"], "rounds must be at least 1, got 0."),
        (["--mode=input", "--threads=two"], "threads must be a whole number, got 'two'."),
        (
            ["--mode=inptu"],
            "Unknown mode 'inptu'. Did you mean 'input'? Allowed: params, latency, train, memory, input, startup.",
        ),
    ],
)
def test_wrong_command_lines(words, message, capsys):
    assert benchmark.main(words) == 2
    assert capsys.readouterr().err == f"efficientnet-benchmark: {message}\n"


def test_only_the_input_needs_tensorflow():
    assert BenchmarkConfig().needs_tensorflow is False
    assert BenchmarkConfig(mode=("params", "input"), data="sample", variant=("b0",)).needs_tensorflow is True
