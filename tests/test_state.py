"""Checkpoints as files, as a folder, and as values of variables."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.training.state import Checkpoint, CheckpointFolder, files, read_checkpoint, restore, snapshot
from efficientnet_tf.training.state.folder import BEST
from efficientnet_tf.training.state.variables import metric_variables, parts_of

ARRAYS = {
    "model/00000": np.arange(6, dtype=np.float32).reshape(2, 3),
    "optimizer/00000": np.array(7, np.int64),
    "model/00001": np.array([np.nan, -0.0, 1e-40], np.float32),
}


def checkpoint(step: int = 0) -> Checkpoint:
    return Checkpoint(ARRAYS, {"position": {"step": step, "epoch": 0, "batch": 0}, "rows": [{"loss": 0.1 + 0.2}]})


def test_round_trip_to_the_last_bit(tmp_path):
    path = tmp_path / "one.ckpt"
    files.write_checkpoint(path, checkpoint())
    back = read_checkpoint(path)
    assert back.state == checkpoint().state
    assert list(back.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert back.arrays[name].dtype == array.dtype
        assert back.arrays[name].shape == array.shape
        assert back.arrays[name].tobytes() == array.tobytes()
    assert os.listdir(tmp_path) == ["one.ckpt"]


@pytest.mark.parametrize("position", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_flipped_bit_and_a_lost_end_are_noticed(tmp_path, position):
    path = tmp_path / "one.ckpt"
    files.write_checkpoint(path, checkpoint())
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:  # within the data of a member, of which the checksum tells
        first = archive.infolist()[1]
    at = first.header_offset + 60 + int(position * first.file_size / 2)
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
    with pytest.raises(EfficientNetError, match=rf"^{re.escape(str(path))} is damaged, or not a checkpoint: .*\.$"):
        read_checkpoint(path)
    path.write_bytes(whole[: int(position * len(whole))])
    with pytest.raises(EfficientNetError, match=r"is damaged, or not a checkpoint: File is not a zip file\.$"):
        read_checkpoint(path)


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    path = tmp_path / "evil.ckpt"
    files.write_checkpoint(path, Checkpoint({}, {}))
    with zipfile.ZipFile(path, "a") as archive, archive.open("model/00000.npy", "w") as member:
        np.lib.format.write_array(member, np.array([print], object), allow_pickle=True)
    with pytest.raises(EfficientNetError, match=r"Object arrays cannot be loaded when allow_pickle=False\.$"):
        read_checkpoint(path)


def test_another_format_is_refused(tmp_path):
    path = tmp_path / "later.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("state.json", '{"format": 2}')
    with pytest.raises(EfficientNetError, match=r"later\.ckpt is damaged, or not a checkpoint: its format is not 1\.$"):
        read_checkpoint(path)


def test_the_newest_two_and_every_nth_stay(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints", keep_every=100)
    for step in (0, 50, 100, 150, 200, 210):
        folder.save(step, checkpoint(step), best=step == 50)
    folder.wait()
    assert folder.steps() == [0, 100, 200, 210]
    newest, problems = folder.newest()
    assert newest is not None
    assert newest.state["position"]["step"] == 210
    assert problems == []
    # The best one stays under its own name when its step goes.
    assert read_checkpoint(folder.path / BEST).state["position"]["step"] == 50
    # What was written before a training went back is not what it goes on from.
    folder.save(120, checkpoint(120))
    folder.wait()
    assert folder.steps() == [0, 100, 120]


def test_a_damaged_newest_falls_back_to_the_one_before(tmp_path):
    folder = CheckpointFolder(tmp_path)
    for step in (10, 20):
        folder.save(step, checkpoint(step))
    folder.wait()
    newest = tmp_path / "step-0000000020.ckpt"
    newest.write_bytes(newest.read_bytes()[:-30])
    found, problems = folder.newest()
    assert found is not None
    assert found.state["position"]["step"] == 10
    assert problems == [f"{newest} is damaged, or not a checkpoint: File is not a zip file."]
    assert CheckpointFolder(tmp_path / "absent").newest() == (None, [])


def test_a_full_disk_leaves_the_one_before_whole(tmp_path, monkeypatch):
    folder = CheckpointFolder(tmp_path)
    folder.save(10, checkpoint(10))
    folder.wait()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    folder.save(20, checkpoint(20))
    message = (
        f"A checkpoint could not be written to {tmp_path}: No space left on device. The one before is whole, "
        "and the same command goes on from it."
    )
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        folder.wait()
    assert os.listdir(tmp_path) == ["step-0000000010.ckpt"]
    assert folder.newest()[0] is not None


def small_model() -> keras.Model:
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    )
    model.compile(keras.optimizers.AdamW(0.1), "mse", metrics=["mae"])
    return model


def test_everything_that_a_step_changes_comes_back():
    x, y = np.ones((8, 4), "float32"), np.ones((8, 3), "float32")
    model, copy = small_model(), small_model()
    model.optimizer.build(model.trainable_variables)
    copy.optimizer.build(copy.trainable_variables)
    model.fit(x, y, epochs=2, verbose=0)
    copy.fit(x, y, epochs=1, verbose=0)
    parts = parts_of(model, []) | metric_variables(model)
    before = snapshot(parts)
    assert {name.split("/")[0] for name in before} == {"model", "optimizer", "metric"}
    assert any("seed" in variable.path for variable in parts["model"])
    restore(parts_of(copy, []) | metric_variables(copy), before)
    after = snapshot(parts_of(copy, []) | metric_variables(copy))
    assert all(after[name].tobytes() == array.tobytes() for name, array in before.items())
    # The arrays are copies: another step leaves them alone.
    model.fit(x, y, epochs=1, verbose=0)
    assert all(after[name].tobytes() == array.tobytes() for name, array in before.items())


def test_what_does_not_fit_changes_nothing():
    model = small_model()
    parts = {"model": model.variables}
    good = snapshot(parts)
    kernel = model.layers[0].kernel.path
    cases = [
        (
            {**good, "model/00000": np.zeros((4, 4), np.float32)},
            f"The checkpoint does not fit: {kernel} has the shape (4, 3), "
            "and the checkpoint has the shape (4, 4) for it.",
        ),
        (
            {name: array for name, array in good.items() if name != "model/00000"},
            f"The checkpoint does not fit: {kernel} has the shape (4, 3), and the checkpoint has nothing for it.",
        ),
        (
            {**good, "model/99999": np.zeros(1)},
            "The checkpoint does not fit: it has 1 variables more than the network.",
        ),
    ]
    for arrays, message in cases:
        with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
            restore(parts, {**arrays, "model/00001": np.ones(3, np.float32)})
        np.testing.assert_array_equal(model.layers[0].bias, np.zeros(3))


TWO_DEVICES = """
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from efficientnet_tf.training.state import restore, snapshot

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    variable = tf.Variable([1.0, 2.0])
first, second = variable.values
second.assign([3.0, 4.0])
arrays = snapshot({"model": [variable]})
assert {name: array.tolist() for name, array in arrays.items()} == {
    "model/00000@000": [1.0, 2.0],
    "model/00000@001": [3.0, 4.0],
}
first.assign([0.0, 0.0])
second.assign([0.0, 0.0])
restore({"model": [variable]}, arrays)
assert [value.numpy().tolist() for value in variable.values] == [[1.0, 2.0], [3.0, 4.0]]
single = tf.Variable([0.0, 0.0])
restore({"model": [single]}, arrays)
assert single.numpy().tolist() == [2.0, 3.0]
restore({"model": [variable]}, {"model/00000": np.array([5.0, 6.0], np.float32)})
assert [value.numpy().tolist() for value in variable.values] == [[5.0, 6.0], [5.0, 6.0]]
"""


def test_values_that_differ_between_devices():
    done = subprocess.run([sys.executable, "-c", TWO_DEVICES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
