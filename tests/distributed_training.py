"""A small training, for processes with other devices than those of the tests: `python distributed_training.py JSON`.

The JSON object holds `strategy`, `devices` (logical ones of the processor), `folder`, and `jobs`: a list of objects
whose keys are the keyword arguments of `train`. Of each job, `folder` then has the weights as `JOB-WORKER.npz`; and
`WORKER.json` has a list of their histories, or of what went wrong. `run` does all this.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from efficientnet_tf.data import Shard, make_dataset, read_source
from efficientnet_tf.specs import Preprocessing
from efficientnet_tf.training import distribution

CLASSES, SIZE, BATCH, EPOCHS = 4, 16, 8, 2
#: 10 batches, and so 20 steps in two passes; and 30 pictures to validate on, which are not a multiple of a batch.
SOURCES = {
    "train": f"synthetic:classes={CLASSES},count=80,size={SIZE}",
    "validation": "synthetic:classes=4,count=120,size=16",
}


def batches(strategy: Any, split: str) -> Any:
    training = split == "train"
    source = read_source(SOURCES[split], split)

    def make(shard: Shard | None, size: int) -> tf.data.Dataset:
        return make_dataset(
            source,
            Preprocessing(image_size=(SIZE, SIZE)),
            batch_size=size,
            training=training,
            classes=CLASSES,
            seed=3,
            drop_remainder=training,
            pad_remainder=not training,
            shard=shard,
        )

    return distribution.distributed_batches(strategy, make, BATCH)


def pictures(strategy: Any, split: str) -> Any:
    """Return as many batches of noise as `batches` has, at once; the last for validation is smaller, not filled up."""
    generator = np.random.default_rng(5)
    count = 80 if split == "train" else 30
    images = generator.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.eye(CLASSES, dtype="float32")[generator.integers(0, CLASSES, count)]

    def make(shard: Shard | None, size: int) -> tf.data.Dataset:
        own = slice(None) if shard is None else slice(shard.index, None, shard.count)
        return tf.data.Dataset.from_tensor_slices((images[own], labels[own])).batch(size, split == "train")

    return distribution.distributed_batches(strategy, make, BATCH)


def network(statistics: str, dropout: float = 0.0) -> keras.Model:
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)(x)
    if statistics != "none":
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.Activation("silu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(dropout, seed=1)(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, activation="softmax", dtype="float32")(x))


def train(
    strategy: Any,
    *,
    statistics: str = "none",
    accumulation: int = 1,
    precision: str = "float32",
    dropout: float = 0.0,
    plain: bool = False,
    keras_accumulation: int | None = None,
    in_memory: bool = False,
    **compiled: Any,
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Train 20 steps, and return the model and the history of its two passes; with Keras' own model if `plain`."""
    keras.utils.set_random_seed(1)
    # The order of the pictures shall follow from their own seed alone.
    tf.random.set_seed(1)
    with distribution.precision(precision), distribution.scope(strategy):
        model = network(statistics, dropout)
        if not plain:
            model = distribution.differ_by_replica(distribution.distribute(model, accumulation=accumulation))
        if statistics == "synchronised":
            distribution.synchronise(model)
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=keras_accumulation)
        accuracy = keras.metrics.CategoricalAccuracy(name="top1")
        model.compile(optimizer, "categorical_crossentropy", weighted_metrics=[accuracy], **compiled)
    source = pictures if in_memory else batches
    history = model.fit(
        source(strategy, "train"),
        validation_data=source(strategy, "validation"),
        epochs=EPOCHS,
        verbose=0,
        shuffle=False,
        callbacks=[distribution.AverageStatistics()],
    )
    assert int(model.optimizer.iterations.value.numpy()) == 20
    return model, {name: [float(value) for value in values] for name, values in history.history.items()}


def run(
    folder: Path, strategy: str, jobs: list[dict[str, Any]], *, devices: int = 1, workers: int = 1
) -> list[list[tuple[list[np.ndarray], Any]]]:
    """Do jobs in other processes, and return of each worker, and of each job, the weights and the history."""
    folder.mkdir()
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(workers)]
    options = json.dumps({"strategy": strategy, "devices": devices, "folder": str(folder), "jobs": jobs})
    started = []
    for index in range(workers):
        environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
        if workers > 1:
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        command = [sys.executable, __file__, options]
        started.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    try:
        for process in started:
            output, _ = process.communicate(timeout=540)
            assert process.returncode == 0, output
    finally:
        for process in started:
            process.kill()
    return [
        [
            (list(np.load(folder / f"{number}-{worker}.npz").values()), history)
            for number, history in enumerate(json.loads((folder / f"{worker}.json").read_text()))
        ]
        for worker in range(workers)
    ]


def furthest(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    """Return the largest difference between two sets of weights."""
    return max(float(np.abs(one - other).max()) for one, other in zip(some, others, strict=True))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def main() -> None:
    options = json.loads(sys.argv[1])
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * options["devices"])
    strategy = distribution.make_strategy(options["strategy"])
    folder, shard = Path(options["folder"]), distribution.worker_shard(strategy)
    worker = 0 if shard is None else shard.index
    assert distribution.is_chief(strategy) == (worker == 0)
    histories: list[Any] = []
    for number, job in enumerate(options["jobs"]):
        weights: list[np.ndarray] = []
        try:
            model, history = train(strategy, **job)
        except Exception as error:  # of any kind: what Keras fails with differs
            histories.append(f"{type(error).__name__}: {error}")
        else:
            weights = [variable.numpy() for variable in model.weights if "seed" not in variable.name]
            histories.append(history)
        np.savez(folder / f"{number}-{worker}.npz", *weights)
    (folder / f"{worker}.json").write_text(json.dumps(histories))


if __name__ == "__main__":
    main()
