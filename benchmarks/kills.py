"""Kill trainings at random moments, have them go on, and compare what they end with, bit for bit.

    .venv/bin/python benchmarks/kills.py results/kills.csv [--runs=10] [--seed=0]

One training of a small network, with everything that has a state, is left alone. Each of the others is the same
command in a folder of its own: it is killed by SIGKILL at a moment drawn from the whole duration of the first, from
the start of the process to its end, and then called again until it is finished. A checkpoint is due after every step,
so that some of the moments are in the middle of one. One that is finished before its moment is begun anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Dropout, stochastic depth, live statistics, a moving average, mixing, momentum, and two phases.
SETTINGS: dict[str, Any] = {
    "variant": "lite0",
    "width": 0.2,
    "depth": 0.5,
    "weights": "none",
    "image_size": 32,
    "batch_size": 8,
    "recipe": "scratch",
    "epochs": 10,
    "head_epochs": 1,
    "patience": 10,
    "optimizer": "rmsprop",
    "ema_decay": 0.9,
    "augment": "trivialaugment+mixup:0.2",
    "checkpoint_steps": 1,
    "learning_rate": 0.01,
    "data": "synthetic:classes=3,count=116,size=40",
}
#: Times that a training is called before it counts as one that never ends.
MAX_CALLS = 5
_RESUMED = re.compile(r"Going on from step (\d+) of")


@dataclasses.dataclass(frozen=True)
class Killed:
    """What a kill left.

    Attributes:
        seconds: from the start of the process to the signal.
        step: of the newest checkpoint that can be read; None if there is none.
        within_checkpoint: whether a checkpoint was being written.
    """

    seconds: float
    step: int | None
    within_checkpoint: bool


def main(words: list[str] | None = None) -> None:
    """Train, kill, resume, compare, and write a row for each run."""
    options = _parser().parse_args(words)
    # Not above: --help needs no TensorFlow.
    from efficientnet_tf.benchmarking.machine import machine
    from efficientnet_tf.benchmarking.tables import write_csv

    settings = SETTINGS if options.epochs is None else {**SETTINGS, "epochs": options.epochs}
    generator, rows = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begin = time.perf_counter()
        _finish(settings, folder / "uninterrupted")
        duration = time.perf_counter() - begin
        expected = ending(folder / "uninterrupted")
        _report(f"uninterrupted: {duration:.1f} seconds, {len(expected)} arrays and files")
        for number in range(1, options.runs + 1):
            row = _row(settings, folder / str(number), expected, (generator, duration))
            rows.append({"run": number, **row, "uninterrupted_seconds": duration, "seed": options.seed})
            _report(", ".join(f"{key} {value}" for key, value in rows[-1].items()))
    columns = machine(("keras", "numpy"))
    write_csv(options.target, [{**row, **columns} for row in rows])
    _report(f"{sum(row['identical'] == 'yes' for row in rows)} of {len(rows)} identical")


def ending(run: Path) -> dict[str, bytes]:
    """Return all that a finished run ends with, to the last bit, by names that are the same for each run."""
    from efficientnet_tf.run import Run
    from efficientnet_tf.training.state import CheckpointFolder

    checkpoint, problems = CheckpointFolder(run / "checkpoints").newest()
    if checkpoint is None or problems:
        raise SystemExit(f"{run} has no checkpoint that can be read, or a damaged one: {problems}.")
    parts = {f"checkpoint {name}": _bits(array) for name, array in checkpoint.arrays.items()}
    weights = Run(run).load_model().get_weights()
    parts |= {f"model.keras {number}": _bits(array) for number, array in enumerate(weights)}
    return parts | {name: (run / name).read_bytes() for name in ("metrics.csv", "metrics.json")}


def differences(found: Mapping[str, bytes], expected: Mapping[str, bytes]) -> list[str]:
    """Return the names of what is not the same to the last bit, or is on one side alone."""
    names = dict.fromkeys([*expected, *found])
    return [name for name in names if found.get(name) != expected.get(name)]


def _bits(array: Any) -> bytes:
    # Type and shape are part of it: the same bytes could be another array.
    return f"{array.dtype.str}{array.shape}".encode() + bytes(array.tobytes())


def _row(
    settings: Mapping[str, Any], folder: Path, expected: Mapping[str, bytes], draw: tuple[random.Random, float]
) -> dict[str, Any]:
    generator, duration = draw
    killed, early = None, 0
    while killed is None:
        run = folder / f"attempt-{early}"
        killed = _kill(settings, run, generator.uniform(0, duration))
        early += killed is None
    resumed, calls = _finish(settings, run)
    found = ending(run)
    different = differences(found, expected)
    return {
        "killed_after_seconds": killed.seconds,
        "killed_at_step": killed.step,
        "within_checkpoint": "yes" if killed.within_checkpoint else "no",
        "resumed_from_step": resumed,
        "calls_to_finish": calls,
        "identical": "no" if different else "yes",
        "compared": len(expected),
        "different": " ".join(different[:3]),
        "finished_before": early,
    }


def _kill(settings: Mapping[str, Any], run: Path, moment: float) -> Killed | None:
    """Begin a training and kill it after so many seconds; return None if it was finished by then."""
    from efficientnet_tf.training.state import CheckpointFolder

    begin = time.perf_counter()
    process = subprocess.Popen(_command(settings, run), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        code = process.wait(moment)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        process.kill()
        seconds = time.perf_counter() - begin
        process.wait()
    if code is not None:
        if code:
            raise SystemExit(f"The training in {run} failed with code {code}.")
        return None
    folder = run / "checkpoints"
    checkpoint, _ = CheckpointFolder(folder).newest()
    step = None if checkpoint is None else int(checkpoint.state["position"]["step"])
    return Killed(seconds, step, any(folder.glob(".*.partial")))


def _finish(settings: Mapping[str, Any], run: Path) -> tuple[int | None, int]:
    """Call a training until it is finished; return the step that the first call went on from, and the calls."""
    resumed = None
    for call in range(1, MAX_CALLS + 1):
        done = subprocess.run(_command(settings, run), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"The training in {run} failed:\n{done.stdout}{done.stderr}")
        found = _RESUMED.search(done.stdout)
        if call == 1 and found:
            resumed = int(found[1])
        if (run / "metrics.json").exists():
            return resumed, call
    raise SystemExit(f"The training in {run} is not finished after {MAX_CALLS} calls.")


def _command(settings: Mapping[str, Any], run: Path) -> Sequence[str]:
    program = str(Path(sys.executable).with_name("efficientnet-train"))
    return [program, f"--model_dir={run}", *(f"--{name}={value}" for name, value in settings.items())]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, help="the table to write, results/kills.csv")
    parser.add_argument("--runs", type=int, default=10, help="trainings to kill, each once; %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the moments; %(default)s")
    parser.add_argument("--epochs", type=int, help=f"of each training; {SETTINGS['epochs']}")
    return parser


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
