"""How long networks take to answer: ours and others' in turn, each in a process of its own, and the paper's Table 4."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from efficientnet_tf.benchmarking.latency_networks import FORMS, LatencyJob, forms
from efficientnet_tf.benchmarking.machine import confined, machine
from efficientnet_tf.benchmarking.paper import TABLE4, PaperLatency
from efficientnet_tf.benchmarking.rates import Candidate, Pass
from efficientnet_tf.benchmarking.rates import measure as take_turns
from efficientnet_tf.benchmarking.rates import rows as compare_rates
from efficientnet_tf.benchmarking.training_networks import KERAS, OURS
from efficientnet_tf.benchmarking.worker import Worker
from efficientnet_tf.specs import spec, variant_name, variant_text

#: As in the paper: one picture and one thread.
THREADS, BATCH_SIZE = 1, 1
ROUNDS = 5
#: Calls of a round: enough for percentiles, or in Table 4 for the paper's 20 in all.
CALLS, TABLE4_CALLS = 20, 4
PACKAGES = ("keras", "numpy", "ai-edge-litert", "timm", "torch")

Report = Callable[[str], None]
Row = dict[str, Any]


class _Runner:
    """Some calls of a process as one pass, which remembers each; rates go by what `summary` makes of their seconds."""

    def __init__(self, job: LatencyJob, calls: int, summary: Callable[[Sequence[float]], float]) -> None:
        self._job, self._calls, self._summary = job, calls, summary
        self.worker = Worker(job)
        self.turns: list[tuple[float, ...]] = []

    def run(self) -> Pass:
        """Make the calls."""
        taken = self.worker.step(self._calls)
        self.turns.append(taken.seconds)
        return Pass(self._job.batch_size, self._summary(taken.seconds), taken.processor_seconds / self._calls)

    def close(self) -> None:
        """End the process."""
        self.worker.close()


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
            (spec(variant).name, LatencyJob(network, form, variant_text(variant), batch_size, side, threads))
            for network, form in forms(variant, compare)
        ]
        found += measure(jobs, calls=CALLS, rounds=rounds, summary=statistics.median, report=report)
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
        jobs = [(f"{pair}, {form}", _table4_job(network, form)) for network, form in asked]
        rows = measure(jobs, calls=TABLE4_CALLS, rounds=rounds, summary=statistics.fmean, report=report)
        found += [{**_printed(network), "form": form, **row} for (network, form), row in zip(asked, rows, strict=True)]
        found += [_printed(network) for network in members if not network.source]
    shared = {"runs": rounds * TABLE4_CALLS, **machine(PACKAGES)}
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


def measure(
    jobs: Sequence[tuple[str, LatencyJob]],
    *,
    calls: int,
    rounds: int,
    summary: Callable[[Sequence[float]], float],
    report: Report,
) -> list[Row]:
    """Ask networks in turn, every other round backwards, and return a row for each.

    Args:
        jobs: networks, each with what it is compared within; the first with the same words is what others are
            compared with.
        calls: of a round.
        rounds: turns of each.
        summary: of the calls of a round, by which networks are compared.
        report: given a line of progress now and then.

    Raises:
        UsageError: more threads than there are cores.
        EfficientNetError: one of ours could not be built or run; of others that is a note.
    """
    runners: dict[LatencyJob, _Runner] = {}

    def candidate(task: str, job: LatencyJob) -> Candidate:
        def start() -> _Runner:
            runners[job] = _Runner(job, calls, summary)
            return runners[job]

        return Candidate(task, f"{job.network}, {job.form}", start, ours=job.network == OURS)

    with confined(max(job.threads for _, job in jobs)):
        records = take_turns([candidate(*each) for each in jobs], rounds, there_and_back=True, report=report)
    compared = compare_rates(records)
    return [_row(job, row, runners.get(job)) for (_, job), row in zip(jobs, compared, strict=True)]


def _row(job: LatencyJob, compared: Row, runner: _Runner | None) -> Row:
    """Return the figures of a network's calls, those of the warm-up left out."""
    row: Row = {
        "variant": variant_name(job.variant),
        "candidate": compared["candidate"],
        "image_size": job.image_size,
        "batch_size": job.batch_size,
        "threads": job.threads,
        "note": compared["note"],
    }
    if compared["note"] or runner is None:
        return row
    milliseconds = [1000 * each for turn in runner.turns[1:] for each in turn]
    p50, p90, p99 = np.percentile(milliseconds, (50, 90, 99))
    return row | {
        "mean_ms": statistics.fmean(milliseconds),
        "p50_ms": float(p50),
        "p90_ms": float(p90),
        "p99_ms": float(p99),
        "lowest_ms": min(milliseconds),
        "ratio": compared["ratio"],
        "build_seconds": runner.worker.build_seconds,
        "first_call_seconds": runner.worker.first.seconds[0],
    }
