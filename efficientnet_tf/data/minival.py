"""Training photographs that are held out to choose the best network, so that validation is left for the end.

The paper holds out 25 thousand of ImageNet (section 5.2); the official code takes the first 20 of the 1,024 files.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Sequence

from efficientnet_tf.data.sources import Examples, Part, Records
from efficientnet_tf.data.sources.tfrecord_files import cut
from efficientnet_tf.data.splits import name_hash
from efficientnet_tf.errors import UsageError

# Whole files are held out where they are the number that is wanted, up to this share of it.
_NEAR_ENOUGH = 0.05


def hold_out(source: Examples | Records, count: int) -> tuple[Examples | Records, Examples | Records]:
    """Divide training photographs into those to train on and those that choose the best network.

    Nothing but the source and the count decides: no seed, and of examples no order either.

    Args:
        source: what `read_source` returned for training; records before they are kept in memory or in a folder, or
            `caching.keep` has lost the bounds of their files.
        count: photographs to hold out. Of examples exactly so many, in proportion to the size of each class, those
            whose names have the smallest hashes (see `splits`). Of records the whole first files, as many as come
            nearest to it, which of ImageNet are the official 20 for 25,022; where no number of whole files comes
            within 5 %, exactly so many, the first of each file in proportion to its size.

    Returns:
        The rest, and what is held out.

    Raises:
        UsageError: nothing would be held out, or nothing, or nothing of a class, left to train on.

    >>> from efficientnet_tf.data import read_source
    >>> rest, held_out = hold_out(read_source("synthetic:classes=3,count=12,size=8"), 5)
    >>> len(rest), sorted(held_out.labels)
    (7, [0, 0, 1, 1, 2])
    """
    if count < 1:
        raise UsageError(f"minival must be at least 1, got {count}.")
    return _of_records(source, count) if isinstance(source, Records) else _of_examples(source, count)


def _of_records(records: Records, count: int) -> tuple[Records, Records]:
    if count >= len(records):
        raise UsageError(f"minival must be below the {len(records)} training photographs, got {count}.")
    parts = records.parts
    ends = list(itertools.accumulate(part.take for part in parts))
    nearest = min(range(len(parts)), key=lambda row: abs(ends[row] - count))
    if nearest + 1 < len(parts) and abs(ends[nearest] - count) <= _NEAR_ENOUGH * count:
        held_out, rest = parts[: nearest + 1], parts[nearest + 1 :]
    else:
        held_out, rest = _first_of_each(parts, count, ends)
    return dataclasses.replace(records, parts=rest), dataclasses.replace(records, parts=held_out)


def _first_of_each(parts: Sequence[Part], count: int, ends: Sequence[int]) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Divide each part, so that all first sides together have the count; return first sides, and second ones."""
    shares = [count * end // ends[-1] for end in ends]
    sides = [cut([part], share - before) for part, share, before in zip(parts, shares, [0, *shares], strict=False)]
    return tuple(itertools.chain(*(first for first, _ in sides))), tuple(itertools.chain(*(rest for _, rest in sides)))


def _of_examples(examples: Examples, count: int) -> tuple[Examples, Examples]:
    members: dict[int, list[int]] = {}
    for row, label in enumerate(examples.labels):
        members.setdefault(label, []).append(row)
    quotas = _quotas({label: len(rows) for label, rows in sorted(members.items())}, count)
    root = os.path.commonpath([os.path.dirname(path) for path in examples.paths])
    hashes = [name_hash(os.path.relpath(path, root or ".").replace(os.sep, "/")) for path in examples.paths]
    chosen = {row for label, rows in members.items() for row in sorted(rows, key=hashes.__getitem__)[: quotas[label]]}
    rows = range(len(examples))
    return examples.take([row for row in rows if row not in chosen]), examples.take([r for r in rows if r in chosen])


def _quotas(sizes: dict[int, int], count: int) -> dict[int, int]:
    """Share a count among classes in proportion to their sizes, and leave at least one of each."""
    most = sum(size - 1 for size in sizes.values())
    if count > most:
        raise UsageError(
            f"minival must be at most {most}, to leave a photograph of every class to train on; got {count}."
        )
    total = sum(sizes.values())
    quotas = {label: min(count * size // total, size - 1) for label, size in sizes.items()}
    # What is left goes to the largest remainders; where a class has no more to give, to the next in this order.
    order = sorted(sizes, key=lambda label: (-(count * sizes[label] % total), label))
    missing = count - sum(quotas.values())
    for label in itertools.cycle(order):
        if not missing:
            break
        if quotas[label] < sizes[label] - 1:
            quotas[label] += 1
            missing -= 1
    return quotas
