"""What a measurement was taken on, and keeping it to some of the processor's cores."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path

from efficientnet_tf.errors import EfficientNetError, UsageError

#: Packages whose versions stand beside most measurements.
COMMON_PACKAGES = ("keras", "numpy", "pillow", "ai-edge-litert")

_TENSORFLOW = ("tensorflow-cpu", "tensorflow", "tensorflow-tpu")


def machine(packages: Iterable[str] = ()) -> dict[str, str]:
    """Return the processor, the number of its cores, and the versions of Python, TensorFlow and some packages.

    A package that is not installed has an empty version.

    >>> sorted(machine(["keras"]))[:3]
    ['cores', 'keras', 'processor']
    """
    tensorflow = next((name for name in _TENSORFLOW if version(name)), _TENSORFLOW[0])
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        **{name: version(name) for name in (tensorflow, *packages)},
    }


def version(package: str) -> str:
    """Return a package's version, or nothing if it is not installed.

    >>> version("no-such-package")
    ''
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def confined(cores: int) -> Iterator[None]:
    """Keep this process, with all its threads and the processes it starts, to so many cores.

    Thread pools that exist already keep their size, so it should be entered before TensorFlow works.

    Raises:
        UsageError: the process may not use so many.
        EfficientNetError: the system knows no such limit, and has another number of cores.
    """
    allowed = available_cores()
    if cores > allowed:
        raise UsageError(f"threads must be at most {allowed}, the cores that this process may use, got {cores}.")
    if cores == allowed:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise EfficientNetError(f"This system cannot keep a process to {cores} of its {allowed} cores.")
    before = os.sched_getaffinity(0)
    _keep_to(set(sorted(before)[:cores]))
    try:
        yield
    finally:
        _keep_to(before)


def _keep_to(cores: set[int]) -> None:
    for thread in _threads():
        # A thread may end at any moment.
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(thread, cores)


def _threads() -> list[int]:
    tasks = Path("/proc/self/task")
    return [int(path.name) for path in tasks.iterdir()] if tasks.exists() else [0]


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
