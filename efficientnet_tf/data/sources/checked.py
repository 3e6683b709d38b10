"""Telling which files of a source can be used, watched by whoever waits; and when to stop for those that cannot."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from efficientnet_tf.data.checking import check_images
from efficientnet_tf.data.files import Skipped, none_readable
from efficientnet_tf.errors import EfficientNetError

Item = TypeVar("Item")

#: The share of a source's images that may be damaged or empty before nothing is done with it.
MAX_BAD_FILES = 0.1

_NAMED_AT_MOST = 20
_CHUNK = 256
# Seconds: nothing is shown of what is quick, and a log has a line now and then.
_SHOW_AFTER = 2.0
_LINE_EVERY = 10.0


def readable_rows(
    paths: Sequence[str],
    classes: Sequence[str],
    where: str,
    *,
    place: Callable[[str], str],
    max_bad_files: float,
) -> tuple[list[int], tuple[Skipped, ...]]:
    """Check every file and return (which can be read, those that cannot with the reasons).

    Args:
        paths: files.
        classes: the class of each.
        where: the source, for messages.
        place: from a class to how messages call it.
        max_bad_files: the share of the files that may be unreadable, of 1.

    Raises:
        EfficientNetError: nothing can be read of the source or of a class, or too many files cannot.
    """
    reasons = [reason for chunk in watched(_chunks(paths), len(paths)) for reason in chunk]
    broken = tuple((path, reason) for path, reason in zip(paths, reasons, strict=True) if reason)
    rows = [row for row, reason in enumerate(reasons) if not reason]
    if not rows:
        raise EfficientNetError(none_readable(where, broken))
    # A class of which nothing is left would be trained on nothing.
    left = Counter(classes[row] for row in rows)
    for empty in sorted(set(classes) - set(left)):
        of_class = [(path, str(reasons[row])) for row, path in enumerate(paths) if classes[row] == empty]
        raise EfficientNetError(none_readable(place(empty), of_class))
    refuse_damage(where, broken, len(paths), max_bad_files)
    return rows, broken


def refuse_damage(where: str, broken: Sequence[Skipped], total: int, max_bad_files: float) -> None:
    """Raise if more than the given share of images cannot be used, with the list of them.

    >>> refuse_damage("'flowers'", [("a.jpg", "an empty file")], 4, 0.1)
    Traceback (most recent call last):
    efficientnet_tf.errors.EfficientNetError: 1 of the 4 images in 'flowers' cannot be used, more than max_bad_files=0.1
    allows: a.jpg (an empty file).
    """
    if len(broken) > max_bad_files * total:
        raise EfficientNetError(
            f"{len(broken)} of the {total} images in {where} cannot be used, more than "
            f"max_bad_files={max_bad_files:g} allows: {list_some(broken)}."
        )


def list_some(broken: Sequence[Skipped]) -> str:
    """Return the first twenty files with their reasons, and how many more there are."""
    named = ", ".join(f"{file} ({reason})" for file, reason in broken[:_NAMED_AT_MOST])
    more = len(broken) - _NAMED_AT_MOST
    return f"{named}, and {more} more" if more > 0 else named


def watched(chunks: Iterator[list[Item]], total: int, doing: str = "Checking images") -> Iterator[list[Item]]:
    """Pass on what is done piece by piece, and show on standard error how far it is: a bar, or a line in a log."""
    begin = shown = time.monotonic()
    done = 0
    bar = None
    try:
        for chunk in chunks:
            yield chunk
            done += len(chunk)
            now = time.monotonic()
            if done >= total or now - begin < _SHOW_AFTER:
                continue
            if sys.stderr.isatty():
                bar = bar or _Bar(doing, total)
                bar.show(done)
            elif now - shown >= _LINE_EVERY:
                shown = now
                print(f"{doing}: {done} of {total}, {done / (now - begin):.0f} a second", file=sys.stderr, flush=True)
    finally:
        if bar is not None:
            bar.close()


class _Bar:
    """A progress bar on a terminal, which is gone when all is done."""

    def __init__(self, doing: str, total: int) -> None:
        # Imported where it is needed: most sets are checked before anything would be shown.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(doing, total=total)
        self._progress.start()

    def show(self, done: int) -> None:
        self._progress.update(self._task, completed=done)

    def close(self) -> None:
        self._progress.stop()


def _chunks(paths: Sequence[str]) -> Iterator[list[str | None]]:
    for begin in range(0, len(paths), _CHUNK):
        yield check_images(paths[begin : begin + _CHUNK])
