"""A small training, for processes with other devices than those of the tests: `python distributed_training.py JSON`.

The JSON object holds `strategy`, `devices` (logical ones of the processor), `folder`, and `jobs`: a list of objects
whose keys are the keyword arguments of `train`. Of each job, `folder` then has the weights as `JOB-WORKER.npz`; and
`WORKER.json` has a list of their histories.
"""

from __future__ import annotations

import json
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
SOURCES = {"train": f"synthetic:classes={CLASSES},count=80,size={SIZE}", "validation": "synthetic:classes=4,count=120,size=16"}


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
    **compiled: Any,
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Train 20 steps, and return the model and the history of its two passes."""
    keras.utils.set_random_seed(1)
    # The order of the pictures shall follow from their own seed alone.
    tf.random.set_seed(1)
    with distribution.precision(precision), distribution.scope(strategy):
        model = network(statistics, dropout)
        if not plain:
            model = distribution.differ_by_replica(distribution.distribute(model, accumulation=accumulation))
        if statistics == "synchronised":
            distribution.synchronise(model)
        optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
        accuracy = keras.metrics.CategoricalAccuracy(name="top1")
        model.compile(optimizer, "categorical_crossentropy", weighted_metrics=[accuracy], **compiled)
    history = model.fit(
        batches(strategy, "train"),
        validation_data=batches(strategy, "validation"),
        epochs=EPOCHS,
        verbose=0,
        shuffle=False,
        callbacks=[distribution.AverageStatistics()],
    )
    assert int(model.optimizer.iterations.value.numpy()) == 20
    return model, {name: [float(value) for value in values] for name, values in history.history.items()}


def main() -> None:
    options = json.loads(sys.argv[1])
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * options["devices"])
    strategy = distribution.make_strategy(options["strategy"])
    folder, shard = Path(options["folder"]), distribution.worker_shard(strategy)
    worker = 0 if shard is None else shard.index
    assert distribution.is_chief(strategy) == (worker == 0)
    histories = []
    for number, job in enumerate(options["jobs"]):
        model, history = train(strategy, **job)
        weights = {variable.path: variable.numpy() for variable in model.weights if "seed" not in variable.name}
        np.savez(folder / f"{number}-{worker}.npz", *weights.values())
        histories.append(history)
    (folder / f"{worker}.json").write_text(json.dumps(histories))


if __name__ == "__main__":
    main()
