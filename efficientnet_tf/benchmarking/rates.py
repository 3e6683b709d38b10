"""Pictures per second of several ways to do the same work, measured in turn.

A machine's speed drifts while one measures. So nothing is measured to its end before the next begins: in each round
every candidate makes one pass, and what is compared is compared within rounds.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from efficientnet_tf.errors import EfficientNetError

#: Characters of an error that fit a table.
_NOTE = 160


@dataclasses.dataclass(frozen=True)
class Pass:
    """What one pass took.

    Attributes:
        pictures: that were made, each counted as it came out.
        seconds: from asking for the first to having the last.
        processor_seconds: of all threads, and of the processes that helped.
        start_seconds: what came before `seconds`, which does not grow with the pictures.
    """

    pictures: int
    seconds: float
    processor_seconds: float
    start_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return self.pictures / self.seconds


class Runner(Protocol):
    """A candidate that is ready to run."""

    def run(self) -> Pass:
        """Make one pass."""

    def close(self) -> None:
        """Let go of what it holds."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One way to do a task.

    Attributes:
        task: what is done; candidates of one task do the same work.
        name: whose way it is.
        start: makes it ready and returns it; it is timed, with its first pictures.
        ours: an error in it is an error; a peer's is a note in the table.
    """

    task: str
    name: str
    start: Callable[[], Runner]
    ours: bool = False


@dataclasses.dataclass
class Record:
    """A candidate with what was measured of it.

    Attributes:
        start_seconds: until its first pictures were there, graphs and processes made.
        warm_up: the pass before the first round, which does not count.
        passes: one a round.
        note: why there are none.
    """

    candidate: Candidate
    start_seconds: float | None = None
    warm_up: Pass | None = None
    passes: list[Pass] = dataclasses.field(default_factory=list)
    note: str = ""


def measure(
    candidates: Iterable[Candidate],
    rounds: int,
    *,
    there_and_back: bool = False,
    report: Callable[[str], None] = lambda text: None,
) -> list[Record]:
    """Run candidates in turn, after a warm-up of each, and return what was measured, in the order of the candidates.

    Args:
        candidates: the first of each task is what others of the task are compared with.
        rounds: passes of each, 1 or more.
        there_and_back: whether every other round goes backwards, so that a drift of the machine falls on all.
        report: given a line of progress now and then.
    """
    records = [Record(candidate) for candidate in candidates]
    running: list[tuple[Record, Runner]] = []
    try:
        for record in records:
            report(f"starting {record.candidate.task}: {record.candidate.name}")
            runner = _attempt(record, lambda record=record: _start(record))  # type: ignore[misc]
            if runner is not None:
                running.append((record, runner))
        for number in range(rounds):
            report(f"round {number + 1} of {rounds}")
            for record, runner in running[:: -1 if there_and_back and number % 2 else 1]:
                done = _attempt(record, runner.run)
                if done is not None:
                    record.passes.append(done)
    finally:
        for _, runner in running:
            runner.close()
    return records


def rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return a row for each record: medians over the rounds.

    `ratio` is how many times faster the first candidate of the task is: the median over rounds of its rate over this
    one's in the same round.
    """
    firsts: dict[str, Record] = {}
    for record in records:
        firsts.setdefault(record.candidate.task, record)
    return [_row(record, firsts[record.candidate.task]) for record in records]


def processor_seconds() -> float:
    """Return the time that all threads of this process have worked so far."""
    return time.process_time()


def _start(record: Record) -> Runner:
    begin = time.perf_counter()
    runner = record.candidate.start()
    record.start_seconds = time.perf_counter() - begin
    record.warm_up = runner.run()
    return runner


def _attempt(record: Record, action: Callable[[], Any]) -> Any:
    if record.note:
        return None
    try:
        return action()
    except Exception as error:
        if record.candidate.ours:
            raise
        words = " ".join(str(error).split())[:_NOTE]
        record.note = words if isinstance(error, EfficientNetError) else f"{type(error).__name__}: {words}"
        record.passes.clear()
        return None


def _row(record: Record, first: Record) -> dict[str, Any]:
    passes, warm_up = record.passes, record.warm_up
    pairs = zip(first.passes, passes, strict=False)
    return {
        "task": record.candidate.task,
        "candidate": record.candidate.name,
        "images_per_second": _median([each.rate for each in passes]),
        "slowest": min((each.rate for each in passes), default=None),
        "fastest": max((each.rate for each in passes), default=None),
        "ratio": _median([theirs.rate / each.rate for theirs, each in pairs]),
        "processor_ms_per_image": _median([1e3 * each.processor_seconds / each.pictures for each in passes]),
        "start_seconds": record.start_seconds,
        "pass_start_seconds": _median([each.start_seconds for each in passes]),
        "warm_up_seconds": warm_up.seconds if warm_up else None,
        "images_per_round": passes[0].pictures if passes else None,
        "rounds": len(passes),
        "note": record.note,
    }


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None
