"""What a run does with its settings: stages, a set that chooses, weights of classes, going back, going on."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from noisy_photographs import TINY, write_photographs

import efficientnet_tf as efn
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.run import Run
from efficientnet_tf.training import session
from efficientnet_tf.training.phases import learning_rate_at, steps_done
from efficientnet_tf.training.resuming import find_run, held
from efficientnet_tf.training.state import CheckpointFolder, read_checkpoint
from efficientnet_tf.training.state.folder import BEST
from efficientnet_tf.training.watching import WatchLoss

PLAIN = {**TINY, "head_epochs": 0, "optimizer": "sgd", "augment": "none"}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("photographs"))


def config_for(photographs: Path, model_dir: Path | None, **changes: object) -> efn.TrainConfig:
    settings = {"data": str(photographs), "model_dir": model_dir and str(model_dir), **PLAIN, **changes}
    return efn.TrainConfig(**settings)


@pytest.fixture(scope="module")
def staged(photographs, tmp_path_factory) -> efn.TrainConfig:
    """Train in two stages, with all that a run can have; return its configuration."""
    model_dir = tmp_path_factory.mktemp("runs") / "staged"
    config = config_for(
        photographs,
        model_dir,
        epochs=2,
        stages=2,
        dropout=0.4,
        augment="randaugment:n=1,m=9+mixup:0.2",
        minival=6,
        class_weights="balanced",
        ema_decay=0.9,
        accumulation=2,
        steps_per_execution=2,
    )
    efn.train(config)
    return config


def test_stages_and_a_set_that_chooses(staged):
    run = Run(Path(staged.model_dir))
    with open(run.history_file) as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    # Six of the 39 choose, and the source's own nine are measured once, by a network of one size.
    assert json.loads(run.metrics_file.read_text())["examples"] == 9
    assert run.load_model().input_shape == (None, 32, 32, 3)
    assert run.preprocessing.image_size == (32, 32)
    steps = CheckpointFolder(run.checkpoints).steps()
    assert steps == [5, 10]  # of 33 photographs, eight at a time
    best = read_checkpoint(run.checkpoints / BEST)
    assert best.state["callbacks"]["keeper"]["best"] == min(float(row["val_loss"]) for row in rows)
    # What was kept is the average.
    network = run.load_model()
    averages = [best.arrays[f"average/{number:05}"] for number in range(len(network.weights))]
    for weight, average in zip(network.get_weights(), averages, strict=True):
        np.testing.assert_array_equal(weight, average)


def copied(config: efn.TrainConfig, folder: Path) -> efn.TrainConfig:
    """Return the configuration of a copy of a run that was killed before it was measured."""
    shutil.copytree(config.model_dir, folder / "run")
    (folder / "run" / "metrics.json").unlink()
    settings = {**config.to_json(), "model_dir": str(folder / "run")}
    return efn.TrainConfig.from_json(settings)


def test_a_training_that_ended_is_measured(staged, tmp_path):
    config = copied(staged, tmp_path)
    before = (Path(config.model_dir) / "model.keras").read_bytes()
    result = efn.train(config)
    assert result.epochs == 2
    assert result.run.metrics_file.read_bytes() == (Path(staged.model_dir) / "metrics.json").read_bytes()
    assert result.run.model_file.read_bytes() == before


def test_other_photographs_are_not_gone_on_with(staged, photographs, tmp_path):
    config = copied(staged, tmp_path)
    shutil.rmtree(photographs.with_name("moved"), ignore_errors=True)
    one = photographs / "train" / "red" / "0.png"
    kept = one.read_bytes()
    one.unlink()
    try:
        message = (
            f"The photographs are not those that the run in {config.model_dir} began with; an exact continuation "
            "needs them. Give a new --model_dir."
        )
        with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
            efn.train(config)
    finally:
        one.write_bytes(kept)


class Steep(WatchLoss):
    """A loss that is above any limit in step 2, unless the learning rate is a third of the usual one or less."""

    def on_train_batch_end(self, batch, logs=None):
        steep = steps_done(self.model) == 2 and learning_rate_at(self.model, 1) > 0.01 / 3
        self.limit = 0.0 if steep else None
        super().on_train_batch_end(batch, logs)


@pytest.mark.slow
def test_going_back_and_further_back(photographs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(session, "WatchLoss", Steep)
    options = {"on_nan": "rollback", "epochs": 2, "checkpoint_steps": 1, "warmup_epochs": 0.0}
    result = efn.train(config_for(photographs, tmp_path / "run", **options))
    pattern = (
        r"above the limit of 0, in step (\d+) \(batch (\d+) of epoch 1\) .*\. Back to step (\d+), with (\S+) times"
    )
    # From where the first step led to, half the rate does not help.
    assert re.findall(pattern, capsys.readouterr().out) == [("2", "2", "1", "0.5"), ("2", "2", "0", "0.25")]
    factor = 0.25
    checkpoint, _ = CheckpointFolder(result.run.checkpoints).newest()
    assert checkpoint is not None
    assert checkpoint.state["about"]["rate_factor"] == factor
    assert checkpoint.state["position"] == {"step": 10, "epoch": 2, "batch": 0}
    with open(result.run.history_file) as file:
        last = float(list(csv.DictReader(file))[-1]["learning_rate"])
    assert last == pytest.approx(factor * 0.005 * (1 + np.cos(np.pi * 0.9)), rel=1e-5)


@pytest.mark.slow
def test_going_back_has_an_end(photographs, tmp_path):
    never = {"on_nan": "rollback", "loss_limit": 0.001, "epochs": 1}
    message = (
        r"^Training diverged: the loss was [\d.]+, above the limit of 0\.001, in step 1 \(batch 1 of epoch 1\) at the "
        r"learning rate [\d.e-]+\. Going back 5 times did not help\. Give a lower --learning_rate than 0\.01 and a new "
        r"--model_dir\. "
        r"No network was kept\.$"
    )
    with pytest.raises(EfficientNetError, match=message):
        efn.train(config_for(photographs, tmp_path / "run", **never))


def begun(config: efn.TrainConfig, folder: Path) -> Run:
    """Make the folder of a run that has only begun."""
    run = Run(folder)
    run.begin(config.resolve(), ("a", "b"), efn.spec("lite0").preprocessing())
    return run


def test_a_folder_with_another_run(photographs, tmp_path):
    config = config_for(photographs, tmp_path / "run", epochs=3)
    begun(config, tmp_path / "run")
    # Where and how often it is kept may change; what is trained may not.
    assert find_run(config_for(photographs, tmp_path / "run", epochs=3, checkpoint_steps=7).resolve(), "x").config
    cases = [
        (
            {"variant": "b0", "epochs": 3},
            f"{tmp_path / 'run'} holds another run: its variant is lite0, not b0. "
            "Give a new --model_dir, or none to let one be chosen.",
        ),
        (
            {"epochs": 5, "minival": 3},
            f"{tmp_path / 'run'} holds another run: its minival is 0, not 3, its epochs is 3, not 5. "
            "Give a new --model_dir, or none to let one be chosen.",
        ),
        (
            {"epochs": 3, "resume": "never"},
            f"{tmp_path / 'run'} holds another run. Give a new --model_dir, or --resume=auto to go on with it.",
        ),
    ]
    for changes, message in cases:
        with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
            find_run(config_for(photographs, tmp_path / "run", **changes).resolve(), "x")
    message = f"--resume=must, and there is no interrupted run of these settings in {tmp_path / 'new'}."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        find_run(config_for(photographs, tmp_path / "new", resume="must").resolve(), "x")


def test_the_interrupted_one_of_several_runs(photographs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = config_for(photographs, None, epochs=3).resolve()
    runs = [find_run(config, "x").run.path]
    name = runs[0].name
    begun(config_for(photographs, None, epochs=4), runs[0])
    interrupted = begun(config, runs[0].with_name(f"{name}-2"))
    found = find_run(config, "x")
    assert (found.run.path.name, found.config) == (f"{name}-2", config)
    assert find_run(config_for(photographs, None, epochs=3, resume="never").resolve(), "x").run.path.name == f"{name}-3"
    with held(interrupted):
        # Another process trains in it: a new one is begun, and where it is asked for by name it is refused.
        assert find_run(config, "x").run.path.name == f"{name}-3"
        message = f"Another training is writing to {interrupted.path}. Give another --model_dir."
        with pytest.raises(UsageError, match=f"^{re.escape(message)}$"), held(interrupted):
            pass
    interrupted.finish({})
    assert find_run(config, "x").run.path.name == f"{name}-3"
    assert find_run(config_for(photographs, interrupted.path, epochs=3).resolve(), "x").finished


def test_a_run_without_a_readable_checkpoint(photographs, tmp_path):
    run = begun(config_for(photographs, None, epochs=3), tmp_path / "run")
    run.checkpoints.mkdir()
    file = run.checkpoints / "step-0000000010.ckpt"
    file.write_bytes(b"nothing")
    message = (
        f"{run.path} holds an interrupted run without a checkpoint that can be read ({file} is damaged, or not a "
        "checkpoint: File is not a zip file.). Give a new --model_dir."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        find_run(config_for(photographs, run.path, epochs=3).resolve(), "x")


def test_what_is_loaded_is_a_plain_model(staged):
    assert type(keras.models.load_model(Path(staged.model_dir) / "model.keras")).__name__ == "Functional"
