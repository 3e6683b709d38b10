"""What an artifact answers and what it costs, found in a process of its own: `python -m ...measuring --help`.

Artifacts do not disturb each other then, memory is that of one alone, and a runtime that crashes takes nobody along.
The process loads TensorFlow only for what TensorFlow runs.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError
from efficientnet_tf.native_output import held_back
from efficientnet_tf.runtimes.artifact import Artifact, check_report, open_artifact
from efficientnet_tf.runtimes.lifeline import end_with_stdin, lifeline

Array = np.ndarray[Any, Any]

#: Seconds that a process may take for all that it is asked.
TIMEOUT = 1800.0
#: Runs that are timed: at most so many, and after `LEAST` of them not longer than so many seconds.
RUNS, LEAST, SECONDS = 100, 5, 0.5
#: Pictures that a runtime is given at a time where their number is not timed.
CALL = 32
#: What each runtime is called in Python; it is imported before memory is looked at.
RUNTIMES = {".tflite": "ai_edge_litert.interpreter", ".onnx": "onnxruntime", ".keras": "keras"}


class RuntimeFailure(EfficientNetError):
    """A runtime could not load or run an artifact, or ended."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a process found.

    Attributes:
        answers: every output by its name, float32 [N, ...].
        encoded: probabilities for whole files, float32 [N, classes]; None where the artifact does not take them.
        latency: for each number of threads, as text, `p50`, `p90` and `p99` in milliseconds a picture.
        peak_memory_mb: by how many megabytes (10**6 bytes) the process grew at most while the artifact was loaded and
            run, with the whole of the processes that it started; None where the system does not tell.
        operations: how many of each kind the graph has.
    """

    answers: dict[str, Array]
    encoded: Array | None
    latency: dict[str, dict[str, float]]
    peak_memory_mb: float | None
    operations: dict[str, int]


def measure(
    path: Path,
    pixels: Array,
    *,
    files: Sequence[bytes] = (),
    batch: int = 1,
    threads: Sequence[int] | None = None,
    timeout: float = TIMEOUT,
    scratch: Path | None = None,
) -> Measured:
    """Run an artifact in a process of its own, on the processor.

    Args:
        path: as of `open_artifact`.
        pixels: uint8 [N, height, width, 3], at least one picture.
        files: the same pictures as encoded files, for an artifact that takes them.
        batch: pictures of each run that is timed.
        threads: numbers of threads to time it with; by default all, and one. TensorFlow.js has one, whatever is asked;
            a `.keras` file, which is not for serving, is timed with the first alone.
        timeout: seconds until a process is ended.
        scratch: a folder for the pictures while they are needed; by default the system's own for temporary files.

    Raises:
        MissingDependencyError: the runtime is not installed.
        RuntimeFailure: it cannot run the artifact, ended, or took too long.
    """
    counts = list(dict.fromkeys(threads or (os.cpu_count() or 1, 1)))
    with tempfile.TemporaryDirectory(prefix="efficientnet_tf-", dir=scratch) as name:
        folder = Path(name)
        np.save(folder / "pixels.npy", pixels)
        for number, content in enumerate(files):
            (folder / f"{number:06}.file").write_bytes(content)
        # TensorFlow's threads are fixed when it starts; its second process only tells the time.
        first, *others = [[count] for count in counts] if _is_tensorflow(path) else [counts]
        others = [] if path.suffix == ".keras" else others
        told = _child(path, folder, first, batch, timeout)
        latency = dict(told["latency"])
        for count in others:
            latency |= _child(path, folder, count, batch, timeout, "--only_latency")["latency"]
        with np.load(folder / "answers.npz") as stored:
            answers = dict(stored)
        encoded = np.load(folder / "encoded.npy") if told["encoded"] else None
    return Measured(answers, encoded, latency, told["peak_memory_mb"], told["operations"])


def _is_tensorflow(path: Path) -> bool:
    return path.suffix == ".keras" or (path / "saved_model.pb").is_file()


def _child(path: Path, folder: Path, threads: Sequence[int], batch: int, timeout: float, *more: str) -> dict[str, Any]:
    """Run this module's `main` and return what it says."""
    # -P: what lies in the current folder must not be taken for a module.
    command = [sys.executable, "-P", "-m", __name__, str(path.absolute()), str(folder), f"--batch={batch}"]
    command += [f"--threads={','.join(map(str, threads))}", "--end_with_stdin", *more]
    # An accelerator's memory is this process's; and every runtime is to be timed on the same processor.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    # What it leaves when it is killed goes with the folder.
    environment |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    with lifeline() as stdin:
        try:
            done = subprocess.run(
                command,
                env=environment,
                stdin=stdin,
                capture_output=True,
                text=True,
                timeout=timeout,
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise RuntimeFailure(f"its runtime did not finish within {timeout:g} s") from None
    lines = done.stdout.splitlines()
    if done.returncode < 0:
        raise RuntimeFailure(f"its runtime ended with {signal.Signals(-done.returncode).name}")
    if not lines or not lines[-1].startswith("{"):
        last = [line for line in done.stderr.splitlines() if line.strip()]
        raise RuntimeFailure(
            f"its runtime ended with exit code {done.returncode}: {last[-1] if last else 'no message'}"
        )
    told: dict[str, Any] = json.loads(lines[-1])
    if "missing" in told:
        raise MissingDependencyError(told["missing"])
    if "error" in told:
        raise RuntimeFailure(told["error"])
    return told


def main(argv: Sequence[str] | None = None) -> int:
    """Run an artifact and print what was found as one JSON object; the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {__name__}", description=(main.__doc__ or "").split(";")[0])
    parser.add_argument("artifact", type=Path)
    parser.add_argument("folder", type=Path, help="holds pixels.npy and perhaps *.file; answers are written to it")
    parser.add_argument("--threads", default="1", help="numbers of threads, separated by commas")
    parser.add_argument("--batch", type=int, default=1, help="pictures of a run")
    parser.add_argument("--only_latency", action="store_true", help="answer nothing else")
    parser.add_argument(
        "--end_with_stdin", action="store_true", help="end, and remove the folder, when standard input is closed"
    )
    given = parser.parse_args(argv)
    if given.end_with_stdin:
        end_with_stdin(given.folder)
    threads = [int(count) for count in given.threads.split(",")]
    try:
        with held_back():
            told = _measured(given.artifact, given.folder, threads, given.batch, given.only_latency)
    except MissingDependencyError as error:
        told = {"missing": str(error)}
    except EfficientNetError as error:
        told = {"error": str(error)}
    print(json.dumps(told))
    return 0


def _measured(path: Path, folder: Path, threads: Sequence[int], batch: int, only_latency: bool) -> dict[str, Any]:
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    if len(pixels) < batch:
        pixels = pixels[np.arange(batch) % len(pixels)]
    told: dict[str, Any] = {"latency": {}}
    before = _begin(path, threads[0])
    for number, count in enumerate(threads):
        artifact = _open(path, count)
        try:
            for _ in range(2):  # the first call compiles
                artifact.answers(pixels[:batch])
            if not number:
                told["peak_memory_mb"] = _growth(before)
            # TensorFlow.js has one thread, however many there are.
            told["latency"].setdefault("1" if _is_tfjs(path) else str(count), _latency(artifact, pixels, batch))
            if not number and not only_latency:
                told |= {"operations": artifact.operations(), "encoded": _answer(artifact, folder)}
        finally:
            artifact.close()
    return told


def _is_tfjs(path: Path) -> bool:
    return (path / "model.json").is_file()


def _begin(path: Path, threads: int) -> int | None:
    """Import what runs an artifact, and return how much memory is then in use, in bytes."""
    # What is missing is told when the artifact is opened.
    with contextlib.suppress(ImportError):
        if _is_tensorflow(path):
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        if path.suffix in RUNTIMES:
            importlib.import_module(RUNTIMES[path.suffix])
    with contextlib.suppress(OSError):
        # From here on the peak is that of what follows; see proc(5).
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return memory_of("self", "VmRSS")


def _open(path: Path, threads: int) -> Artifact:
    check_report(path)
    if path.suffix == ".tflite":
        from efficientnet_tf.runtimes.litert import LiteRTModel

        return LiteRTModel(path, threads)
    if path.suffix == ".onnx":
        from efficientnet_tf.runtimes.onnx_file import OnnxModel

        return OnnxModel(path, threads)
    return open_artifact(path)


def _growth(before: int | None) -> float | None:
    peak = memory_of("self", "VmHWM")
    if before is None or peak is None:
        return None
    children = [
        child for file in Path("/proc/self/task").glob("*/children") for child in file.read_text("ascii").split()
    ]
    return round((peak - before + sum(memory_of(child, "VmHWM") or 0 for child in children)) / 1e6, 1)


def memory_of(process: str, name: str) -> int | None:
    """Return a figure of a process's memory in bytes, where the system has Linux's `/proc`."""
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)


def _latency(artifact: Artifact, pixels: Array, batch: int) -> dict[str, float]:
    """Return percentiles of the time of a run, in milliseconds a picture."""
    times: list[float] = []
    while len(times) < LEAST or (len(times) < RUNS and sum(times) < SECONDS):
        start = len(times) % (len(pixels) - batch + 1)
        pictures = np.ascontiguousarray(pixels[start : start + batch])
        begin = time.perf_counter()
        artifact.answers(pictures)
        times.append(time.perf_counter() - begin)
    values = 1000 * np.percentile(times, (50, 90, 99)) / batch
    return {name: round(float(value), 3) for name, value in zip(("p50", "p90", "p99"), values, strict=True)}


def _answer(artifact: Artifact, folder: Path) -> bool:
    """Write the answers to all pictures, and return whether there are some to encoded files."""
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    starts = range(0, len(pixels), CALL)
    parts = [artifact.answers(np.ascontiguousarray(pixels[start : start + CALL])) for start in starts]
    np.savez(folder / "answers.npz", **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    files = sorted(folder.glob("*.file"))
    predict_encoded = getattr(artifact, "predict_encoded", None)
    if predict_encoded is None or not files or "probabilities" not in parts[0]:
        return False
    contents = [file.read_bytes() for file in files]
    answers = [predict_encoded(contents[start : start + CALL]) for start in range(0, len(contents), CALL)]
    np.save(folder / "encoded.npy", np.concatenate(answers))
    return True


if __name__ == "__main__":
    sys.exit(main())
