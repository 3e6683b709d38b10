"""The figures of every epoch, from a table that may lack columns, hold gaps, or begin an epoch twice."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Values = tuple[float | None, ...]


@dataclasses.dataclass(frozen=True)
class History:
    """The figures of a run's epochs.

    Attributes:
        epochs: their numbers, the first is 1.
        columns: for each figure its value in every epoch, None where there is none or it is no number.
    """

    epochs: tuple[int, ...]
    columns: Mapping[str, Values]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> History:
        """Return the history of rows with the columns of `metrics.csv`, as numbers or as text.

        An epoch that was begun again counts as it ended the last time. Rows without a number are left out.

        >>> History.from_rows([{"epoch": "0", "loss": "1.5", "top1": ""}, {"epoch": "1", "loss": "nan"}]).columns
        {'loss': (1.5, None)}
        """
        by_epoch = {int(epoch): row for row in rows if (epoch := _number(row.get("epoch"))) is not None}
        ordered = [by_epoch[epoch] for epoch in sorted(by_epoch)]
        names = dict.fromkeys(name for row in ordered for name in row if name and name != "epoch")
        columns = {name: tuple(_number(row.get(name)) for row in ordered) for name in names}
        known = {name: values for name, values in columns.items() if any(value is not None for value in values)}
        return cls(tuple(epoch + 1 for epoch in sorted(by_epoch)), known)

    def __len__(self) -> int:
        return len(self.epochs)

    def values(self, name: str) -> Values | None:
        """Return a column, or None if the run has not got it."""
        return self.columns.get(name)

    def last(self, name: str) -> float | None:
        """Return a figure of the last epoch."""
        values = self.columns.get(name)
        return values[-1] if values else None

    @property
    def best(self) -> int | None:
        """The place, from 0, of the epoch whose network is kept: the first with the lowest validation loss.

        >>> History.from_rows([{"epoch": e, "val_loss": loss} for e, loss in enumerate([3, 1, 2])]).best
        1
        """
        values = self.columns.get("val_loss") or self.columns.get("loss") or ()
        known = [(value, place) for place, value in enumerate(values) if value is not None]
        return min(known)[1] if known else None

    def at_best(self, name: str) -> float | None:
        """Return a figure of the epoch whose network is kept."""
        values = self.columns.get(name)
        return None if values is None or self.best is None else values[self.best]


def read_history(path: Path) -> Sequence[dict[str, str]]:
    """Return the rows of a `metrics.csv`; none if there is no such file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
