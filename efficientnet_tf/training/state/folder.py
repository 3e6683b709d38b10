"""The checkpoints of a run: which there are, which stay, and which one a training goes on from."""

from __future__ import annotations

import concurrent.futures
import os
import re
import shutil
from pathlib import Path

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.training.state.files import Checkpoint, read_checkpoint, write_checkpoint

BEST = "best.ckpt"

# The newest, and the one before in case the newest is damaged.
_KEPT = 2
_NAME = re.compile(r"step-(\d{10})\.ckpt")


class CheckpointFolder:
    """A folder of checkpoints, written one at a time beside the training.

    Args:
        path: the folder.
        keep_every: checkpoints of a step that is a multiple of this stay; of the others the newest two.
    """

    def __init__(self, path: Path, *, keep_every: int | None = None) -> None:
        self.path = path
        self._keep_every = keep_every
        self._writer = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._pending: concurrent.futures.Future[None] | None = None

    def steps(self) -> list[int]:
        """Return the steps that there are checkpoints of, rising."""
        found = (_NAME.fullmatch(entry) for entry in os.listdir(self.path)) if self.path.is_dir() else ()
        return sorted(int(match[1]) for match in found if match)

    def save(self, step: int, checkpoint: Checkpoint, *, best: bool = False) -> None:
        """Begin to write a checkpoint; what the one before could not do is raised here.

        Raises:
            EfficientNetError: the checkpoint before could not be written, for a full disk as an example.
        """
        self.wait()
        self._pending = self._writer.submit(self._save, step, checkpoint, best)

    def wait(self) -> None:
        """Wait until everything is on disk.

        Raises:
            EfficientNetError: it could not be written; the checkpoints before are as they were.
        """
        pending, self._pending = self._pending, None
        try:
            if pending is not None:
                pending.result()
        except OSError as error:
            raise EfficientNetError(
                f"A checkpoint could not be written to {self.path}: {error.strerror or error}. "
                "The one before is whole, and the same command goes on from it."
            ) from error

    def newest(self, *, before: int | None = None) -> tuple[Checkpoint | None, list[str]]:
        """Return the newest checkpoint that can be read, and what is wrong with newer ones.

        Args:
            before: only checkpoints of an earlier step than this.
        """
        problems = []
        for step in reversed([step for step in self.steps() if before is None or step < before]):
            try:
                return read_checkpoint(self._file(step)), problems
            except EfficientNetError as error:
                problems.append(str(error))
        return None, problems

    def _file(self, step: int) -> Path:
        return self.path / f"step-{step:010}.ckpt"

    def _save(self, step: int, checkpoint: Checkpoint, best: bool) -> None:
        self.path.mkdir(exist_ok=True)
        write_checkpoint(self._file(step), checkpoint)
        if best:
            self._mark_best(step)
        self._prune(step)

    def _mark_best(self, step: int) -> None:
        unfinished = self.path / f".{BEST}.partial"
        unfinished.unlink(missing_ok=True)
        try:
            # Another name for the same file, which costs no room.
            os.link(self._file(step), unfinished)
        except OSError:  # a file system without links
            shutil.copyfile(self._file(step), unfinished)
        os.replace(unfinished, self.path / BEST)

    def _prune(self, newest: int) -> None:
        """Remove what nobody will go on from; what is newer belongs to a run that was rolled back."""
        older = [step for step in self.steps() if step <= newest]
        newer = [step for step in self.steps() if step > newest]
        for step in (*older[:-_KEPT], *newer):
            if step > newest or not self._keep_every or step % self._keep_every:
                self._file(step).unlink(missing_ok=True)
        for leftover in self.path.glob(".step-*.partial"):
            leftover.unlink(missing_ok=True)
