"""Trainings that are killed, stopped, damaged or short of room, and go on as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import keras
import pytest
from noisy_photographs import TINY, write_photographs

from efficientnet_tf.run import Run
from efficientnet_tf.training.state import CheckpointFolder

# Each trains in several processes, one after the other.
pytestmark = pytest.mark.slow

# Everything that has a state: dropout, stochastic depth, live statistics, a moving average, mixing, momentum.
SETTINGS = {
    **TINY,
    "epochs": 3,
    "head_epochs": 1,
    "optimizer": "rmsprop",
    "ema_decay": 0.9,
    "augment": "trivialaugment+mixup:0.2",
    "checkpoint_steps": 2,
}
STEPS_PER_EPOCH = 5
WORDS = [f"--{name}={value}" for name, value in SETTINGS.items()]

# The command, with what a test needs to happen at a certain moment. That may load TensorFlow before the command does,
# and it must round as in the command.
DRIVER = """
import os, signal, sys
from efficientnet_tf.native_settings import set_native_defaults
set_native_defaults()
from efficientnet_tf.cli import train
{prepare}
raise SystemExit(train.main(sys.argv[1:]))
"""
KILLED_IN_CHECKPOINT = """
from efficientnet_tf.training.state import files
count, write = [0], files._write
def kill(file, checkpoint):
    write(file, checkpoint)
    count[0] += 1
    if count[0] == {number}:
        file.flush()
        file.truncate(file.tell() // 2)
        os.kill(os.getpid(), signal.SIGKILL)
files._write = kill
"""
KILLED_AFTER_STEP = """
from efficientnet_tf.training import checkpointing
end = checkpointing.Checkpointer.on_train_batch_end
def kill(self, batch, logs=None):
    end(self, batch, logs)
    if self.position.step == {step}:
        os.kill(os.getpid(), signal.{signal})
checkpointing.Checkpointer.on_train_batch_end = kill
"""
STOPPED_IN_VALIDATION = """
from efficientnet_tf.training import checkpointing
end = checkpointing.Checkpointer.on_test_batch_end
def stop(self, batch, logs=None):
    if self.position.epoch == 1:
        os.kill(os.getpid(), signal.SIGTERM)
    end(self, batch, logs)
checkpointing.Checkpointer.on_test_batch_end = stop
"""


ON_TWO_DEVICES = """
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
"""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    """Return a folder of noise of three colours, thirteen of each to train on."""
    return write_photographs(tmp_path_factory.mktemp("photographs"))


def command(photographs: Path, run: Path, *words: str, prepare: str = "") -> list[str]:
    script = DRIVER.format(prepare=prepare)
    return [sys.executable, "-c", script, f"--data={photographs}", f"--model_dir={run}", *WORDS, *words]


def call(photographs: Path, run: Path, *words: str, prepare: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(photographs, run, *words, prepare=prepare),
        capture_output=True,
        text=True,
        # A test runner in the background ignores SIGINT, and its children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture(scope="module")
def uninterrupted(photographs, tmp_path_factory) -> Path:
    """Return the folder of a run that nothing happened to."""
    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    done = call(photographs, run)
    assert done.returncode == 0, done.stderr
    return run


def everything(run: Path) -> dict[str, bytes]:
    """Return all that a run ends with, to the last bit."""
    checkpoint, problems = CheckpointFolder(run / "checkpoints").newest()
    assert checkpoint is not None
    assert not problems
    parts = {name: array.tobytes() for name, array in checkpoint.arrays.items()}
    weights = keras.models.load_model(run / "model.keras", compile=False).get_weights()
    parts |= {f"kept {number}": array.tobytes() for number, array in enumerate(weights)}
    return parts | {name: (run / name).read_bytes() for name in ("metrics.csv", "metrics.json")}


def assert_same(run: Path, uninterrupted: Path) -> None:
    ours, theirs = everything(run), everything(uninterrupted)
    assert ours.keys() == theirs.keys()
    assert [name for name, value in ours.items() if value != theirs[name]] == []


def test_killed_in_the_middle_of_a_checkpoint(photographs, uninterrupted, tmp_path):
    run = tmp_path / "run"
    killed = call(photographs, run, prepare=KILLED_IN_CHECKPOINT.format(number=6))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list((run / "checkpoints").glob(".*.partial"))
    assert not (run / "metrics.json").exists()
    resumed = call(photographs, run)
    assert resumed.returncode == 0, resumed.stderr
    assert "  Going on from step " in resumed.stdout
    assert not list((run / "checkpoints").glob(".*.partial"))
    assert_same(run, uninterrupted)


def test_a_finished_run_is_left_alone(photographs, uninterrupted):
    def files() -> dict[str, tuple[int, bytes]]:
        found = (path for path in uninterrupted.rglob("*") if path.is_file())
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}

    before = files()
    again = call(photographs, uninterrupted)
    assert again.returncode == 0, again.stderr
    assert f"{uninterrupted} is finished; nothing is left to do. Give a new --model_dir to train once more." in (
        again.stdout
    )
    assert files() == before


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_is_followed_after_the_step(name, code, photographs, uninterrupted, tmp_path):
    run = tmp_path / "run"
    prepare = KILLED_AFTER_STEP.format(step=7, signal=name)
    stopped = call(photographs, run, "--checkpoint_steps=1000", prepare=prepare)
    assert stopped.returncode == code, stopped.stderr
    assert "Stopping after this step; a second time stops at once." in stopped.stderr
    # The signal comes after the seventh step's callbacks, so it is the eighth that is the last.
    assert CheckpointFolder(run / "checkpoints").steps()[-1] == 8
    resumed = call(photographs, run)
    assert "  Going on from step 8 of 15 (epoch 2, batch 4).\n" in resumed.stdout, resumed.stderr
    assert_same(run, uninterrupted)


def test_a_signal_during_validation(photographs, uninterrupted, tmp_path):
    run = tmp_path / "run"
    stopped = call(photographs, run, prepare=STOPPED_IN_VALIDATION)
    assert stopped.returncode == 143, stopped.stderr
    assert CheckpointFolder(run / "checkpoints").steps()[-1] == 2 * STEPS_PER_EPOCH - 1
    resumed = call(photographs, run)
    assert resumed.returncode == 0, resumed.stderr
    assert_same(run, uninterrupted)


def test_a_damaged_checkpoint_falls_back(photographs, uninterrupted, tmp_path):
    run = tmp_path / "run"
    killed = call(photographs, run, prepare=KILLED_AFTER_STEP.format(step=9, signal="SIGKILL"))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    newest = max((run / "checkpoints").glob("step-*.ckpt"))
    newest.write_bytes(newest.read_bytes()[:-100])
    resumed = call(photographs, run)
    assert resumed.returncode == 0, resumed.stderr
    assert f"  {newest} is damaged, or not a checkpoint: File is not a zip file. The checkpoint before it is used." in (
        resumed.stdout
    )
    assert_same(run, uninterrupted)


def test_killed_at_random_moments(photographs, uninterrupted, tmp_path):
    generator = random.Random(time.time_ns())
    run, kills = tmp_path / "run", 0
    while not (run / "metrics.json").exists():
        process = subprocess.Popen(
            command(photographs, run), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if kills < 4:
            # From the moment at which there is a state, at any later one.
            while process.poll() is None and not Run(run).checkpoints.exists():
                time.sleep(0.02)
            try:
                process.wait(generator.uniform(0, 12))
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
        output = process.communicate()[0]
        assert process.returncode in (0, -signal.SIGKILL), output
    assert_same(run, uninterrupted)


def evaluated(run: Path, prepare: str) -> dict[str, Any]:
    """Return what efficientnet-evaluate says of a run."""
    script = DRIVER.format(prepare=prepare).replace("train", "evaluate")
    done = subprocess.run(
        [sys.executable, "-c", script, f"--model_dir={run}", "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_going_on_with_another_number_of_devices(photographs, tmp_path):
    run = tmp_path / "run"
    stopped = call(photographs, run, prepare=KILLED_AFTER_STEP.format(step=2, signal="SIGTERM"))
    assert stopped.returncode == 143, stopped.stderr
    two = ON_TWO_DEVICES + KILLED_AFTER_STEP.format(step=5, signal="SIGTERM")
    stopped = call(photographs, run, "--strategy=mirrored", prepare=two)
    assert stopped.returncode == 143, stopped.stderr
    # Two devices leave the last, smaller batch out, so an epoch has four steps.
    assert "  Going on from step 3 of 12 (epoch 1, batch 4).\n" in stopped.stdout
    finished = call(photographs, run)
    assert finished.returncode == 0, finished.stderr
    assert "  Going on from step 6 of 15 (epoch 2, batch 3).\n" in finished.stdout
    assert Run(run).epochs() == SETTINGS["epochs"]
    # And what it is measured to be does not depend on them.
    figures = [evaluated(run, prepare) for prepare in ("", ON_TWO_DEVICES)]
    assert figures[0] == figures[1]
    measured = json.loads((run / "metrics.json").read_text())
    assert {name: figures[0][name] for name in ("top1", "loss", "ece")} == {
        name: measured[name] for name in ("top1", "loss", "ece")
    }
