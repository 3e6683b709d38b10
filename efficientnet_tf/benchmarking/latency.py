"""How long networks take to answer: ours and others' in turn, each in a process of its own, and the paper's Table 4."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from efficientnet_tf.benchmarking.latency_networks import FORMS, LatencyJob, forms
from efficientnet_tf.benchmarking.machine import confined, machine
from efficientnet_tf.benchmarking.paper import TABLE4, PaperLatency
from efficientnet_tf.benchmarking.training_networks import KERAS, OURS
from efficientnet_tf.benchmarking.worker import Worker
from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.specs import spec

#: As in the paper: one picture, one thread, and the mean of 20 runs.
THREADS, BATCH_SIZE, ROUNDS, CALLS = 1, 1, 5, 4
#: Calls before the first that counts.
WARM_UP = 2
PACKAGES = ("keras", "numpy", "ai-edge-litert", "timm", "torch")

Report = Callable[[str], None]
Row = dict[str, Any]


@dataclasses.dataclass
class Record:
    """What was measured of a network.

    Attributes:
        job: the network.
        rounds: seconds of each call of each round.
        build_seconds: until it is ready, its library's import included.
        first_seconds: of the first call.
        note: why there is nothing.
    """

    job: LatencyJob
    rounds: list[tuple[float, ...]] = dataclasses.field(default_factory=list)
    build_seconds: float = 0.0
    first_seconds: float = 0.0
    note: str = ""

    @property
    def seconds(self) -> list[float]:
        """Of each call."""
        return [each for turn in self.rounds for each in turn]


def latency_rows(
    variants: Sequence[str],
    *,
    compare: Sequence[str],
    batch_size: int = BATCH_SIZE,
    image_size: int | None = None,
    threads: int = THREADS,
    rounds: int = ROUNDS,
    report: Report = lambda text: None,
) -> list[Row]:
    """Ask each architecture by turns, ours in three forms and those of the peers, and return a row for each.

    `ratio` is how many times longer it takes than ours through `efn.deploy`, the median of the rounds.

    Args:
        variants: the architectures.
        compare: the peers that are wanted, of `training_networks.PEERS`.
        batch_size: pictures at a time.
        image_size: their side in pixels; by default the architecture's.
        threads: cores that everything is kept to.
        rounds: turns of each.
        report: given a line of progress now and then.

    Raises:
        UsageError: more threads than there are cores.
        EfficientNetError: ours could not be built or run.
    """
    found: list[Row] = []
    for variant in variants:
        side = image_size or spec(variant).image_size
        jobs = [
            LatencyJob(network, form, spec(variant).name, batch_size, side, threads)
            for network, form in forms(variant, compare)
        ]
        records = measure(jobs, rounds=rounds, report=report)
        found += [_row(record, records[0]) for record in records]
    shared = {"rounds": rounds, "calls_per_round": CALLS, **machine(PACKAGES)}
    return [{**row, **shared} for row in found]


def table4_rows(
    *, networks: Sequence[PaperLatency] = TABLE4, rounds: int = ROUNDS, report: Report = lambda text: None
) -> list[Row]:
    """Measure the paper's Table 4: one picture on one thread, means of 20 runs, in three forms.

    `ratio` is how many times longer a network takes than the EfficientNet of its pair in the same form. GPipe, of which
    there is no code, is quoted; EfficientNet-B7 stands beside it alone.

    Args:
        networks: the rows of the table.
        rounds: turns of each, of four runs.
        report: given a line of progress now and then.
    """
    found: list[Row] = []
    for pair in dict.fromkeys(network.pair for network in networks):
        members = [network for network in networks if network.pair == pair]
        asked = [(network, form) for form in FORMS for network in members if network.source]
        records = measure([_table4_job(*each) for each in asked], rounds=rounds, report=report)
        own = {record.job.form: record for record in records if record.job.network == OURS}
        for (network, form), record in zip(asked, records, strict=True):
            found.append({**_printed(network), "form": form, **_row(record, own[form], statistics.fmean)})
        found += [_printed(network) for network in members if not network.source]
    shared = {"runs": rounds * CALLS, **machine(PACKAGES)}
    return [{**row, **shared} for row in found]


def _table4_job(network: PaperLatency, form: str) -> LatencyJob:
    side = network.image_size or spec(network.source).image_size
    whose = KERAS if network.image_size else OURS
    return LatencyJob(whose, form, network.source, BATCH_SIZE, side, THREADS)


def _printed(network: PaperLatency) -> Row:
    return {
        "network": network.name,
        "pair": network.pair,
        "paper_top1": network.top1,
        "paper_seconds": network.seconds,
        "paper_ratio": network.ratio,
    }


def measure(jobs: Sequence[LatencyJob], *, rounds: int, report: Report) -> list[Record]:
    """Start a process for each network, ask them in turn, every other round backwards, and return what was measured.

    Raises:
        UsageError: more threads than there are cores.
        EfficientNetError: one of ours could not be built or run; of others that is a note.
    """
    records = [Record(job) for job in jobs]
    workers: list[tuple[Record, Worker]] = []
    with confined(max(job.threads for job in jobs)):
        try:
            for record in records:
                report(f"starting {record.job.variant}: {record.job.network}, {record.job.form}")
                worker = _attempt(record, lambda record=record: Worker(record.job))  # type: ignore[misc]
                if worker is not None:
                    workers.append((record, worker))
                    record.build_seconds, record.first_seconds = worker.build_seconds, worker.first.seconds[0]
                    _attempt(record, lambda worker=worker: worker.step(WARM_UP))  # type: ignore[misc]
            for number in range(rounds):
                report(f"round {number + 1} of {rounds}")
                for record, worker in workers[:: 1 if number % 2 == 0 else -1]:
                    taken = _attempt(record, lambda worker=worker: worker.step(CALLS)) if not record.note else None  # type: ignore[misc]
                    record.rounds += [taken.seconds] if taken else []
        finally:
            for _, worker in workers:
                worker.close()
    return records


def _attempt(record: Record, act: Callable[[], Any]) -> Any:
    try:
        return act()
    except EfficientNetError as error:
        if record.job.network == OURS:
            raise
        record.note = str(error)
        return None


def _row(record: Record, reference: Record, compared: Callable[[Sequence[float]], float] = statistics.median) -> Row:
    """Return a record's figures, and how many times longer it takes than another."""
    job = record.job
    row: Row = {
        "variant": job.variant,
        "candidate": f"{job.network}, {job.form}",
        "image_size": job.image_size,
        "batch_size": job.batch_size,
        "threads": job.threads,
        "note": record.note,
    }
    if record.note:
        return row
    p50, p90, p99 = 1000 * np.percentile(record.seconds, (50, 90, 99))
    turns = zip(record.rounds, reference.rounds, strict=True)
    return row | {
        "mean_ms": 1000 * statistics.fmean(record.seconds),
        "p50_ms": float(p50),
        "p90_ms": float(p90),
        "p99_ms": float(p99),
        "lowest_ms": 1000 * min(record.seconds),
        "ratio": statistics.median(compared(theirs) / compared(ours) for theirs, ours in turns),
        "build_seconds": record.build_seconds,
        "first_call_seconds": record.first_seconds,
    }
