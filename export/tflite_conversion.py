"""TensorFlow Lite's converter, kept in a process of its own.

It leaks some 20 MB at each conversion (tensorflow#122598), and what it cannot convert may abort the process. It is also
on its way out of TensorFlow: all that is used of it is in `tflite_worker`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

from efficientnet_tf.errors import EfficientNetError

PROGRAM = Path(__file__).with_name("tflite_worker.py")

#: Conversions after which the process is replaced by a new one.
CONVERSIONS = 20


def convert(saved_model: Path, *, optimise: str = "none") -> bytes:
    """Return the `.tflite` file of a SavedModel's `serving_default`; only built-in operations are allowed.

    The first conversion of a Python process starts the converter's, some seconds; it ends with the Python process.

    Args:
        saved_model: its folder.
        optimise: `none`, or `dynamic` (weights in int8).

    Raises:
        EfficientNetError: an operation that TensorFlow Lite does not have, or a converter that crashed.
    """
    return _CONVERTER.convert(saved_model, optimise)


class _Converter:
    """A process that converts; it is started when it is needed, and again after it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._popen: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None
        self._owner = 0
        self._left = 0

    def convert(self, saved_model: Path, optimise: str) -> bytes:
        with self._lock, tempfile.TemporaryDirectory(prefix="efficientnet_tf-") as folder:
            target = Path(folder) / "model.tflite"
            request = {"source": str(saved_model), "target": str(target), "optimise": optimise}
            try:
                answer = self._ask(request)
            except BaseException:  # an answer that comes later must not be taken for the next request's
                self.end()
                raise
            if "error" in answer:
                raise EfficientNetError(f"TensorFlow Lite cannot represent this network: {answer['error']}")
            return target.read_bytes()

    def _ask(self, request: dict[str, str]) -> dict[str, str]:
        """Return the process's answer to a request."""
        # A process that was made by fork has its parent's converter in its memory, but must not talk to it.
        if self._popen is None or self._owner != os.getpid() or self._left == 0:
            self.end()
            self._start()
        assert self._popen is not None
        stdin, stdout = self._popen.stdin, self._popen.stdout
        assert stdin is not None
        assert stdout is not None
        self._left -= 1
        with contextlib.suppress(BrokenPipeError):  # one that has ended is reported below, with the reason
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
        line = stdout.readline()
        if not line.endswith(b"\n"):
            raise EfficientNetError(f"TensorFlow Lite's converter crashed: {self._reason()}")
        answer: dict[str, str] = json.loads(line)
        return answer

    def _start(self) -> None:
        # A file, since nobody would read from a pipe while the converter narrates.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        self._popen = subprocess.Popen(
            # Without -P, the folder of the program would hide modules of the same names as its files.
            [sys.executable, "-P", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"},
        )
        self._owner, self._left = os.getpid(), CONVERSIONS

    def _reason(self) -> str:
        """Return how the process ended, and what it said last."""
        assert self._popen is not None
        assert self._complaints is not None
        code = self._popen.wait()
        self._complaints.seek(0)
        said = [line for line in self._complaints.read().decode("utf-8", "replace").splitlines() if line.strip()]
        return f"signal {-code}" if code < 0 and not said else " ".join([*said[-1:], f"(exit code {code})"])[:300]

    def end(self) -> None:
        """End the process, if it is this one's."""
        popen, self._popen = self._popen, None
        if popen is None or self._owner != os.getpid():
            return
        popen.kill()
        for pipe in (popen.stdin, popen.stdout, self._complaints):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        popen.wait()


_CONVERTER = _Converter()
atexit.register(_CONVERTER.end)
