"""Time B0 in TensorFlow.js: our export against keras.applications' B0 through TensorFlow.js' own converter.

    .venv/bin/python benchmarks/tfjs_latency.py results/tfjs_latency.csv

One thread of Node, one picture at a time, both networks in turn in one process. The converter is installed by pip into
a folder of its own (see tests/golden/make_tfjs_golden.py), which needs the network.
"""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras

from efficientnet_tf import EfficientNet
from efficientnet_tf.benchmarking.machine import COMMON_PACKAGES, machine
from efficientnet_tf.exporting import tfjs
from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.runtimes.nodejs import find_modules, find_node

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"
SIDE = 224
#: Plain JavaScript takes seconds for a picture, WebAssembly a twentieth of one.
RUNS = {"cpu": 9, "wasm": 61}


def main(target: Path) -> None:
    """Measure, and write a row for each network and backend."""
    sys.path[:0] = [str(TESTS), str(TESTS / "golden")]
    from make_tfjs_golden import official
    from networks import randomise

    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ours = tfjs.write(deploy(randomise(EfficientNet("b0", weights=None), seed=1)), folder / "ours")
        official(randomise(keras.applications.EfficientNetB0(weights=None), seed=1), folder)
        theirs = folder / "tfjs"
        rows = [row for backend in RUNS for row in _rows(backend, {"efficientnet_tf": ours, "official": theirs})]
    columns = machine(COMMON_PACKAGES)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["backend", "network", "runs", "median_ms", "median_cpu_ms", "speed_up", "error", *columns])
        writer.writerows([*row, *columns.values()] for row in rows)


def _rows(backend: str, folders: dict[str, Path]) -> list[list[Any]]:
    program = [str(find_node()), str(HERE / "tfjs_latency.mjs"), str(find_modules()), backend, str(SIDE)]
    command = [*program, str(RUNS[backend]), *map(str, folders.values())]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    times = {name: found[str(path)] for name, path in folders.items()}
    rows = []
    for name, time in times.items():
        if "error" in time:
            rows.append([backend, name, 0, "", "", "", time["error"]])
            continue
        wall, cpu = statistics.median(time["wall"]), statistics.median(time["cpu"])
        reference = times["official"].get("cpu")
        speed_up = f"{statistics.median(reference) / cpu:.2f}" if reference else ""
        rows.append([backend, name, len(time["cpu"]), f"{wall:.1f}", f"{cpu:.1f}", speed_up, ""])
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1]))
