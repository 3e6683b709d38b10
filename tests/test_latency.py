"""`efficientnet-benchmark --mode=latency`, `--mode=startup` and `--table=4`."""

from __future__ import annotations

import collections
import csv
import importlib.util
import json

import keras
import numpy as np
import pytest

from efficientnet_tf.benchmarking import latency, startup
from efficientnet_tf.benchmarking.latency import latency_rows, table4_rows
from efficientnet_tf.benchmarking.latency_networks import (
    DEPLOYED,
    FORMS,
    LITERT,
    PLAIN,
    TORCH,
    LatencyJob,
    _keras_model,
    forms,
)
from efficientnet_tf.benchmarking.latency_report import plot_latency
from efficientnet_tf.benchmarking.training_networks import KERAS, OURS, TIMM_LAST
from efficientnet_tf.benchmarking.worker import Taken, Worker
from efficientnet_tf.cli import benchmark
from efficientnet_tf.errors import EfficientNetError, UsageError

TAKES = {(OURS, DEPLOYED): 0.010, (OURS, PLAIN): 0.015, (OURS, LITERT): 0.005, (KERAS, PLAIN): 0.020}


class FakeWorker:
    """A network whose calls take what the table says, in seconds; timm is not there."""

    log: list[tuple[str, str, int]]

    def __init__(self, job: LatencyJob) -> None:
        if job.network == TIMM_LAST:
            raise EfficientNetError("timm is not installed. Run: pip install timm torch.")
        self.job, self.build_seconds = job, 3.0
        self.first = self.step(1)

    def step(self, number: int) -> Taken:
        self.log.append((self.job.network, self.job.form, number))
        each = TAKES.get((self.job.network, self.job.form), 0.1)
        return Taken((each,) * (number - 1) + (2 * each,), 1.0, 10**9)

    def close(self) -> None:
        self.log.append((self.job.network, self.job.form, 0))


@pytest.fixture
def log(monkeypatch):
    monkeypatch.setattr(FakeWorker, "log", [], raising=False)
    monkeypatch.setattr(latency, "Worker", FakeWorker)
    return FakeWorker.log


def test_networks_are_asked_in_turn_and_every_other_round_backwards(log):
    rows = latency_rows(["b0"], compare=["keras.applications", "timm"], rounds=2)
    assert [row["candidate"] for row in rows] == [
        "efficientnet_tf, deployed",
        "efficientnet_tf, Keras",
        "efficientnet_tf, LiteRT",
        "keras.applications, Keras",
        "timm, channels_last, PyTorch",
    ]
    deployed, _, _, theirs, timm = rows
    assert (deployed["p50_ms"], deployed["mean_ms"], deployed["lowest_ms"]) == pytest.approx((10.0, 10.5, 10.0))
    assert deployed["p99_ms"] == pytest.approx(20.0)
    assert deployed["p90_ms"] == pytest.approx(10.0)
    assert theirs["ratio"] == pytest.approx(2.0)
    assert timm["note"] == "timm is not installed. Run: pip install timm torch."
    assert "p50_ms" not in timm
    assert (deployed["threads"], deployed["batch_size"], deployed["image_size"]) == (1, 1, 224)
    started = [(OURS, DEPLOYED), (OURS, PLAIN), (OURS, LITERT), (KERAS, PLAIN)]
    warm = [(*name, number) for name in started for number in (1, latency.CALLS)]
    turn = [(*name, latency.CALLS) for name in started]
    assert log[: len(warm) + 2 * len(turn)] == [*warm, *turn, *turn[::-1]]
    assert [entry for entry in log if entry[2] == 0] == [(*name, 0) for name in started]


def test_a_peer_that_ends_on_the_way_is_a_note(log, monkeypatch):
    calls = collections.Counter()

    def step(self, number):
        calls[self.job.network] += 1
        if self.job.network == KERAS and calls[KERAS] == 3:
            raise EfficientNetError("The process of a network has ended: exit code 9.")
        return Taken((0.01,) * number, 1.0, 10**9)

    monkeypatch.setattr(FakeWorker, "step", step)
    *ours, theirs = latency_rows(["b0"], compare=["keras.applications"], rounds=2)
    assert theirs["note"] == "The process of a network has ended: exit code 9."
    assert [row["note"] for row in ours] == [""] * 3
    assert log == [(OURS, form, 0) for form in (DEPLOYED, PLAIN, LITERT)] + [(KERAS, PLAIN, 0)]


def test_ours_must_run(log, monkeypatch):
    def fail(self, job):
        raise EfficientNetError("no memory")

    monkeypatch.setattr(FakeWorker, "__init__", fail)
    with pytest.raises(EfficientNetError, match=r"^no memory$"):
        latency_rows(["b0"], compare=())


def test_table_4_compares_each_form_with_itself(log, monkeypatch):
    monkeypatch.setitem(TAKES, (KERAS, DEPLOYED), 0.05)
    rows = table4_rows(rounds=1)
    found = {(row["network"], row.get("form")): row for row in rows}
    assert len(found) == 10
    assert found["ResNet-152", PLAIN]["ratio"] == pytest.approx(20 / 15)
    assert found["ResNet-152", DEPLOYED]["ratio"] == pytest.approx(5.0)
    assert {found["EfficientNet-B7", form]["ratio"] for form in FORMS} == {1.0}
    assert found["GPipe", None]["paper_seconds"] == "19.0s"
    assert "mean_ms" not in found["GPipe", None]
    assert {row["image_size"] for row in rows if "image_size" in row} == {240, 224, 600}


def test_which_networks_there_are():
    assert forms("mobilenetv1", ["keras.applications", "timm"])[3:] == [(KERAS, PLAIN)]
    assert forms("b1", [])[3:] == []
    assert forms("EfficientNetB1", ["timm"])[3:] == [(TIMM_LAST, TORCH)]


@pytest.mark.parametrize("form", FORMS)
def test_a_real_process_answers(form):
    worker = Worker(LatencyJob(OURS, form, "tiny", 2, 32, 1))
    try:
        taken = worker.step(3)
    finally:
        worker.close()
    assert len(taken.seconds) == 3
    assert min(taken.seconds) > 0
    assert taken.peak_bytes > 10**8


def test_a_network_of_keras_without_preprocessing_is_given_its_own():
    model = _keras_model(LatencyJob(KERAS, DEPLOYED, "ResNet50", 1, 64, 1))
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype("float32")
    bare = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3))
    bare.set_weights(model.get_weights())
    theirs = bare.predict_on_batch(keras.applications.resnet50.preprocess_input(pixels[..., ::-1].copy()))
    np.testing.assert_allclose(model.predict_on_batch(pixels), theirs, atol=1e-5)


def test_command(log, tmp_path, capsys):
    words = ["--mode=latency", "--variant=lite0,b0", "--compare=keras.applications", "--rounds=1"]
    assert benchmark.main([*words, "--json", f"--output_dir={tmp_path}"]) == 0
    rows = json.loads(capsys.readouterr().out)["latency"]
    assert [(row["variant"], row["candidate"]) for row in rows][2:4] == [
        ("lite0", "efficientnet_tf, LiteRT"),
        ("b0", "efficientnet_tf, deployed"),
    ]
    with (tmp_path / "network_latency.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 7
    assert (tmp_path / "network_latency.png").read_bytes().startswith(b"\x89PNG")
    assert benchmark.main(["--table=4", f"--output_dir={tmp_path}"]) == 0
    assert "ResNet-152" in capsys.readouterr().out
    assert (tmp_path / "table4.csv").exists()


def test_the_plot_has_published_accuracies(log):
    rows = latency_rows(["b0", "b1", "lite0"], compare=["keras.applications"], rounds=1)
    (axes,) = plot_latency(rows).axes
    lines = {line.get_label(): line.get_xydata() for line in axes.get_lines()}
    np.testing.assert_allclose(lines["keras.applications, Keras"], [[20.0, 77.1], [20.0, 79.1]])
    assert len(lines) == 4


def test_startup(monkeypatch, tmp_path, capsys):
    taken = iter(range(1, 1000))
    ran = []
    monkeypatch.setattr(startup, "_run", lambda words: ran.append(words) or float(next(taken)))
    assert benchmark.main(["--mode=startup", "--rounds=3", "--json", f"--output_dir={tmp_path}"]) == 0
    rows = json.loads(capsys.readouterr().out)["startup"]
    tasks = len(rows)
    assert tasks == 5 + len(startup.COMMANDS)
    assert len(ran) == 4 * tasks
    # Each warm-up, then three rounds.
    assert rows[0]["seconds"] == 1 + 2 * tasks
    assert rows[0]["fastest"] == 1 + tasks
    assert [row["task"] for row in rows if row["ratio"]] == [startup.PREDICT]


def test_a_command_that_fails_stops_the_measurement():
    with pytest.raises(EfficientNetError) as raised:
        startup._run(["-c", "raise SystemExit('no such thing')"])
    assert str(raised.value) == "-c raise SystemExit('no such thing') failed: no such thing"
    assert 0 < startup._run(["-c", "pass"]) < 60


def test_settings_of_other_modes():
    with pytest.raises(UsageError) as raised:
        benchmark.BenchmarkConfig(mode=("startup",), variant=("b0",))
    assert str(raised.value) == (
        "--variant belongs to --mode=params or --mode=latency or --mode=train or --mode=memory, which is not asked for."
    )


def test_networks_of_training_alone():
    with pytest.raises(UsageError) as raised:
        benchmark.BenchmarkConfig(mode=("latency",), compare=("plain",))
    assert str(raised.value) == "--compare=plain belongs to --mode=train or --mode=memory, which is not asked for."


def test_a_mode_that_is_not(capsys):
    assert benchmark.main(["--mode=latnecy"]) == 2
    assert capsys.readouterr().err == (
        "efficientnet-benchmark: Unknown mode 'latnecy'. Did you mean 'latency'? "
        "Allowed: params, latency, train, memory, input, startup.\n"
    )


@pytest.mark.parametrize("words", [["--mode=latency"], ["--mode=startup"], ["--mode=train"], ["--table=4"]])
def test_without_tensorflow_one_line_says_what_to_install(words, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorflow" else find(name))
    assert benchmark.main(words) == 1
    assert capsys.readouterr().err.startswith("efficientnet-benchmark: TensorFlow is not installed. Run: pip install ")
