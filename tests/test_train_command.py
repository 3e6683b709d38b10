"""Whole runs: real processes, real files, real signals, two devices."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import efficientnet_tf as efn
from efficientnet_tf.cli import train
from efficientnet_tf.config import read_recipe
from efficientnet_tf.run import open_run
from efficientnet_tf.training.durations import durations_of
from efficientnet_tf.training.resuming import find_run
from efficientnet_tf.training.state import CheckpointFolder, read_checkpoint
from efficientnet_tf.training.state.folder import BEST

# Small and quick, and still the real network with real weights.
QUICK = {"variant": "lite0", "image_size": 64, "batch_size": 8, "epochs": 3, "head_epochs": 1, "augment": "none"}
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of pictures whose classes are colours, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("data") / "colours"
    generator = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for index in range(10):
            noise = generator.integers(-30, 30, (80, 100, 3))
            Image.fromarray(np.clip(noise + colour, 0, 255).astype("uint8")).save(folder / name / f"{index}.png")
    (folder / "red" / "broken.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A finished run and its result."""
    model_dir = tmp_path_factory.mktemp("runs") / "colours"
    return efn.train(efn.TrainConfig(data=str(data), model_dir=str(model_dir), **QUICK))


def test_run_has_its_files(run, data):
    path = run.run.path
    names = {
        "config.json",
        "labels.txt",
        "preprocessing.json",
        "model.keras",
        "metrics.csv",
        "metrics.json",
        "report.html",
    }
    assert {file.name for file in path.iterdir()} == names | {"checkpoints", "tensorboard"}
    # After each epoch of three steps; the newest two stay, and the best.
    kept = {"step-0000000006.ckpt", "step-0000000009.ckpt", "best.ckpt"}
    assert {file.name for file in (path / "checkpoints").iterdir()} == kept
    assert list((path / "tensorboard").rglob("events.out.tfevents.*"))
    assert (path / "labels.txt").read_text() == "blue\ngreen\nred\n"
    config = json.loads((path / "config.json").read_text())
    assert (config["variant"], config["recipe"], config["data"]) == ("lite0", "finetune", str(data))
    record = json.loads((path / "preprocessing.json").read_text())
    assert (record["image_size"], record["interpolation"]) == ([64, 64], "bicubic")
    # The network alone: an optimizer's slots would make it three times as large.
    assert (path / "model.keras").stat().st_size < 1.2 * 4 * efn.count("lite0", classes=3).total
    rows = (path / "metrics.csv").read_text().splitlines()
    assert rows[0] == "epoch,learning_rate,loss,top1,val_loss,val_top1"
    assert len(rows) == 4
    metrics = json.loads((path / "metrics.json").read_text())
    assert metrics == run.metrics
    assert metrics["examples"] == 6
    assert [reason for _, reason in run.skipped] == ["an empty file"]


def test_colours_are_learned(run):
    assert run.metrics["top1"] == 1.0
    losses = [float(row.split(",")[4]) for row in (run.run.path / "metrics.csv").read_text().splitlines()[1:]]
    assert min(losses) < losses[0]


@pytest.mark.slow
def test_configuration_runs_again_to_the_same_weights(run, tmp_path):
    from efficientnet_tf.flags import parse

    config = parse("train", [f"--config={run.run.path / 'config.json'}", f"--model_dir={tmp_path / 'again'}"]).config
    again = efn.train(config)
    for first, second in zip(run.run.load_model().get_weights(), again.run.load_model().get_weights(), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.slow
def test_best_network_is_kept_and_training_ends_early(data, tmp_path):
    wild = {
        **QUICK,
        "epochs": 8,
        "head_epochs": 0,
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "patience": 1,
        "label_smoothing": 0.0,
    }
    result = efn.train(efn.TrainConfig(data=str(data), model_dir=str(tmp_path / "run"), **wild))
    assert result.epochs < 8
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[4]) for row in rows]
    assert np.argmin(losses) < len(losses) - 1
    # Without smoothing, a kept network's own loss is the one in the table.
    assert result.metrics["loss"] == pytest.approx(min(losses), rel=1e-3)


@pytest.mark.slow
def test_steps_instead_of_epochs(data, tmp_path):
    settings = {**QUICK, "epochs": None, "steps": 4, "head_epochs": 0}
    result = efn.train(efn.TrainConfig(data=str(data), model_dir=str(tmp_path / "run"), **settings))
    assert result.epochs == 2  # three steps are an epoch
    assert CheckpointFolder(result.run.checkpoints).steps()[-1] == 4
    assert read_checkpoint(result.run.checkpoints / BEST).state["position"]["step"] in (3, 4)


def test_few_steps_keep_the_proportion_of_the_head():
    config = efn.TrainConfig(variant="lite0", data="sample", steps=30).resolve()
    recipe = read_recipe("finetune")
    durations = durations_of(config, 141, 16, whole_batches=False)
    assert (durations.steps, durations.head_steps) == (30, round(30 * recipe["head_epochs"] / recipe["epochs"]))


def test_divergence_is_an_error_of_its_own(data, tmp_path, capsys):
    words = [f"--{name}={value}" for name, value in {**QUICK, "head_epochs": 0}.items()]
    command = ["--optimizer=sgd", "--learning_rate=1e30", f"--data={data}", f"--model_dir={tmp_path / 'run'}", *words]
    assert train.main(command) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    # Which step it is depends on how the processor rounds, and the rate falls from step to step.
    where = re.compile(
        r"efficientnet-train: Training diverged: the loss was (nan|inf), no number, in step (\d) "
        r"\(batch \2 of epoch 1\) at the learning rate (1e\+30|\d(\.\d+)?e\+29)\. "
        r"Give a lower --learning_rate than 1e\+30 and a new --model_dir, or --on_nan=rollback\. No network was kept\."
    )
    assert where.fullmatch(last), last


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_reduced_precision(data, tmp_path, precision):
    settings = {**QUICK, "epochs": 2, "precision": precision}
    result = efn.train(efn.TrainConfig(data=str(data), model_dir=str(tmp_path / "run"), **settings))
    assert np.isfinite(result.metrics["loss"])
    rows = efn.export(result.run.load_model(), tmp_path / "export", formats=["tflite"], verify_images=2)
    assert rows[0]["verified"] is True


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_interrupted_run_can_be_used(number, code, data, tmp_path):
    words = [f"--{name}={value}" for name, value in {**QUICK, "epochs": 500, "patience": 500}.items()]
    command = [sys.executable, "-m", "efficientnet_tf.cli.train", f"--data={data}", "--model_dir=run", *words]
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=log,
            stderr=subprocess.STDOUT,
            # A test runner in the background ignores SIGINT, and its children would inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    history = tmp_path / "run" / "metrics.csv"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if history.exists() and len(history.read_text().splitlines()) > 2:
            break
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(60) == code, (tmp_path / "log").read_text()
    log = (tmp_path / "log").read_text()
    assert "Stopped. The best network so far is in run; it can be exported and used. The same command goes on" in log
    assert "Traceback" not in log
    predict = [sys.executable, "-m", "efficientnet_tf.cli.predict", "--json", "--model_dir=run", str(data / "red")]
    done = subprocess.run(predict, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["predictions"]) == 10


def test_folders_of_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = efn.TrainConfig(variant="b0", data="sample")
    names = []
    for _ in range(3):
        run = find_run(config.resolve(), "sample").run
        run.path.mkdir(parents=True)
        names.append(run.path.as_posix())
    assert names == ["runs/b0-sample", "runs/b0-sample-2", "runs/b0-sample-3"]
    (tmp_path / "runs/b0-sample-2/model.keras").write_bytes(b"")
    assert open_run(None).path.as_posix() == "runs/b0-sample-2"


MIRRORED = """
import sys
import keras, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
import efficientnet_tf as efn
from efficientnet_tf.training import distribution
from efficientnet_tf.training.phases import HeadFirst, steps_done

freeze, head_epochs = sys.argv[1], int(sys.argv[2])
generator = np.random.default_rng(0)
images = generator.integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
labels = np.eye(4, dtype="float32")[generator.integers(0, 4, 40)]

def trained(name):
    strategy = distribution.make_strategy(name)
    assert distribution.replicas(strategy) == (2 if name == "mirrored" else 1)
    keras.utils.set_random_seed(1)
    with distribution.scope(strategy):
        model = efn.EfficientNet("lite0", image_size=64, classes=4, dropout=0.0, survival_probability=1.0)
        model.compile(**efn.recipe("finetune", model, steps=5, epochs=5, head_epochs=head_epochs, warmup_epochs=0.0,
                                   optimizer="sgd", learning_rate=0.01, freeze=freeze))
    before = model.get_weights()
    data = tf.data.Dataset.from_tensor_slices((images, labels)).batch(8, drop_remainder=True)
    model.fit(data, epochs=1, verbose=0, shuffle=False, callbacks=[HeadFirst(freeze)])
    assert steps_done(model) == 5
    return before, model.get_weights()

start, single = trained("single")
_, mirrored = trained("mirrored")
for one, other in ((start, single), (single, mirrored)):
    print(max(np.abs(a - b).max() for a, b in zip(one, other)))
"""


def on_one_and_two_devices(freeze: str, head_epochs: int) -> tuple[float, float]:
    """Return how far five steps moved the weights, and how far those of two devices are from those of one."""
    command = [sys.executable, "-c", MIRRORED, freeze, str(head_epochs)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    moved, difference = map(float, done.stdout.split())
    return moved, difference


@pytest.mark.slow
def test_two_devices_train_as_one():
    # Two steps of the classifier alone, and three of all but batch normalisation.
    moved, difference = on_one_and_two_devices("bn", 2)
    assert moved > 1e-2
    assert difference <= 1e-5


@pytest.mark.slow
def test_two_devices_with_batch_normalisation_live():
    # Each device normalises by the statistics of its half of the batch, so these are different networks: the
    # largest difference, of a moving variance, is within a tenth of the largest change.
    moved, difference = on_one_and_two_devices("none", 0)
    assert 1e-2 * moved < difference < 0.1 * moved
