"""One writer at a time: a folder is locked while something writes to it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from efficientnet_tf.errors import UsageError
from efficientnet_tf.run import make_writable

try:
    import fcntl
except ImportError:  # Windows has none: there, a folder that is in use is not noticed.
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def locked(folder: Path, refusal: str) -> Iterator[None]:
    """Make a folder and lock it, so that no other process writes to it; it is free again however this process ends.

    Folders that were made for it and are empty in the end, since nothing came of what was begun, are removed.

    Args:
        folder: the folder.
        refusal: what the error says if another process holds it.

    Raises:
        UsageError: another process holds it, or it cannot be written.
    """
    made = [above for above in (folder, *folder.parents) if not above.exists()]
    make_writable(folder)
    try:
        with _flock(folder, refusal):
            yield
    finally:
        for above in made:
            if any(above.iterdir()):
                break
            above.rmdir()


@contextlib.contextmanager
def _flock(folder: Path, refusal: str) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(refusal) from None
        except OSError:  # a file system that cannot lock a folder
            pass
        yield
    finally:
        os.close(descriptor)
