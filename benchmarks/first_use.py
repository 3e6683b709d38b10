"""Time what a newcomer meets: `--help` of every command, and the three commands of `make demo`, as whole processes.

Run in a clone after `make setup`:  .venv/bin/python benchmarks/first_use.py results/first_use.csv
"""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from efficientnet_tf.benchmarking.machine import COMMON_PACKAGES, machine

HELP_RUNS = 9
COMMANDS = ("train", "export", "predict")
DEMO = (
    ("train", ("--variant=lite0", "--weights=imagenet", "--data=sample")),
    ("export", ("--format=saved_model,tflite,tfjs", "--quantize=none,dynamic,float16")),
    ("predict", (str(Path(__file__).resolve().parents[1] / "efficientnet_tf" / "data" / "sample" / "animals"),)),
)


def main(target: Path) -> None:
    """Measure, and write a row for each figure."""
    rows = [(f"efficientnet-{name} --help, median of {HELP_RUNS}", "seconds", _help(name)) for name in COMMANDS]
    with tempfile.TemporaryDirectory() as folder:
        for name, flags in DEMO:
            seconds, result = _timed(name, [*flags, "--json"], folder)
            rows.append((f"efficientnet-{name}, Lite0 and the sample", "seconds", seconds))
            rows += [
                (f"efficientnet-{name}: {figure}", unit, value)
                for figure, unit, value in _figures(name, json.loads(result))
            ]
    columns = machine(COMMON_PACKAGES)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["figure", "unit", "value", *columns])
        writer.writerows([figure, unit, f"{value:.4g}", *columns.values()] for figure, unit, value in rows)


def _help(name: str) -> float:
    return statistics.median(_timed(name, ["--help"], ".")[0] for _ in range(HELP_RUNS))


def _timed(name: str, flags: Sequence[str], folder: str) -> tuple[float, str]:
    command = [str(Path(sys.executable).with_name(f"efficientnet-{name}")), *flags]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True)
    return time.perf_counter() - start, done.stdout


def _figures(name: str, result: dict) -> list[tuple[str, str, float]]:
    if name == "train":
        return [("validation top-1", "share", result["metrics"]["top1"])]
    if name == "export":
        return [
            (f"{row['file']} largest difference", "probability", row["max_difference"]) for row in result["artifacts"]
        ]
    return [("photographs predicted", "number", len(result["predictions"]))]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
