"""Train on Fashion-MNIST from random weights, and write the whole curve and the accuracy on the test set.

    .venv/bin/python benchmarks/fashion.py results/fashion.csv [--data=FOLDER]

It calls the two commands that the recipe `fashion` names: `efficientnet-train`, which holds a twentieth of the training
set out to choose the best epoch, and `efficientnet-evaluate`, which looks at the test set once, in the end.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

#: Where Debian's package dataset-fashion-mnist has the files.
DATA = "/usr/share/datasets/fashion-mnist"
RECIPE = "fashion"
NETWORK: Sequence[str] = ("--variant=v2-b0", "--width=0.75", "--depth=0.25")
VALIDATION_FRACTION = 0.05


def main(words: list[str] | None = None) -> None:
    """Train, test, and write a row for each epoch and one for the test."""
    options = _parser().parse_args(words)
    # Not above: --help needs no TensorFlow.
    from efficientnet_tf.benchmarking.machine import machine
    from efficientnet_tf.benchmarking.tables import write_csv

    with tempfile.TemporaryDirectory() as folder:
        rows = curve(f"idx:{options.data}", Path(folder, "run"), seed=options.seed, epochs=options.epochs)
    columns = machine(("keras", "numpy"))
    write_csv(options.target, [{**row, **columns} for row in rows])


def curve(data: str, run: Path, *, seed: int = 0, epochs: int | None = None) -> list[dict[str, Any]]:
    """Train and test by the commands; return a row for each epoch and one for the test.

    Args:
        data: as `--data` takes it.
        run: a new folder.
        seed: of weights, order, crops and masks.
        epochs: by default the recipe's.
    """
    begin = time.perf_counter()
    given = [f"--recipe={RECIPE}", "--weights=none", *NETWORK, f"--validation_fraction={VALIDATION_FRACTION}"]
    given += [f"--data={data}", f"--model_dir={run}", f"--seed={seed}"]
    given += [] if epochs is None else [f"--epochs={epochs}"]
    seconds = list(_epochs_of(_command("train", given)))
    trained = time.perf_counter() - begin
    tested = _json_of(_command("evaluate", [f"--model_dir={run}", "--split=test", "--json"]))
    all_in_all = time.perf_counter() - begin
    _report(f"test top-1 {tested['top1']:.4f}, {all_in_all:.0f} seconds in all, {trained:.0f} to train")
    result = {"split": "test", "pictures": tested["examples"], "seconds": all_in_all}
    result |= {name: tested[name] for name in ("loss", "top1", "top5")}
    about = {"network": _described(run), "seed": seed}
    return [{**row, **about} for row in (*_rows(run / "metrics.csv", seconds), result)]


def _epochs_of(command: Sequence[str]) -> Iterator[float]:
    """Run a training, and yield the seconds from each of its epochs' ends to the next, from its call to the first."""
    last = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            _report(line.rstrip())
            if line.startswith("Epoch "):
                now = time.perf_counter()
                yield now - last
                last = now
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}.")


def _json_of(command: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _rows(history: Path, seconds: Sequence[float]) -> list[dict[str, Any]]:
    with history.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        {"split": "train", "seconds": spent, **row, "epoch": number}
        for number, (row, spent) in enumerate(zip(rows, seconds, strict=True), 1)
    ]


def _described(run: Path) -> str:
    """Return the network and what it is given, as the run's own config.json has it."""
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    scales = "".join(f"-{name[0]}{config[name]:g}" for name in ("depth", "width") if config[name])
    return f"{config['variant']}{scales} at {config['image_size']} pixels"


def _command(name: str, flags: Sequence[str]) -> list[str]:
    return [str(Path(sys.executable).with_name(f"efficientnet-{name}")), *flags]


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
