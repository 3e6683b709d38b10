"""Training of candidates, several at a time, with a row for each as soon as it is over."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.search.candidates import DIGITS, DONE, FAILED, Candidate, Measure, Outcome, Report, row_of
from efficientnet_tf.search.folder import SearchFolder

#: So many failures in a row, with no success before, are no bad luck.
_FAILURES = 3


class FromPython:
    """A function of a user's that tells the accuracy of an architecture, as a `Measure`.

    Args:
        accuracy: from an architecture to a finite number of at least 0; if it takes `seed`, it is given one.
        seeded: whether it does.
    """

    def __init__(self, accuracy: Callable[..., float], *, seeded: bool = False) -> None:
        self._accuracy, self._seeded = accuracy, seeded

    def __call__(self, candidate: Candidate, report: Report) -> Outcome:
        """Ask the function."""
        begin = time.perf_counter()
        options = {"seed": candidate.seed} if self._seeded else {}
        value = self._accuracy(candidate.spec, **options)
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise UsageError(f"accuracy must return a number, got {value!r} for {candidate.spec.name}.") from None
        if not 0.0 <= number < math.inf:
            raise UsageError(f"accuracy must return a number of at least 0, got {number} for {candidate.spec.name}.")
        return Outcome(DONE, number, time.perf_counter() - begin)

    def stop(self) -> None:
        """Wait for the function: nothing can end it."""


class Pool:
    """Trains candidates by a measure, as many at a time as there are workers; a context.

    What the folder knows is not trained again, and of two candidates that are the same network one is.

    Args:
        folder: where rows are kept.
        measure: what trains.
        workers: how many trainings at a time.
        show: told each row as soon as it is there.
    """

    def __init__(
        self, folder: SearchFolder, measure: Measure, *, workers: int = 1, show: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._folder, self._measure, self._show = folder, measure, show
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="training")
        self._running: dict[str, Future[Outcome]] = {}
        self._waiting: dict[int, tuple[Candidate, Future[Outcome]]] = {}
        self._reasons: dict[str, str | None] = {}
        self._broken = threading.Event()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._broken.set()
            for future in self._running.values():
                future.cancel()
            self._measure.stop()
        self._executor.shutdown(wait=True)
        if kind is not None:
            # What came to its end while others were stopped is not lost.
            self._keep([number for number, (_, future) in self._waiting.items() if _has_outcome(future)])

    @property
    def waiting(self) -> int:
        """How many candidates have no outcome yet."""
        return len(self._waiting)

    def submit(
        self, number: int, candidate: Candidate, report: Report | None = None, *, known: Outcome | None = None
    ) -> None:
        """Have a candidate trained as soon as a worker is free, unless its outcome is known."""
        future = self._running.get(candidate.key)
        if future is None:
            known = known or self._folder.outcome(candidate.key)
            if known is not None:
                future = Future()
                future.set_result(known)
            else:
                future = self._executor.submit(self._train, candidate, report or (lambda *_: False))
            self._running[candidate.key] = future
        self._waiting[number] = candidate, future

    def finished(self) -> list[tuple[int, Candidate, Outcome]]:
        """Wait until a candidate has an outcome, keep the rows of all that have, and return them by number.

        Raises:
            EfficientNetError: nothing but failures.
        """
        wait({future for _, future in self._waiting.values()}, return_when=FIRST_COMPLETED)
        over = sorted(number for number, (_, future) in self._waiting.items() if future.done())
        errors = [error for number in over if (error := self._waiting[number][1].exception()) is not None]
        found = self._keep([number for number in over if _has_outcome(self._waiting[number][1])])
        if errors:  # what came of the others is kept by now
            raise errors[0]
        self._check()
        return found

    def all_of(self, candidates: Iterable[Candidate]) -> list[Outcome]:
        """Train candidates that are known from the start, and return what came of each."""
        outcomes = {}
        for number, candidate in enumerate(candidates):
            self.submit(number, candidate)
        while self.waiting:
            outcomes.update({number: outcome for number, _, outcome in self.finished()})
        return [outcomes[number] for number in sorted(outcomes)]

    def _train(self, candidate: Candidate, report: Report) -> Outcome:
        if self._broken.is_set():  # nothing is begun that nobody will ask for
            raise EfficientNetError("The search has ended.")
        try:
            outcome = self._measure(candidate, report)
        except EfficientNetError as error:
            if isinstance(error, UsageError) or self._broken.is_set():  # of the settings, which are everybody's
                self._broken.set()
                raise
            return Outcome(FAILED, reason=" ".join(str(error).split()))
        except BaseException:
            self._broken.set()
            raise
        accuracy = None if outcome.accuracy is None else float(f"{outcome.accuracy:.{DIGITS}g}")
        return Outcome(outcome.state, accuracy, outcome.seconds, outcome.reason)

    def _keep(self, numbers: Sequence[int]) -> list[tuple[int, Candidate, Outcome]]:
        """Keep the rows of candidates that have an outcome, all at once, and show them."""
        found = []
        for number in sorted(numbers):
            candidate, future = self._waiting.pop(number)
            found.append((number, candidate, future.result()))
        rows = [(row_of(number, candidate, outcome), outcome) for number, candidate, outcome in found]
        if rows:
            self._folder.add(rows)
        for row, outcome in rows:
            self._show(row)
            self._reasons[row["key"]] = outcome.reason if outcome.state == FAILED else None
        return found

    def _check(self) -> None:
        failed = [reason for reason in self._reasons.values() if reason is not None]
        if len(failed) >= _FAILURES and len(failed) == len(self._reasons):
            raise EfficientNetError(f"The first {len(failed)} trainings all failed; the last one: {failed[-1]}")


def _has_outcome(future: Future[Outcome]) -> bool:
    """Return whether a training came to its end, well or not, while the search went on."""
    return future.done() and not future.cancelled() and future.exception() is None
