"""Which devices a run uses, and what differs among them; nothing here needs more than one."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from distributed_training import network

from efficientnet_tf.data import Shard
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.training import distribution
from efficientnet_tf.training.distribution import clusters, statistics, tpus
from efficientnet_tf.training.distribution.divided import mean_over_parts

CLUSTER = {"worker": ["a:1", "b:2"]}
SLURM = {
    "SLURM_PROCID": "2",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_NODELIST": "n[1-2]",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
    "CUDA_VISIBLE_DEVICES": "",
}


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """Take away what the machine itself may say of a cluster."""
    for name in ("TF_CONFIG", *SLURM):
        monkeypatch.delenv(name, raising=False)


class Joined(tf.distribute.MultiWorkerMirroredStrategy):
    """Stands for the strategy of a cluster whose other workers need not exist."""

    def __init__(self, cluster_resolver):
        self.resolver = cluster_resolver

    cluster_resolver = property(lambda self: self.resolver)
    num_replicas_in_sync = 4


def set_task(monkeypatch, cluster, kind, index):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}}))


@pytest.mark.parametrize("name", ["auto", "multiworker"])
def test_workers_of_tf_config(name, monkeypatch, capsys):
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", Joined)
    set_task(monkeypatch, CLUSTER, "worker", 1)
    strategy = distribution.make_strategy(name)
    assert isinstance(strategy, Joined)
    assert strategy.resolver.cluster_spec().as_dict() == CLUSTER
    assert distribution.worker_shard(strategy) == Shard(1, 2)
    assert not distribution.is_chief(strategy)
    assert capsys.readouterr().err == "Joining 2 workers as worker 1 ...\n"


def test_workers_of_slurm(monkeypatch):
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", Joined)
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    strategy = distribution.make_strategy("auto")
    assert strategy.resolver.cluster_spec().as_dict() == {"worker": ["n1:8888", "n1:8889", "n2:8888"]}
    assert strategy.resolver.num_accelerators() == {"GPU": 0}
    assert distribution.worker_shard(strategy) == Shard(2, 3)


def test_a_chief_comes_first(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:2", "c:3"]}
    for kind, index, shard in (("chief", 0, Shard(0, 3)), ("worker", 0, Shard(1, 3)), ("worker", 1, Shard(2, 3))):
        set_task(monkeypatch, cluster, kind, index)
        strategy = Joined(clusters.resolve_cluster())
        assert distribution.worker_shard(strategy) == shard
        assert distribution.is_chief(strategy) == (kind == "chief")


@pytest.mark.parametrize("text", ["", "{}", '{"task": {"type": "worker", "index": 0}}'])
def test_no_workers(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    assert clusters.count_workers() == 1
    assert distribution.make_strategy("auto") is None
    message = (
        r"^The strategy multiworker needs several workers: TF_CONFIG in the environment, or a step of Slurm \(srun\)"
    )
    with pytest.raises(UsageError, match=message):
        distribution.make_strategy("multiworker")


BAD = {
    "{cluster": "TF_CONFIG is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1). "
    'It must be like {"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}.',
    "[]": 'TF_CONFIG must be like {"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": 0}}, '
    "got a list.",
    '{"cluster": {"worker": "a:1"}}': 'The cluster of TF_CONFIG must list addresses of worker, got {"worker": "a:1"}.',
    '{"cluster": {"worker": ["a:1"], "ps": ["b:2"]}}': "The cluster of TF_CONFIG may have the jobs chief and worker, "
    "got ps.",
    '{"cluster": {"worker": ["a:1"]}}': "The task of TF_CONFIG must name one of the addresses of its cluster by type "
    "and index, got null.",
    '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}': "The task of TF_CONFIG must name one "
    'of the addresses of its cluster by type and index, got {"type": "worker", "index": 1}.',
}


@pytest.mark.parametrize("text", BAD)
def test_tf_config_that_cannot_be_used(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    for name in ("auto", "multiworker"):
        with pytest.raises(UsageError) as caught:
            distribution.make_strategy(name)
        assert str(caught.value) == BAD[text]


def test_slurm_that_cannot_be_used(monkeypatch):
    for name in ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.setenv(name, SLURM[name])
    with pytest.raises(EfficientNetError, match=r"^Slurm's step makes no cluster of workers: SLURM_STEP_NODELIST not "):
        distribution.make_strategy("auto")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "many")
    with pytest.raises(UsageError, match=r"^SLURM_STEP_NUM_TASKS must be a number, got 'many'\.$"):
        distribution.make_strategy("auto")


def test_workers_after_tensorflow_has_begun(monkeypatch):
    set_task(monkeypatch, {"worker": ["localhost:1", "localhost:2"]}, "worker", 0)
    tf.constant(1) + 1
    message = r"^The workers localhost:1, localhost:2 cannot be joined: Collective ops must be configured at program "
    with pytest.raises(EfficientNetError, match=message):
        distribution.make_strategy("multiworker")


def test_unknown_strategy():
    message = r"^Unknown strategy 'miror'\. Did you mean 'mirrored'\? Allowed: auto, single, mirrored, multiworker, tpu"
    with pytest.raises(UsageError, match=message):
        distribution.make_strategy("miror")


def test_tpu_at_an_address_where_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = opened.getsockname()[1]
    message = rf"^The TPU 'grpc://127.0.0.1:{port}' cannot be reached: .*refused\. It needs pip install "
    with pytest.raises(EfficientNetError, match=message):
        distribution.make_strategy("auto", f"grpc://127.0.0.1:{port}")


def test_tpu_that_does_not_answer(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", lambda name: released.wait())
    monkeypatch.setattr(tpus, "PATIENCE", 0.05)
    with pytest.raises(
        EfficientNetError, match=r"^The TPU 'v4' cannot be reached: no answer within 0\.05 seconds\. It "
    ):
        distribution.make_strategy("tpu", "v4")
    released.set()
    assert tpus.PATIENCE < 60


SILENT = """
import socket, sys
from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.training.distribution import make_strategy, tpus
tpus.PATIENCE = 3.0
with socket.create_server(("127.0.0.1", 0)) as server:
    try:
        make_strategy("tpu", f"127.0.0.1:{server.getsockname()[1]}")
    except EfficientNetError as error:
        sys.exit(str(error))
"""


@pytest.mark.slow
def test_a_process_ends_although_a_tpu_does_not_answer():
    done = subprocess.run([sys.executable, "-c", SILENT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "cannot be reached: no answer within 3 seconds." in done.stderr.splitlines()[-1]


def test_batches_and_devices():
    class Six:
        num_replicas_in_sync = 6

    assert distribution.check_batch_size(7, None) == 7
    assert distribution.check_batch_size(12, Six(), accumulation=2) == 2
    for size, use in ((32, "30 or 36"), (4, "6"), (65, "60 or 66")):
        with pytest.raises(UsageError) as caught:
            distribution.check_batch_size(size, Six())
        assert str(caught.value) == f"batch_size must be a multiple of the 6 devices, got {size}; use {use}."
    with pytest.raises(
        UsageError, match=r"^accumulation must be at most the 2 examples of each device's batch, got 3\.$"
    ):
        distribution.check_batch_size(12, Six(), accumulation=3)


def test_float16_without_a_gpu(monkeypatch, caplog):
    gpus = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    with caplog.at_level(logging.WARNING), distribution.precision("float16"):
        assert keras.config.dtype_policy().name == "mixed_float16"
    warning = "float16 is made for GPUs, and there is none: bfloat16 or float32 will be faster here."
    assert caplog.messages == [warning]
    gpus.append("GPU:0")
    with distribution.precision("float16"), distribution.precision("bfloat16"):
        pass
    assert caplog.messages == [warning]
    with (
        pytest.raises(UsageError, match=r"^Unknown precision 'float8'\. Did you mean "),
        distribution.precision("float8"),
    ):
        pass


@pytest.mark.parametrize("shape", [None, 7], ids=["dynamic", "static"])
@pytest.mark.parametrize("parts", [1, 2, 3, 7, 9])
def test_mean_over_parts(shape, parts):
    """Of 7 numbers, in parts that are as even as can be and never empty."""
    sizes = []

    def means(part):
        numbers, nothing = part
        assert nothing is None
        tf.py_function(lambda n: sizes.append(int(n)), [tf.shape(numbers)[0]], [])
        return [tf.reduce_mean(numbers, 0)]

    @tf.function(input_signature=[tf.TensorSpec([shape, 2])], autograph=False)
    def divided(numbers):
        return mean_over_parts(means, (numbers, None), parts, zeros=[tf.zeros([2])])[0]

    numbers = np.random.default_rng(0).normal(size=(7, 2)).astype("float32")
    np.testing.assert_allclose(divided(numbers), numbers.mean(0), rtol=1e-5)
    assert sizes == {1: [7], 2: [4, 3], 3: [3, 2, 2], 7: [1] * 7, 9: [1] * 7}[parts]


def test_mean_over_parts_without_a_loop():
    numbers = tf.constant([1.0, 2, 3, 4, 10])
    for parts in (2, 3, 8):
        found = mean_over_parts(
            lambda part: [tf.reduce_mean(part)], numbers, parts, zeros=[tf.zeros(())], in_loop=False
        )
        assert float(found[0]) == pytest.approx(4.0)

    @tf.function(input_signature=[tf.TensorSpec([None])], autograph=False)
    def unknown(numbers):
        return mean_over_parts(lambda part: [part], numbers, 2, zeros=[tf.zeros(())], in_loop=False)

    with pytest.raises(ValueError, match="give its dataset drop_remainder"):
        unknown(numbers)


class Device:
    """Stands for one of two devices."""

    num_replicas_in_sync = 2

    def __init__(self, number):
        self.replica_id_in_sync_group = number


def test_masks_differ_by_device(monkeypatch):
    def masks(number, differ):
        keras.utils.set_random_seed(2)
        model = network("none", dropout=0.5)
        if differ:
            distribution.differ_by_replica(distribution.differ_by_replica(model))
        with monkeypatch.context() as patch:
            if number is not None:
                patch.setattr(tf.distribute, "get_replica_context", lambda: Device(number))
            drawn = [model.layers[-2](np.ones((1, 64)), training=True).numpy() for _ in range(2)]
        assert model.layers[-2].seed_generator.state.numpy().tolist() == [1, 2]
        return np.concatenate(drawn)

    ordinary = masks(None, differ=False)
    np.testing.assert_array_equal(masks(None, differ=True), ordinary)
    np.testing.assert_array_equal(masks(0, differ=True), ordinary)
    other = masks(1, differ=True)
    assert 30 < (other != ordinary).sum() < 98


def test_statistics_that_move():
    model = network("averaged")
    normalisation = model.layers[3]
    outer = keras.Sequential([keras.Input((16, 16, 3)), model])
    assert statistics.moving_statistics(outer) == [normalisation.moving_mean, normalisation.moving_variance]
    normalisation.trainable = False
    assert statistics.moving_statistics(outer) == []
    assert not normalisation.synchronized
    assert distribution.synchronise(outer) is outer
    assert normalisation.synchronized
