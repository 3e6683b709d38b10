"""A process that trains or runs one network, step by step, when it is told to.

Each network has a process of its own: their libraries do not share thread pools, settings or memory then, and the most
memory that one ever took is its own. The process reads lines, each a number of steps, and answers each with a line of
JSON: the seconds of each step, the processor's seconds, and the most memory in bytes that it has taken so far.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any, TextIO

from efficientnet_tf.benchmarking.latency_networks import LatencyJob, latency_steps
from efficientnet_tf.benchmarking.training_networks import TrainingJob, training_steps
from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.native_settings import set_native_defaults
from efficientnet_tf.runtimes.measuring import memory_of

Job = TrainingJob | LatencyJob
_JOBS = {job.__name__: job for job in (TrainingJob, LatencyJob)}


@dataclasses.dataclass(frozen=True)
class Taken:
    """What some steps took.

    Attributes:
        seconds: of each.
        processor_seconds: of all threads and all steps.
        peak_bytes: the most memory that the process has taken since it began.
    """

    seconds: tuple[float, ...]
    processor_seconds: float
    peak_bytes: int


class Worker:
    """A network that is built in a process of its own and has taken its first step when this returns.

    Attributes:
        build_seconds: until the first step, the library's import included.
        first: what the first step took: tracing and compilation, too.

    Raises:
        EfficientNetError: it could not be built, trained or run; in its own words.
    """

    def __init__(self, job: Job) -> None:
        begin = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, type(job).__name__, json.dumps(dataclasses.asdict(job))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Libraries announce themselves there; what goes wrong is in an answer, or in the exit code.
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            self._read()
            self.build_seconds = time.perf_counter() - begin
            self.first = self.step(1)
        except BaseException:
            self.close()
            raise

    def step(self, number: int) -> Taken:
        """Take steps."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{number}\n")
            self._process.stdin.flush()
        except OSError:
            raise EfficientNetError("The process of a network has ended.") from None
        answer = self._read()
        return Taken(tuple(answer["seconds"]), answer["processor_seconds"], answer["peak_bytes"])

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            reason = "it was killed, which happens when memory is short" if code < 0 else f"exit code {code}"
            raise EfficientNetError(f"The process of a network has ended: {reason}.")
        answer: dict[str, Any] = json.loads(line)
        if "problem" in answer:
            raise EfficientNetError(answer["problem"])
        return answer


def _peak_bytes() -> int:
    """Return the most memory that this process has taken."""
    # What `getrusage` tells on Linux begins with what the process that started this one had taken.
    own = memory_of("self", "VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if own is None else own


def _serve(job: Job, orders: TextIO, answers: TextIO) -> None:
    """Be the process, until the orders end."""

    def answer(**content: Any) -> None:
        print(json.dumps(content), file=answers, flush=True)

    try:
        steps = training_steps(job) if isinstance(job, TrainingJob) else latency_steps(job)
        answer(ready=True)
        for order in orders:
            worked = time.process_time()
            seconds = steps(int(order))
            answer(seconds=seconds, processor_seconds=time.process_time() - worked, peak_bytes=_peak_bytes())
    except Exception as error:
        own = isinstance(error, EfficientNetError)
        answer(problem=str(error) if own else f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")


if __name__ == "__main__":
    # What libraries print must not come between the answers.
    _answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    set_native_defaults()
    _serve(_JOBS[sys.argv[1]](**json.loads(sys.argv[2])), sys.stdin, _answers)
