"""Seconds from a word to an answer: each command's --help, imports, and one prediction from the beginning."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from efficientnet_tf.benchmarking.machine import machine
from efficientnet_tf.benchmarking.tables import Columns, Row, print_table
from efficientnet_tf.data.sources import SAMPLE
from efficientnet_tf.errors import EfficientNetError

ROUNDS = 5
COMMANDS = ("train", "export", "evaluate", "predict", "benchmark", "scale", "convert")
#: A network whose weights come in a package.
VARIANT = "lite0"
BUILD, PREDICT = f"import tensorflow, build {VARIANT}", f"efficientnet-predict --variant={VARIANT}, one photograph"

STARTUP: Columns = {
    "network": lambda row: row["task"],
    "median\nseconds": lambda row: f"{row['seconds']:.2f}",
    "fastest - slowest": lambda row: f"{row['fastest']:.2f} - {row['slowest']:.2f}",
    "x build": lambda row: f"{row['ratio']:.2f}" if row["ratio"] else "-",
}


def startup_rows(*, rounds: int = ROUNDS, report: Callable[[str], None] = lambda text: None) -> list[dict[str, Any]]:
    """Start each in a process of its own, all in turn, and return the medians of the rounds in seconds.

    `ratio`, of the prediction, is to TensorFlow's import with the building of the network, the median of the rounds.

    Args:
        rounds: turns of each.
        report: given a line of progress now and then.

    Raises:
        EfficientNetError: one of them fails.
    """
    tasks = _tasks()
    taken: dict[str, list[float]] = {task: [] for task in tasks}
    for task, words in tasks.items():
        report(f"starting {task}")
        _run(words)  # files are in memory from now on
    for number in range(rounds):
        report(f"round {number + 1} of {rounds}")
        for task, words in tasks.items():
            taken[task].append(_run(words))
    ratio = statistics.median(one / other for one, other in zip(taken[PREDICT], taken[BUILD], strict=True))
    return [
        {
            "task": task,
            "seconds": statistics.median(seconds),
            "fastest": min(seconds),
            "slowest": max(seconds),
            "ratio": ratio if task == PREDICT else None,
            "rounds": rounds,
            **machine(),
        }
        for task, seconds in taken.items()
    ]


def print_startup(rows: Sequence[Row]) -> None:
    """Print the rows of `startup_rows`."""
    print_table("From the start of a process to its end", STARTUP, rows)
    print(f"Medians of {rows[0]['rounds']} rounds in which all took turns, on {rows[0]['processor']}.")


def _tasks() -> dict[str, list[str]]:
    """Return command lines by what they do."""
    build = f"import efficientnet_tf as efn; efn.EfficientNet({VARIANT!r}, weights='imagenet')"
    helps = {f"efficientnet-{name} --help": ["-m", f"efficientnet_tf.cli.{name}", "--help"] for name in COMMANDS}
    photograph = str(SAMPLE / "animals" / "panda.jpg")
    return {
        "python": ["-c", "pass"],
        "import efficientnet_tf": ["-c", "import efficientnet_tf"],
        **helps,
        "import tensorflow": ["-c", "import tensorflow"],
        BUILD: ["-c", f"import tensorflow; {build}"],
        PREDICT: ["-m", "efficientnet_tf.cli.predict", f"--variant={VARIANT}", photograph],
    }


def _run(words: Sequence[str]) -> float:
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, errors="replace")
    seconds = time.perf_counter() - begin
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.strip()]
        raise EfficientNetError(f"{' '.join(words[:3])} failed: {last[-1] if last else f'exit code {done.returncode}'}")
    return seconds
