"""A process that ends when the one that started it does, however that one ends.

A process that is killed cannot end those that it started. They would go on computing, and what lies on the disk for
them would stay. But the system closes its end of a pipe, which the other end notices.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
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

    A thread waits for it, so that work which holds Python's lock ends when it gives that back. Work that fails first,
    since files vanish under its hands, does not end the process in the middle of the removal.
    """
    lock = threading.Lock()

    def remove() -> None:
        with lock:
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)

    def wait() -> None:
        while os.read(0, 1024):
            pass
        remove()
        os._exit(1)

    def at_exit() -> None:
        # Nothing is ever written to it: what can be read is its end. (Windows tells that of sockets only.)
        with contextlib.suppress(OSError):
            if select.select([0], [], [], 0)[0]:
                remove()

    atexit.register(at_exit)
    threading.Thread(target=wait, daemon=True).start()
