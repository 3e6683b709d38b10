"""The benchmark of training steps: real processes, in turns, and what it says of peers that are not there."""

from __future__ import annotations

import csv
import json
import os
import signal

import numpy as np
import pytest

from efficientnet_tf.benchmarking import training_speed
from efficientnet_tf.benchmarking.training_networks import OURS, PEERS, PLAIN, RECOMPUTED, TrainingJob, training_steps
from efficientnet_tf.benchmarking.training_speed import memory_rows, train_rows
from efficientnet_tf.benchmarking.worker import Taken, Worker
from efficientnet_tf.cli import benchmark
from efficientnet_tf.config.benchmark import PEERS as PEERS_OF_FLAG
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.specs import activation_bytes

TINY = TrainingJob(OURS, "tiny", batch_size=2, image_size=32, threads=1)


class FakeProcess:
    """A network whose steps take what the table says; timm is not there."""

    log: list[tuple[str, int]]

    def __init__(self, job: TrainingJob) -> None:
        if job.network in PEERS["timm"]:
            raise EfficientNetError("timm is not installed. Run: pip install timm torch.")
        self.job, self.build_seconds = job, 3.0
        self.first = self.step(1)

    def step(self, number: int) -> Taken:
        self.log.append((self.job.network, number))
        slower = 1 if self.job.network == OURS else 2
        # Its own memory, and 1 GB for each image; twice that for the others.
        return Taken((0.5 * slower,) * (number - 1) + (9.0,), 4.0, slower * (500 + 1000 * self.job.batch_size) * 10**6)

    def close(self) -> None:
        self.log.append((self.job.network, 0))


@pytest.fixture
def log(monkeypatch):
    monkeypatch.setattr(FakeProcess, "log", [], raising=False)
    monkeypatch.setattr(training_speed, "Worker", FakeProcess)
    return FakeProcess.log


def test_networks_take_turns_and_medians_of_single_steps_count(log):
    rows = train_rows(["lite0"], rounds=2, batch_size=8, threads=1)
    ours, recomputed, plain, *timm = rows
    assert (ours["candidate"], ours["task"], ours["images_per_second"], ours["ratio"]) == (OURS, "lite0", 16.0, 1.0)
    assert (plain["images_per_second"], plain["ratio"]) == (8.0, 2.0)
    assert (recomputed["candidate"], recomputed["ratio"]) == (RECOMPUTED, 2.0)
    assert (ours["first_step_seconds"], ours["build_seconds"], ours["processor_ms_per_image"]) == (9.0, 3.0, 125.0)
    assert (ours["image_size"], ours["batch_size"], ours["rounds"], ours["threads"]) == (224, 8, 2, 1)
    assert [row["note"] for row in timm] == ["timm is not installed. Run: pip install timm torch."] * 2
    names = (OURS, RECOMPUTED, PLAIN)
    first = [(name, number) for name in names for number in (1, 4)]
    turn = [(name, 4) for name in names]
    assert log == [*first, *turn, *turn, *((name, 0) for name in names)]


def test_memory_of_a_batch_and_of_one_image_more(log):
    ours, recomputed, plain, *timm = memory_rows(["lite0"], batch_size=8)
    assert (ours["peak_bytes"], ours["bytes_per_image"], ours["ratio"]) == (8_500_000_000, 1e9, 1.0)
    assert (plain["peak_bytes"], plain["bytes_per_image"], plain["ratio"]) == (17_000_000_000, 2e9, 2.0)
    assert recomputed["candidate"] == RECOMPUTED
    assert ours["counted_activation_bytes"] == activation_bytes("lite0", batch_size=8)
    assert len(timm) == 2
    assert {row["note"] for row in timm} == {"timm is not installed. Run: pip install timm torch."}


def test_the_largest_batch_is_what_free_memory_holds():
    largest = training_speed._largest(10 * 2**30, 16, 2**29)
    with open("/proc/meminfo", encoding="utf-8") as lines:
        free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) * 1024
    # Other processes take and give memory meanwhile.
    assert largest == pytest.approx(16 + (free - 10 * 2**30) / 2**29, abs=8)
    assert training_speed._largest(2**30, 16, 0.0) is None


def test_a_batch_that_has_no_quarter():
    with pytest.raises(UsageError) as raised:
        memory_rows(["b0"], batch_size=3)
    assert str(raised.value) == "batch_size must be at least 4 to measure memory, got 3."


def test_a_real_process_trains_and_tells_when_it_is_killed():
    process = Worker(TINY)
    try:
        assert len(process.first.seconds) == 1
        taken = process.step(3)
        assert len(taken.seconds) == 3
        assert 0 < min(taken.seconds) < process.first.seconds[0]
        assert taken.peak_bytes >= process.first.peak_bytes > 10**8
        os.kill(process._process.pid, signal.SIGKILL)
        process._process.wait()
        with pytest.raises(EfficientNetError, match=r"^The process of a network has ended"):
            process.step(1)
    finally:
        process.close()


def test_a_process_that_cannot_says_why():
    with pytest.raises(EfficientNetError) as raised:
        Worker(TrainingJob("timm", "tiny", 2, 32, 1))
    assert str(raised.value) in (
        "timm is not installed. Run: pip install timm torch.",
        "torch is not installed. Run: pip install timm torch.",
        "KeyError: 'tiny'",
    )


def test_steps_train():
    steps = training_steps(TINY)
    seconds = steps(2)
    assert len(seconds) == 2
    assert all(np.array(seconds) > 0)


def test_peers_are_those_of_the_flag():
    assert tuple(PEERS) == PEERS_OF_FLAG


def test_command(log, tmp_path, capsys):
    words = ["--mode=train,memory", "--variant=lite0,b0", "--compare=plain,timm", "--batch_size=8", "--rounds=1"]
    assert benchmark.main([*words, "--threads=1", "--json", f"--output_dir={tmp_path}"]) == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert [(row["task"], row["candidate"]) for row in result["train"]][:2] == [("lite0", OURS), ("lite0", PLAIN)]
    with (tmp_path / "train.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert (rows[1]["ratio"], rows[1]["processor"]) == ("2", result["train"][1]["processor"])
    assert "Training b0: 8 images of 224 pixels, float32" in captured.err
    assert "Not measured: timm: timm is not installed. Run: pip install timm torch." in captured.err
    assert "The most memory that training lite0 took, 8 images" in captured.err
    assert (tmp_path / "memory.csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--mode=params", "--batch_size=2"],
            "--batch_size belongs to --mode=latency or --mode=train or --mode=memory, which",
        ),
        (["--mode=train", "--compare=keras"], "Unknown compare 'keras'. Allowed: recompute, plain, keras"),
        (
            ["--mode=input", "--variant=b0"],
            "--variant belongs to --mode=params or --mode=latency or --mode=train or --mode=memory",
        ),
    ],
)
def test_wrong_words(words, message, capsys):
    assert benchmark.main(words) == 2
    assert message in capsys.readouterr().err
