"""Measure what callbacks, a moving average and checkpoints add to a training step.

    .venv/bin/python benchmarks/overhead.py results/overhead.csv [--batch_size=16] [--steps=20] [--rounds=4]

One compiled network takes turns on the same pictures in one process: `fit` alone, and the whole of a session of
`efficientnet-train`, with its callbacks, a moving average and a checkpoint every few steps; A B B A, so that a drift of
the machine falls on both. A step is the time from the end of one batch to the end of the next, all callbacks among it;
the first steps of each turn, in which it is compiled, do not count. A checkpoint's own cost is measured apart: the
copies that the training waits for, and the file that is written beside it.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Steps of each turn that do not count: it is compiled in the first, and buffers are made in the second.
WARM_UP = 2
CHECKPOINTS = 5
EMA_DECAY = 0.9999


def main(words: list[str] | None = None) -> None:
    """Measure, and write a row for each figure."""
    options = _parser().parse_args(words)
    if options.steps <= WARM_UP:
        raise SystemExit(f"--steps must be above {WARM_UP}, got {options.steps}.")
    # Not above: --help needs no TensorFlow.
    from efficientnet_tf.benchmarking.machine import machine
    from efficientnet_tf.benchmarking.tables import write_csv

    with tempfile.TemporaryDirectory() as folder:
        rows = figures(Path(folder), options)
    names = ("variant", "image_size", "batch_size", "steps", "rounds", "checkpoint_steps")
    columns = {**{name: getattr(options, name) for name in names}, **machine(("keras", "numpy"))}
    write_csv(options.target, [{**row, **columns} for row in rows])
    for row in rows:
        _report(f"{row['figure']}: {row['value']:.6g} {row['unit']}")


def figures(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure in turn, and return the figures, with the lowest and the highest of the rounds or repetitions."""
    make_job = _jobs(options)
    plain, full = [], []
    session = None
    for number in range(options.rounds):
        turns = ("plain", "full") if number % 2 == 0 else ("full", "plain")
        for turn in turns:
            job = make_job(folder / f"{number}-{turn}")
            if turn == "plain":
                plain.append(_plain(job))
            else:
                session, seconds = _full(job)
                full.append(seconds)
            kind = plain if turn == "plain" else full
            _report(f"round {number + 1} of {options.rounds}, {turn}: {statistics.median(kind[-1]):.4f} s a step")
    return [*step_figures(plain, full), *_checkpoint_figures(session)]


def step_figures(plain: Sequence[Sequence[float]], full: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    """Return medians, means and ratios of the steps of both, given the seconds of each step of each round."""
    rows = []
    for what, of in (("median", statistics.median), ("mean", statistics.fmean)):
        ours, theirs = [of(steps) for steps in full], [of(steps) for steps in plain]
        rows += [
            _row(f"{what} step, fit alone", "seconds", theirs),
            _row(f"{what} step, session", "seconds", ours),
            _row(f"{what} step, session to fit alone", "ratio", [a / b for a, b in zip(ours, theirs, strict=True)]),
        ]
    return rows


def _jobs(options: argparse.Namespace) -> Any:
    """Build and compile the network once, and return a function that makes a job of it in a folder."""
    import dataclasses

    import keras

    from efficientnet_tf.config import TrainConfig, network_of
    from efficientnet_tf.pretrained import build_network
    from efficientnet_tf.run import Run
    from efficientnet_tf.training import feeding
    from efficientnet_tf.training.durations import durations_of
    from efficientnet_tf.training.session import Job
    from efficientnet_tf.training.settings import compile_arguments

    config = TrainConfig(
        variant=options.variant,
        weights="none",
        recipe="scratch",
        data=f"synthetic:classes=10,count={options.batch_size * options.steps},size={options.image_size}",
        image_size=options.image_size,
        batch_size=options.batch_size,
        epochs=1,
        warmup_epochs=0,
        optimizer="rmsprop",
        augment="none",
        ema_decay=EMA_DECAY,
        checkpoint_steps=options.checkpoint_steps,
    ).resolve()
    data = feeding.read(config)
    keras.utils.set_random_seed(config.seed)
    network = build_network(network_of(config), weights="none", classes=10, image_size=config.image_size)
    data = dataclasses.replace(data, record=network.record)
    durations = durations_of(config, len(data.train), options.batch_size, whole_batches=False)
    network.model.compile(**compile_arguments(config, network.model, durations))

    def make(folder: Path) -> Job:
        run = Run(folder)
        run.begin(config, data.labels, data.record)
        # A session counts its steps from where the optimizer is.
        network.model.optimizer.iterations.assign(0)
        return Job(
            config=config,
            data=data,
            run=run,
            model=network.model,
            durations=durations,
            batch_size=options.batch_size,
            strategy=None,
            about={"data": "", "versions": {}},
        )

    return make


def _timer() -> Any:
    """Return a callback with the seconds of each step after the first ones."""
    import keras

    class Timer(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self._ends: list[float] = []

        @property
        def seconds(self) -> list[float]:
            ends = self._ends[WARM_UP - 1 :]
            return [end - begin for begin, end in itertools.pairwise(ends)]

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            self._ends.append(time.perf_counter())

    return Timer()


def _plain(job: Any) -> list[float]:
    """Train for the steps of a job by `fit` alone; return the seconds of each."""
    import tensorflow as tf

    from efficientnet_tf.training import feeding

    batches = feeding.training_batches(
        job.config,
        job.data,
        batch_size=job.batch_size,
        whole_batches=False,
        epoch=tf.Variable(0, dtype=tf.int64, trainable=False),
    )
    timer = _timer()
    job.model.fit(batches, epochs=1, callbacks=[timer], shuffle=False, verbose=0)
    return timer.seconds


def _full(job: Any) -> tuple[Any, list[float]]:
    """Train for the steps of a job by a whole session; return it, and the seconds of each step."""
    import contextlib
    import io

    from efficientnet_tf.signals import StopRequests
    from efficientnet_tf.training.session import Session

    timer = _timer()

    class TimedSession(Session):
        def _callbacks(self, start: Any) -> list[Any]:
            # Wherever it is among the callbacks, from one of its calls to the next are all of them.
            return [*super()._callbacks(start), timer]

    session = TimedSession(job, StopRequests())
    with contextlib.redirect_stdout(io.StringIO()):
        session.run(None)
    return session, timer.seconds


def _checkpoint_figures(session: Any) -> list[dict[str, Any]]:
    """Return what a checkpoint costs the training, what it costs the thread that writes it, and its size."""
    copying, writing = [], []
    for _ in range(CHECKPOINTS):
        begin = time.perf_counter()
        session.checkpointer.save_first()
        copied = time.perf_counter()
        session.folder.wait()
        writing.append(time.perf_counter() - copied)
        copying.append(copied - begin)
    size = float(max(session.folder.path.glob("step-*.ckpt")).stat().st_size)
    return [
        _row("checkpoint, copied while the training waits", "seconds", copying),
        _row("checkpoint, written beside the training", "seconds", writing),
        _row("checkpoint, size", "bytes", [size]),
    ]


def _row(figure: str, unit: str, values: Sequence[float]) -> dict[str, Any]:
    median = statistics.median(values)
    return {"figure": figure, "unit": unit, "value": median, "lowest": min(values), "highest": max(values)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, help="the table to write, results/overhead.csv")
    parser.add_argument("--variant", default="b0", help="%(default)s")
    parser.add_argument("--image_size", type=int, default=224, help="in pixels; %(default)s")
    parser.add_argument("--batch_size", type=int, default=16, help="%(default)s")
    parser.add_argument("--steps", type=int, default=20, help="of each turn; %(default)s")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each; %(default)s")
    parser.add_argument("--checkpoint_steps", type=int, default=10, help="between two checkpoints; %(default)s")
    return parser


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
