"""The accuracy of a candidate by a short training, `efficientnet-train`'s own, in a process of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.locking import locked
from efficientnet_tf.run import Run, write_json
from efficientnet_tf.runtimes.lifeline import lifeline
from efficientnet_tf.search.candidates import DONE, PRUNED, Candidate, Outcome, Report, digest_of
from efficientnet_tf.specs import spec_text

#: Exit codes of the process, as those of the commands.
WRONG_SETTINGS = 2
#: Seconds between two looks at a training, and until one that was asked to stop is killed.
_LOOK, _PATIENCE = 0.2, 60.0
#: Columns of `metrics.csv`: the epoch's number, from 0, and its accuracy on the validation photographs.
_EPOCH, _ACCURACY = "epoch", "val_top1"


@dataclasses.dataclass(frozen=True)
class Proxy:
    """Trains candidates in processes, each on its share of the cores; a `Measure`.

    A training is a run like any other, in a folder that bears the candidate's key: one that was interrupted goes on,
    and one that is finished is read. Its accuracy is top-1 of its best network on the photographs that validate, which
    are held out of the training side where the source has no others; with `minival`, on those that it holds out.

    Args:
        folder: of the runs.
        settings: of `TrainConfig`, but for what the candidate gives: variant, weights, image_size, seed, model_dir.
        threads: processor cores of a training.
    """

    folder: Path
    settings: Mapping[str, Any]
    threads: int
    _processes: set[subprocess.Popen[bytes]] = dataclasses.field(default_factory=set, init=False, repr=False)
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock, init=False, repr=False)
    _stopping: threading.Event = dataclasses.field(default_factory=threading.Event, init=False, repr=False)

    def __call__(self, candidate: Candidate, report: Report) -> Outcome:
        """Train a candidate, or go on with it.

        Raises:
            UsageError: settings that no training can have.
            EfficientNetError: the training failed; the message is its own.
        """
        run, begin = Run(self.folder / candidate.key), time.perf_counter()
        pruned = self.folder / f"{candidate.key}.pruned.json"
        if not run.metrics_file.exists() and not pruned.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._wait_until_free(run)
            accuracy = self._trained(candidate, run, report)
            if accuracy is not None:
                write_json(pruned, {"accuracy": accuracy})
        seconds = time.perf_counter() - begin
        if pruned.exists() and not run.metrics_file.exists():
            shutil.rmtree(run.path, ignore_errors=True)
            return Outcome(PRUNED, float(json.loads(pruned.read_text(encoding="utf-8"))["accuracy"]), seconds)
        # What a training goes on from is several times its network, and a search has many.
        shutil.rmtree(run.checkpoints, ignore_errors=True)
        return Outcome(DONE, self._accuracy(run), seconds)

    def stop(self) -> None:
        """Ask all trainings to put their state away and end."""
        with self._lock:
            self._stopping.set()
            for process in self._processes:
                process.terminate()

    def _accuracy(self, run: Run) -> float:
        """Return the accuracy of the network that a finished run has kept."""
        if not self.settings.get("minival"):
            return float(json.loads(run.metrics_file.read_text(encoding="utf-8"))["top1"])
        # The figures of the run are then of the source's own validation photographs, which must choose nothing.
        best = min(run.history_rows(), key=lambda row: float(row["val_loss"]))
        return float(best[_ACCURACY])

    def _config(self, candidate: Candidate, run: Run) -> dict[str, Any]:
        # Its name is that of the network alone: whatever led to it, the same training is the same run.
        architecture = candidate.spec.replace(name=f"candidate-{digest_of(candidate.spec)}")
        return {
            **self.settings,
            "variant": spec_text(architecture, indent=False),
            "weights": "none",
            "image_size": architecture.image_size,
            "seed": candidate.seed,
            "model_dir": str(run.path),
        }

    def _trained(self, candidate: Candidate, run: Run, report: Report) -> float | None:
        """Train to the end, and return None; or the accuracy at which it was ended early.

        A folder in which a training was killed before it could put anything away that another can go on from, or that
        holds one of a network of other coefficients that rounds to the same, is begun anew.
        """
        before = run.path.exists()
        try:
            return self._train(self._config(candidate, run), run, report)
        except UsageError:
            if not before or self._stopping.is_set():
                raise
            shutil.rmtree(run.path, ignore_errors=True)
            return self._train(self._config(candidate, run), run, report)

    def _train(self, config: Mapping[str, Any], run: Run, report: Report) -> float | None:
        """Run the process."""
        words = [sys.executable, "-m", "efficientnet_tf.search.proxy_process", json.dumps(config), str(self.threads)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        log = self.folder / f"{run.path.name}.log"
        with lifeline() as stdin, log.open("ab") as output:
            start = output.tell()
            with self._lock:
                if self._stopping.is_set():
                    raise EfficientNetError("The search was stopped.")
                # In a session of its own: Ctrl-C is for the search, which ends its trainings in good order.
                process = subprocess.Popen(
                    words, stdin=stdin, stdout=output, stderr=output, env=environment, start_new_session=True
                )
                self._processes.add(process)
            try:
                pruned = self._watch(process, run, report)
            finally:
                _end(process)
                with self._lock:
                    self._processes.discard(process)
        if run.metrics_file.exists():  # whatever happened afterwards
            return None
        if pruned is not None:
            return pruned
        if process.returncode:
            if process.returncode == WRONG_SETTINGS:
                raise UsageError(_last_line(log, start))
            killed = f"killed by {signal.Signals(-process.returncode).name}: " if process.returncode < 0 else ""
            raise EfficientNetError(f"{killed}{_last_line(log, start)} (all of it: {log})")
        return None

    def _watch(self, process: subprocess.Popen[bytes], run: Run, report: Report) -> float | None:
        """Wait for the process, report its epochs, and end it when it shall; return its accuracy then."""
        seen, pruned, asked = len(_accuracies(run)), None, math.inf
        last = self.settings.get("epochs") or math.inf
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK)
            accuracies = _accuracies(run)
            for epoch, accuracy in enumerate(accuracies[seen:], start=seen + 1):
                # After the last one there is nothing to save. And once: a second signal would not let it put its
                # state away.
                if pruned is None and epoch < last and report(epoch, accuracy):
                    process.terminate()
                    pruned = max(accuracies[:epoch])
            seen = max(seen, len(accuracies))
            if pruned is not None or self._stopping.is_set():
                asked = min(asked, time.monotonic())
            if time.monotonic() > asked + _PATIENCE:
                process.kill()
        return pruned

    def _wait_until_free(self, run: Run) -> None:
        """Wait for a training of a search that was killed: it still puts its state away."""
        until = time.monotonic() + _PATIENCE
        while not self._stopping.is_set():
            refusal = f"Another training is writing to {run.path}."
            try:
                with locked(run.path, refusal):
                    return
            except UsageError as error:
                if str(error) != refusal or time.monotonic() > until:
                    raise EfficientNetError(str(error)) from None
                self._stopping.wait(_LOOK)


def _accuracies(run: Run) -> list[float]:
    """Return the validation accuracy of every epoch so far; an epoch that was begun again counts as it ended last."""
    try:
        by_epoch = {int(row[_EPOCH]): float(row[_ACCURACY]) for row in run.history_rows()}
    except (OSError, KeyError, TypeError, ValueError):  # not there yet, or only a part of its last row
        return []
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that may still be at work: by asking it, and if it does not listen by force."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_line(log: Path, start: int) -> str:
    """Return the last line of what one process has written."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "The training ended without a word.")
