"""Which part of a source each worker of a distributed training reads; without TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from efficientnet_tf.errors import UsageError, unknown_name

BY = ("auto", "file", "record")

# Files are divided among workers where no worker gets less than this share of an even part.
_EVEN_ENOUGH = 0.95


@dataclasses.dataclass(frozen=True)
class Shard:
    """One worker's part of a source. The parts of all workers together are the source, each example once.

    For training all parts are trimmed to the size of the smallest, so that every worker has as many steps; which
    examples are left out is another choice in each epoch where examples or records are divided. For evaluation
    nothing is left out, and with `pad_remainder` all parts have as many batches.

    Attributes:
        index: of this worker, from 0.
        count: how many workers there are.
        by: `"file"` divides the files of a source of records, so that none is read twice; `"record"` gives every
            worker each `count`-th record of all files; `"auto"` divides files where that is nearly even. Examples are
            always divided one by one.

    >>> Shard(2, 2)
    Traceback (most recent call last):
    efficientnet_tf.errors.UsageError: The index of a shard must lie in 0...1, got 2.
    """

    index: int = 0
    count: int = 1
    by: str = "auto"

    def __post_init__(self) -> None:
        if self.by not in BY:
            raise unknown_name("way to shard", self.by, BY)
        if self.count < 1:
            raise UsageError(f"The count of shards must be 1 or more, got {self.count}.")
        if not 0 <= self.index < self.count:
            raise UsageError(f"The index of a shard must lie in 0...{self.count - 1}, got {self.index}.")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What one worker reads.

    Attributes:
        files: which of the parts, as their positions.
        step: of their records, each `step`-th, from `begin`.
        begin: see `step`.
        own: how many examples that is.
        least: the fewest that any worker has.
        most: the most that any worker has.
    """

    files: tuple[int, ...]
    step: int
    begin: int
    own: int
    least: int
    most: int


def plan(counts: Sequence[int], shard: Shard) -> Plan:
    """Divide files with the given numbers of records among workers.

    Raises:
        UsageError: files are to be divided, and there are fewer of them than workers; or there are fewer records.

    >>> plan([10, 10, 10, 10], Shard(1, 2))
    Plan(files=(1, 3), step=1, begin=0, own=20, least=20, most=20)
    >>> plan([25], Shard(1, 2))
    Plan(files=(0,), step=2, begin=1, own=12, least=12, most=13)
    """
    total = sum(counts)
    if shard.count > total:
        raise UsageError(f"{total} examples cannot be divided among {shard.count} workers.")
    if shard.by == "file" and shard.count > len(counts):
        raise UsageError(f"{len(counts)} files cannot be divided among {shard.count} workers; divide by record.")
    sides = _divide(counts, shard.count)
    loads = [sum(counts[row] for row in side) for side in sides]
    if shard.by == "file" or (shard.by == "auto" and min(loads) >= _EVEN_ENOUGH * total / shard.count):
        return Plan(tuple(sides[shard.index]), 1, 0, loads[shard.index], min(loads), max(loads))
    own = len(range(shard.index, total, shard.count))
    least = total // shard.count
    return Plan(tuple(range(len(counts))), shard.count, shard.index, own, least, -(-total // shard.count))


def _divide(counts: Sequence[int], workers: int) -> list[list[int]]:
    """Give each file, the largest first, to the worker that has the least."""
    sides: list[list[int]] = [[] for _ in range(workers)]
    loads = [0] * workers
    for row in sorted(range(len(counts)), key=lambda row: -counts[row]):
        lightest = loads.index(min(loads))
        sides[lightest].append(row)
        loads[lightest] += counts[row]
    return [sorted(side) for side in sides]
