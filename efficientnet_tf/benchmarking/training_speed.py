"""Training steps per second and the memory that they take, ours and those of others, of the same architecture."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from efficientnet_tf.benchmarking.machine import available_cores, confined, machine
from efficientnet_tf.benchmarking.rates import Candidate, Pass, measure, rows
from efficientnet_tf.benchmarking.training_networks import OURS, PEERS, TrainingJob, networks
from efficientnet_tf.benchmarking.worker import Worker
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.specs import activation_bytes, estimate_memory, spec, variant_name

ROUNDS, STEPS, BATCH_SIZE = 5, 4, 16
PACKAGES = ("keras", "numpy", "timm", "torch")
#: Of the batch, how large a part is measured as well, to know what each image adds.
_PART = 4

Report = Callable[[str], None]


class _Runner:
    """Some steps of a process as one pass: as many pictures as a batch has, in the median of the steps."""

    def __init__(self, job: TrainingJob, steps: int) -> None:
        self._batch_size, self._steps = job.batch_size, steps
        self.process = Worker(job)
        self.peak_bytes = self.process.first.peak_bytes

    def run(self) -> Pass:
        """Take the steps."""
        taken = self.process.step(self._steps)
        self.peak_bytes = taken.peak_bytes
        return Pass(self._batch_size, statistics.median(taken.seconds), taken.processor_seconds / self._steps)

    def close(self) -> None:
        """End the process."""
        self.process.close()


def train_rows(
    variants: Sequence[str],
    *,
    compare: Sequence[str] = tuple(PEERS),
    batch_size: int = BATCH_SIZE,
    image_size: int | None = None,
    threads: int | None = None,
    rounds: int = ROUNDS,
    report: Report = lambda text: None,
) -> list[dict[str, Any]]:
    """Train each architecture by turns, a few steps of each network a round, and return a row for each.

    A row has what `rates.rows` gives, of medians of single steps; `ratio` is how many times faster ours is. Besides:
    `first_step_seconds`, with tracing and compilation, and `peak_bytes`, the most memory that the process took.

    Args:
        variants: the architectures.
        compare: the peers, of `PEERS`; one that is not installed has a note in its row.
        batch_size: images in a step.
        image_size: their side in pixels; by default the architecture's.
        threads: cores that everything is kept to; by default all.
        rounds: of which the medians are taken.
        report: given a line of progress now and then.

    Raises:
        UsageError: more threads than there are cores.
        EfficientNetError: ours could not be trained.
    """
    cores = available_cores() if threads is None else threads
    found = []
    with confined(cores):
        for variant in variants:
            side = image_size or spec(variant).image_size
            runners: dict[str, _Runner] = {}

            def candidate(network: str, job: TrainingJob, runners: dict[str, _Runner] = runners) -> Candidate:
                def start() -> _Runner:
                    runners[network] = _Runner(job, STEPS)
                    return runners[network]

                return Candidate(variant_name(job.variant), network, start, ours=network == OURS)

            jobs = [
                TrainingJob(network, variant, batch_size, side, cores)
                for network in (OURS, *networks(variant, compare))
            ]
            for row in rows(measure([candidate(job.network, job) for job in jobs], rounds, report=report)):
                found.append({**row, **_about(runners.get(row["candidate"])), "image_size": side})
    shared = {"batch_size": batch_size, "steps_per_round": STEPS, "threads": cores, **machine(PACKAGES)}
    return [{**row, **shared} for row in found]


def memory_rows(
    variants: Sequence[str],
    *,
    compare: Sequence[str] = tuple(PEERS),
    batch_size: int = BATCH_SIZE,
    image_size: int | None = None,
    report: Report = lambda text: None,
) -> list[dict[str, Any]]:
    """Measure how much memory two training steps take, for a batch and for a quarter of it, and return a row for each.

    `bytes_per_image` is what one more image adds; from it and the memory that is free now follows `largest_batch`,
    which is a prediction. Beside them is what `specs.estimate_memory` counts, of Keras' own formulation.

    Args:
        variants: the architectures.
        compare: the peers, of `PEERS`.
        batch_size: images in a step, at least 4.
        image_size: their side in pixels; by default the architecture's.
        report: given a line of progress now and then.

    Raises:
        UsageError: a smaller batch.
        EfficientNetError: ours could not be trained.
    """
    if batch_size < _PART:
        raise UsageError(f"batch_size must be at least {_PART} to measure memory, got {batch_size}.")
    found = []
    for variant in variants:
        side = image_size or spec(variant).image_size
        counted = _counted(variant, side, batch_size)
        first: int | None = None
        for network in (OURS, *networks(variant, compare)):
            report(f"{variant_name(variant)}: {network}")
            try:
                part, whole = (
                    _peak(TrainingJob(network, variant, size, side, available_cores()))
                    for size in (batch_size // _PART, batch_size)
                )
            except EfficientNetError as error:
                if network == OURS:
                    raise
                found.append({"task": variant_name(variant), "candidate": network, "note": str(error)})
                continue
            first = first or whole
            each = (whole - part) / (batch_size - batch_size // _PART)
            found.append(
                {
                    "task": variant_name(variant),
                    "candidate": network,
                    "peak_bytes": whole,
                    "ratio": whole / first,
                    "bytes_per_image": each,
                    "largest_batch": _largest(whole, batch_size, each),
                    **counted,
                    "note": "",
                }
            )
    return [{**row, "batch_size": batch_size, **machine(PACKAGES)} for row in found]


def _about(runner: _Runner | None) -> dict[str, Any]:
    if runner is None:
        return {}
    return {
        "build_seconds": runner.process.build_seconds,
        "first_step_seconds": runner.process.first.seconds[0],
        "peak_bytes": runner.peak_bytes,
    }


def _peak(job: TrainingJob) -> int:
    process = Worker(job)
    try:
        return process.step(1).peak_bytes
    finally:
        process.close()


def _counted(variant: str, side: int, batch_size: int) -> dict[str, Any]:
    architecture = dataclasses.replace(spec(variant), image_size=side)
    return {
        "counted_parameter_bytes": estimate_memory(architecture).parameters,
        "counted_activation_bytes": activation_bytes(architecture, batch_size=batch_size),
    }


def _largest(peak: int, batch_size: int, each: float) -> int | None:
    """Return the largest batch that the memory which is free now would hold."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists() or each <= 0:
        return None
    lines = meminfo.read_text(encoding="utf-8").splitlines()
    free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    return max(0, int(batch_size + (free - peak) / each))
