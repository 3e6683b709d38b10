"""Train on Fashion-MNIST from random weights, and write the whole curve and the accuracy on the test set.

    .venv/bin/python benchmarks/fashion.py results/fashion.csv [--data=FOLDER]

The recipe is `fashion`, the network a V2-B0 of three quarters the width and a quarter the depth. A twentieth of the
training set chooses the best epoch; the test set is looked at once, in the end. Whole pictures are validated and
tested: the official centre crop would leave 16 of their 28 pixels.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

#: Where Debian's package dataset-fashion-mnist has the files.
DATA = "/usr/share/datasets/fashion-mnist"
RECIPE = "fashion"
NETWORK: dict[str, Any] = {"variant": "v2-b0", "width": 0.75, "depth": 0.25}
VALIDATION_FRACTION = 0.05


def main(words: list[str] | None = None) -> None:
    """Train, test, and write a row for each epoch and one for the test."""
    begin = time.perf_counter()
    options = _parser().parse_args(words)
    # Not above: --help needs no TensorFlow.
    from efficientnet_tf.benchmarking.machine import machine
    from efficientnet_tf.benchmarking.tables import write_csv

    with tempfile.TemporaryDirectory() as folder:
        rows = curve(options.data, Path(folder) / "run", begin=begin, epochs=options.epochs, seed=options.seed)
    columns = machine(("keras", "numpy"))
    write_csv(options.target, [{**row, **columns} for row in rows])


def curve(data: str, folder: Path, *, begin: float, epochs: int | None = None, seed: int = 0) -> list[dict[str, Any]]:
    """Train and test; return a row for each epoch and one for the test.

    Args:
        data: a folder of the four idx files.
        folder: a new one, for the run.
        begin: of the measurement, in seconds of `time.perf_counter`; the test's row says how long ago that was.
        epochs: by default the recipe's.
        seed: of weights, order, crops and masks.
    """
    import keras

    from efficientnet_tf.config import TrainConfig, network_of
    from efficientnet_tf.data import load_data
    from efficientnet_tf.pretrained import build_network
    from efficientnet_tf.run import Run
    from efficientnet_tf.training import callbacks, recipe

    changes = {} if epochs is None else {"epochs": epochs}
    config = TrainConfig(**NETWORK, recipe=RECIPE, weights="none", seed=seed, **changes).resolve()
    keras.utils.set_random_seed(seed)
    record = dataclasses.replace(network_of(config).preprocessing(config.image_size), crop="none")
    options = {"record": record, "validation_fraction": VALIDATION_FRACTION, "batch_size": config.batch_size}
    training = load_data(
        f"idx:{data}", min_crop_area=config.crop_area, augment=config.augment, seed=seed, classes=10, **options
    )
    validation, test = (
        load_data(f"idx:{data}", split=split, classes=10, **options) for split in ("validation", "test")
    )
    chosen = {"dropout": config.dropout, "survival_probability": config.survival_probability}
    model = build_network(network_of(config), weights="none", classes=10, image_size=config.image_size, **chosen).model
    steps = math.ceil(len(training.examples) / config.batch_size)
    model.compile(**recipe(RECIPE, model, steps=config.epochs * steps, steps_per_epoch=steps, **changes))
    clock = _clock(config.epochs)
    made = callbacks(folder, recipe=RECIPE, data=training, **changes)
    model.fit(
        training, validation_data=validation, epochs=config.epochs, callbacks=[*made, clock], shuffle=False, verbose=0
    )
    best = Run(folder).load_model()
    best.compile(loss=model.loss, metrics=[keras.metrics.CategoricalAccuracy(name="top1")])
    tested = best.evaluate(test, return_dict=True, verbose=0)
    _report(f"test top-1 {tested['top1']:.4f}, {time.perf_counter() - begin:.0f} seconds in all")
    about = {"network": network_of(config).name, "params": model.count_params(), "image_size": config.image_size}
    result = {"split": "test", "pictures": len(test.examples), "seconds": time.perf_counter() - begin, **tested}
    return [{**row, **about} for row in (*_epochs(Run(folder).history_file, clock.seconds, training), result)]


def _epochs(history: Path, seconds: list[float], training: Any) -> list[dict[str, Any]]:
    with history.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first = {"split": "train", "pictures": len(training.examples)}
    return [
        {**first, "seconds": spent, **{name: float(value) for name, value in row.items()}, "epoch": number}
        for number, (row, spent) in enumerate(zip(rows, seconds, strict=True), 1)
    ]


def _clock(epochs: int) -> Any:
    """Return a callback with the seconds of each epoch, its validation and all that is written among them."""
    import keras

    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []
            self._last = time.perf_counter()

        def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
            self._last = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            now = time.perf_counter()
            self.seconds.append(now - self._last)
            self._last = now
            figures = " ".join(f"{name} {float(value):.4f}" for name, value in (logs or {}).items())
            _report(f"epoch {epoch + 1} of {epochs}: {self.seconds[-1]:.0f} s, {figures}")

    return Clock()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, help="the table to write, results/fashion.csv")
    parser.add_argument("--data", default=DATA, help="folder of the four files, with or without .gz; %(default)s")
    parser.add_argument("--epochs", type=int, help="by default those of the recipe")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order, crops and masks; %(default)s")
    return parser


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
