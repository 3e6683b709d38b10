"""A line for each training that is over, with what is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from efficientnet_tf.search.candidates import FAILED

#: Columns that say what led to a network; others are the network itself, or too many for a line.
_TOLD = ("alpha", "beta", "gamma", "curve", "value")


class Progress:
    """Prints a line for each row as it comes.

    Args:
        total: how many rows there will be.
        known: how many of their trainings an earlier start has done.
        value: what a row is worth; by default its accuracy.
    """

    def __init__(
        self, total: int, known: int = 0, *, value: Callable[[Mapping[str, Any]], float] | None = None
    ) -> None:
        self._total, self._known, self._value = total, known, value
        self._best: tuple[float, str] | None = None
        self._shown = self._trained = 0
        self._seen: set[str] = set()
        self._begin = time.monotonic()
        if known:
            print(f"Going on: {known} trainings are done.")

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Print a row."""
        self._shown += 1
        if row["key"] not in self._seen:
            self._seen.add(row["key"])
            self._trained += self._shown > self._known
        about = ", ".join(f"{key} {_text(row[key])}" for key in _TOLD if key in row)
        name = f"{about or row['network']}, seed {row['seed']}"
        if row["state"] == FAILED:
            print(f"[{self._shown}/{self._total}] {name}: failed: {row['reason']}", flush=True)
            return
        value = row["accuracy"] if self._value is None else self._value(row)
        worth = "" if self._value is None else f", worth {value:.4f}"
        if self._best is None or value > self._best[0]:
            self._best = value, name
        print(
            f"[{self._shown}/{self._total}] {name}: {row['state']}, accuracy {row['accuracy']:.4f}{worth} "
            f"({row['madds'] / 1e6:.4g} M multiply-adds, {row['seconds']:.0f} s). "
            f"Best: {self._best[0]:.4f}{self._left()}",
            flush=True,
        )

    def _left(self) -> str:
        left = self._total - self._shown
        if not self._trained or left <= 0:
            return ""
        seconds = (time.monotonic() - self._begin) / self._trained * left
        return f", about {seconds / 60:.0f} min left" if seconds >= 60 else f", about {seconds:.0f} s left"


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
