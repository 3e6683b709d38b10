"""One fixed rule that divides images into training and validation, the same on every machine and on every day.

Within each class the images are ordered by the SHA-256 of their relative name (`"class/file.jpg"`, in UTF-8), and
the first ones, the given fraction of them rounded to the nearest number, are for validation. Nothing else enters:
no seed, no order of the disk, no content. Adding an image therefore moves at most one other from side to side.

The bundled photographs are divided by this rule with a fraction of one quarter; the outcome is kept in
`sample/split.csv`, so that it stays what it is even if the rule should change.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence


def name_hash(name: str) -> str:
    """Return the SHA-256 of a relative file name, in hexadecimal.

    >>> name_hash("animals/cat.jpg")[:8]
    'afe80b0c'
    """
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()


def validation_names(names: Sequence[str], labels: Sequence[int], fraction: float) -> frozenset[str]:
    """Return which of the named images are for validation.

    A class of two or more images gives at least one to each side; a class of one image keeps it for training.

    Args:
        names: relative names, each once, with `/` between folder and file.
        labels: the class of each name.
        fraction: how much of every class is for validation, between 0 and 1.

    >>> names = [f"roses/{index}.jpg" for index in range(8)] + ["tulips/a.jpg", "tulips/b.jpg", "lilies/a.jpg"]
    >>> sorted(validation_names(names, [0] * 8 + [1] * 2 + [2], 0.25))
    ['roses/5.jpg', 'roses/6.jpg', 'tulips/b.jpg']
    """
    members: dict[int, list[str]] = {}
    for name, label in zip(names, labels, strict=True):
        members.setdefault(label, []).append(name)
    chosen: set[str] = set()
    for group in members.values():
        count = math.floor(len(group) * fraction + 0.5)
        chosen.update(sorted(group, key=name_hash)[: min(max(count, 1), len(group) - 1)])
    return frozenset(chosen)
