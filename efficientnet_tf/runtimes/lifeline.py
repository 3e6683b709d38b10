"""A process that ends when the one that started it does, however that one ends.

A process that is killed cannot end those that it started. They would go on computing, and what lies on the disk for
them would stay. But the system closes its end of a pipe, which the other end notices.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def lifeline() -> Iterator[int]:
    """Yield what a process is given as its standard input: nothing comes from it, and it ends when this process does.

    >>> import subprocess, sys
    >>> with lifeline() as stdin:
    ...     process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=stdin, stderr=subprocess.DEVNULL)
    ...     process.poll()
    >>> process.wait()
    1
    """
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def end_with_stdin(*folders: Path) -> None:
    """End this process as soon as its standard input ends, and remove folders that nobody needs then.

    A thread waits for it, so that work which holds Python's lock ends when it gives that back.
    """

    def wait() -> None:
        while os.read(0, 1024):
            pass
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
