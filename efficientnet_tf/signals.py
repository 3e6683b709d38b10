"""Signals at moments when they would do harm, and at moments of one's own choice."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM for a short, important while; without effect outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StopRequests:
    """While it is entered, a first SIGINT or SIGTERM is only noted; a second one does what it did before.

    Work that has moments at which it can be stopped asks `asked` at each of them, puts its state away, and calls
    `obey`. Outside the main thread nothing is noted, since Python delivers no signals there.

    >>> with StopRequests() as requests:
    ...     requests.asked
    False
    """

    def __init__(self) -> None:
        self._number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequests:
        if threading.current_thread() is threading.main_thread():
            # One that is ignored, as SIGINT is in the background of a shell, stays so.
            wanted = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
            self._before = {number: signal.signal(number, self._note) for number in wanted}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._number is not None

    def obey(self) -> None:
        """Do what the signal would have done at once, such as raise KeyboardInterrupt."""
        if self._number is not None:
            self._pass_on(self._number, None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._number is not None:
            self._pass_on(number, frame)
            return
        self._number = number
        print("\nStopping after this step; a second time stops at once.", file=sys.stderr)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        before = self._before.get(number)
        if callable(before):
            before(number, frame)
        elif before == signal.SIG_DFL:
            raise SystemExit(128 + number)
