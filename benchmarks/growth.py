"""How the time of a training image grows, and what several processes bring: results/growth.csv, growth.png.

    .venv/bin/python benchmarks/growth.py [--output_dir=results] [--rounds=5] [--only=batch,resolution,phi,processes]

Four series, each of its own networks in turn: B0 with batches of 1 to 32 images of 224 pixels; B0 with 16 images of 128
to 288 pixels; B0 to B3 at their own sizes, 8 images, which are the paper's phi of 0, 0.5, 1 and 2; and Lite0, 16 images
a process on one core each, in one process and in two that are joined over the loopback interface.

The last rows are predictions, not measurements: how efficient 8 GPUs and a TPU v3-32 would be if a step took as long as
they say and gradients were exchanged by a ring at the bandwidth that they say, after the step or hidden behind it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.benchmarking.machine import machine
from efficientnet_tf.benchmarking.tables import write_csv
from efficientnet_tf.benchmarking.training_networks import OURS, TrainingJob
from efficientnet_tf.benchmarking.training_speed import PACKAGES, STEPS
from efficientnet_tf.benchmarking.worker import Worker
from efficientnet_tf.specs import count, spec

Row = dict[str, Any]

BATCHES, SIZES, VARIANTS = (1, 2, 4, 8, 16, 32), (128, 160, 192, 224, 288), {"b0": 0.0, "b1": 0.5, "b2": 1.0, "b3": 2.0}
PAIR, PAIR_BATCH, PAIR_STEPS = "lite0", 16, 6
#: Seconds until a process is given up.
_PATIENCE = 900
#: Devices, bytes a second between two of them, and seconds of a step of B0 on each: assumptions, all of them.
CLUSTERS = {
    "8 GPUs joined by PCIe": (8, 12e9, 0.25),
    "8 GPUs joined by NVLink": (8, 150e9, 0.25),
    "TPU v3-32": (32, 70e9, 0.10),
}


def main() -> None:
    """Measure, draw and write."""
    arguments = _parser().parse_args()
    if arguments.process is not None:
        _train_one_of(arguments.process)
        return
    wanted, rows = arguments.only.split(","), []
    threads = os.cpu_count() or 1
    series = {
        "batch": [(size, TrainingJob(OURS, "b0", size, 224, threads)) for size in BATCHES],
        "resolution": [(size, TrainingJob(OURS, "b0", 16, size, threads)) for size in SIZES],
        "phi": [(phi, TrainingJob(OURS, name, 8, spec(name).image_size, threads)) for name, phi in VARIANTS.items()],
    }
    for name, jobs in series.items():
        if name in wanted:
            rows += growth_rows(name, jobs, arguments.rounds)
    if "processes" in wanted:
        rows += process_rows(arguments.rounds)
        rows += prediction_rows()
    columns = machine(PACKAGES)
    write_csv(arguments.output_dir / "growth.csv", [{**row, **columns} for row in rows])
    _draw(rows, arguments.output_dir / "growth.png")


def growth_rows(series: str, jobs: Sequence[tuple[float, TrainingJob]], rounds: int) -> list[Row]:
    """Train networks in turn, and return a row for each: milliseconds an image, and how they grow along the series.

    `exponent` is the slope of the logarithm of time over that of what grows, between a row and the one before it; of
    resolution and phi, over the multiply-adds.
    """
    workers, taken = [], []
    try:
        for value, job in jobs:
            _report(f"{series} {value:g}: starting {job.variant}")
            workers.append(Worker(job))
            taken.append([])
        for number in range(rounds):
            _report(f"{series}: round {number + 1} of {rounds}")
            for (_, job), worker, seconds in zip(jobs, workers, taken, strict=True):
                seconds.append(statistics.median(worker.step(STEPS).seconds) / job.batch_size)
    finally:
        for worker in workers:
            worker.close()
    rows: list[Row] = []
    for (value, job), seconds in zip(jobs, taken, strict=True):
        madds = count(job.variant, image_size=job.image_size).madds
        row = {
            "series": series,
            "value": value,
            "variant": job.variant,
            "batch_size": job.batch_size,
            "image_size": job.image_size,
            "madds": madds,
            "ms_per_image": 1000 * statistics.median(seconds),
            "fastest": 1000 * min(seconds),
            "slowest": 1000 * max(seconds),
        }
        if rows:
            grows = "batch_size" if series == "batch" else "madds"
            before = rows[-1]
            row["exponent"] = float(
                np.log(row["ms_per_image"] / before["ms_per_image"]) / np.log(row[grows] / before[grows])
            )
        rows.append(row)
    return rows


def process_rows(rounds: int) -> list[Row]:
    """Train one process on one core, then two on a core each, in turn, and return images a second of each."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for number in range(rounds):
        for processes in (1, 2):
            _report(f"processes: round {number + 1} of {rounds}, {processes}")
            rates[processes].append(_rate_of(processes))
    efficiency = [two / (2 * one) for one, two in zip(rates[1], rates[2], strict=True)]
    return [
        {
            "series": "processes",
            "value": processes,
            "variant": PAIR,
            "batch_size": PAIR_BATCH * processes,
            "image_size": spec(PAIR).image_size,
            "images_per_second": statistics.median(found),
            "efficiency": statistics.median(efficiency) if processes == 2 else 1.0,
        }
        for processes, found in rates.items()
    ]


def prediction_rows() -> list[Row]:
    """Return the predicted efficiency of clusters: exchanging gradients after the step, and hidden behind it."""
    bytes_of_gradients = 4 * count("b0").trainable
    rows = []
    for name, (devices, bandwidth, step) in CLUSTERS.items():
        exchange = exchange_seconds(devices, bandwidth, bytes_of_gradients)
        rows.append(
            {
                "series": "PREDICTION",
                "value": devices,
                "variant": "b0",
                "cluster": name,
                "assumed_step_seconds": step,
                "assumed_bytes_per_second": bandwidth,
                "exchange_seconds": exchange,
                "efficiency": step / (step + exchange),
                "efficiency_if_hidden": step / max(step, exchange),
            }
        )
    return rows


def exchange_seconds(devices: int, bandwidth: float, size: int) -> float:
    """Return how long a ring of devices takes to add up so many bytes that each has: 2 (n - 1) / n of them go over.

    >>> exchange_seconds(2, 1e9, 10**9)
    1.0
    """
    return 2 * (devices - 1) / devices * size / bandwidth


def _rate_of(processes: int) -> float:
    """Return images a second of so many processes of this script, each on a core of its own."""
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(processes)]
    children = []
    for index in range(processes):
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
        if processes > 1:
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment["TF_CONFIG"] = json.dumps(task)
        words = [sys.executable, __file__, f"--process={index}"]
        children.append(subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True))
    try:
        lines = [child.communicate(timeout=_PATIENCE)[0].splitlines() for child in children]
    except subprocess.TimeoutExpired:
        raise SystemExit(f"A process of the measurement did not end within {_PATIENCE} s.") from None
    finally:
        for child in children:
            child.kill()
    if any(child.returncode for child in children):
        raise SystemExit("A process of the measurement failed.")
    return PAIR_BATCH * processes / float(lines[0][-1])


def _train_one_of(core: int) -> None:
    """Be a process: train on one core, and print the median time of a step."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})
    import keras
    import tensorflow as tf

    from efficientnet_tf.pretrained import EfficientNet
    from efficientnet_tf.training import distribution
    from efficientnet_tf.training.timing import TimeSteps

    strategy = distribution.make_strategy("auto")
    timer = TimeSteps()
    with distribution.scope(strategy):
        model = distribution.distribute(EfficientNet(PAIR, weights=None, classes=10))
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9), "categorical_crossentropy")
    side = model.input_shape[1]

    def make(_: Any, size: int) -> tf.data.Dataset:
        draw = np.random.default_rng(0)
        images = draw.integers(0, 256, (size, side, side, 3)).astype("float32")
        labels = np.eye(10, dtype="float32")[draw.integers(0, 10, size)]
        return tf.data.Dataset.from_tensors((images, labels)).repeat(PAIR_STEPS + 1)

    batch = PAIR_BATCH * distribution.replicas(strategy)
    model.fit(distribution.distributed_batches(strategy, make, batch), verbose=0, shuffle=False, callbacks=[timer])
    print(statistics.median(timer.seconds[1:]))


def _draw(rows: Sequence[Row], path: Path) -> None:
    from matplotlib.figure import Figure

    from efficientnet_tf.benchmarking.plots import OURS as COLOUR
    from efficientnet_tf.benchmarking.plots import save_figure

    titles = {"batch": "images in a batch", "resolution": "side of the images (pixels)", "phi": "phi (B0 to B3)"}
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    for axes, (series, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        found = [row for row in rows if row["series"] == series]
        x, y = [row["value"] for row in found], [row["ms_per_image"] for row in found]
        axes.plot(x, y, "o-", color=COLOUR)
        axes.fill_between(
            x, [row["fastest"] for row in found], [row["slowest"] for row in found], color=COLOUR, alpha=0.15
        )
        axes.set(xlabel=title, ylabel="ms of training an image", ylim=(0, None))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", type=Path, default=Path("results"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="batch,resolution,phi,processes", help="series to measure; %(default)s")
    parser.add_argument("--process", type=int, help=argparse.SUPPRESS)
    return parser


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
