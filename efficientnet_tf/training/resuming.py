"""Which run a training goes on with, and whether it may."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from efficientnet_tf.config import TrainConfig, network_of, read_config
from efficientnet_tf.data.sources import Examples, Records
from efficientnet_tf.errors import UsageError
from efficientnet_tf.locking import locked
from efficientnet_tf.run import CONFIG, MODEL, Run, candidates
from efficientnet_tf.training.state import Checkpoint, CheckpointFolder

#: Settings that may be others when a run goes on: where it runs, how it is kept, and when it counts as diverged.
CHANGEABLE = frozenset(
    (
        *("model_dir", "preview", "resume", "checkpoint_steps", "keep_every", "profile", "on_nan", "loss_limit"),
        *("strategy", "tpu", "accumulation", "steps_per_execution", "bn_statistics", "jit", "recompute"),
        "max_bad_files",
    )
)

# Settings that a message names.
_DIFFERENCES = 4


@dataclasses.dataclass(frozen=True)
class Found:
    """What a training begins with.

    Attributes:
        run: its folder.
        checkpoint: the state to go on from; None to begin at the beginning.
        finished: whether there is nothing left to do.
        problems: what is wrong with newer checkpoints.
        config: the settings that the run began with; None for a new one.
    """

    run: Run
    checkpoint: Checkpoint | None = None
    finished: bool = False
    problems: tuple[str, ...] = ()
    config: TrainConfig | None = None

    @property
    def data(self) -> str | None:
        """The fingerprint of the data that the run began with, where there is a checkpoint."""
        return None if self.checkpoint is None else str(self.checkpoint.state["about"]["data"])


def find_run(config: TrainConfig, data_name: str, data: str | None = None) -> Found:
    """Return the run that a training writes: a new one, or one that was interrupted.

    With `model_dir`, it is the one in that folder. Without, it is `runs/VARIANT-DATA` or the first of `-2`, `-3`, ...
    that is free, or that is the same training interrupted.

    Args:
        config: resolved; `resume` says whether a run may, must not, or must be continued.
        data_name: what the data is called in the folder's name.
        data: its `fingerprint`; without `model_dir`, a run on other data is passed over.

    Raises:
        UsageError: the folder holds another run or other files, the run is in use, or there is none to continue.
    """
    if config.model_dir is not None:
        found = _in_folder(Path(config.model_dir), config)
    else:
        found = _first_of(config, candidates(network_of(config).name, data_name), data)
    if config.resume == "must" and found.config is None:
        where = config.model_dir or found.run.path.parent
        raise UsageError(f"--resume=must, and there is no interrupted run of these settings in {where}.")
    return found


def _in_folder(path: Path, config: TrainConfig) -> Found:
    if (path / CONFIG).exists():
        if config.resume == "never":
            raise UsageError(f"{path} holds another run. Give a new --model_dir, or --resume=auto to go on with it.")
        differences = _differences(path, config)
        if differences is not None:
            raise UsageError(
                f"{path} holds another run{differences}. Give a new --model_dir, or none to let one be chosen."
            )
        found = _existing(path)
        if isinstance(found, str):
            raise UsageError(found)
        return found
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} is not an empty folder. Give a new --model_dir, or none to let one be chosen.")
    return Found(Run(path))


def _first_of(config: TrainConfig, paths: Iterator[Path], data: str | None) -> Found:
    for path in paths:
        if not path.exists():
            return Found(Run(path))
        interrupted = (path / CONFIG).exists() and not Run(path).metrics_file.exists()
        if config.resume != "never" and interrupted and _differences(path, config) is None and not in_use(path):
            found = _existing(path)
            if isinstance(found, Found) and not (data and found.checkpoint and found.data != data):
                return found
    raise AssertionError("the candidates never end")


def _existing(path: Path) -> Found | str:
    """Return a run of the same settings, or why it cannot be continued."""
    run = Run(path)
    before = _config_of(path)
    if run.metrics_file.exists():
        return Found(run, finished=True, config=before)
    folder = CheckpointFolder(run.checkpoints)
    checkpoint, problems = folder.newest()
    if checkpoint is None and (problems or (path / MODEL).exists()):
        why = f" ({problems[0]})" if problems else ""
        return f"{path} holds an interrupted run without a checkpoint that can be read{why}. Give a new --model_dir."
    return Found(run, checkpoint, problems=tuple(problems), config=before)


def _config_of(path: Path) -> TrainConfig:
    return TrainConfig.from_json(read_config(path / CONFIG))


def _differences(path: Path, config: TrainConfig) -> str | None:
    """Return in which settings a run differs from those asked for, after a colon; None if in none that matters."""
    try:
        before = _config_of(path).to_json()
    except UsageError as error:
        return f": {error}".rstrip(".")
    if before["recipe"] is None:
        return ""  # not a configuration that a run has written
    asked = config.to_json()
    names = [name for name in asked if name not in CHANGEABLE and asked[name] != before[name]]
    told = [f"its {name} is {_shown(before[name])}, not {_shown(asked[name])}" for name in names[:_DIFFERENCES]]
    more = [f"{len(names) - len(told)} settings more are others"] if len(names) > len(told) else []
    return f": {', '.join([*told, *more])}" if told else None


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)


def in_use(path: Path) -> bool:
    """Return whether a training of another process writes to a run."""
    try:
        with held(Run(path)):
            return False
    except UsageError:
        return True


def held(run: Run) -> contextlib.AbstractContextManager[None]:
    """Lock a run's folder, so that no other training writes to it; see `locking.locked`."""
    return locked(run.path, f"Another training is writing to {run.path}. Give another --model_dir.")


def fingerprint(*sources: Examples | Records) -> str:
    """Return a short text that is another one if photographs, their classes or their order are others."""
    text = json.dumps([_contents(source) for source in sources])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _contents(source: Examples | Records) -> list[Any]:
    if isinstance(source, Records):
        parts: list[Any] = [[os.path.basename(part.file), part.skip, part.take] for part in source.parts]
    else:
        names = [os.path.join(*Path(path).parts[-2:]) for path in source.paths]
        parts = [names, list(map(int, source.labels))]
    return [list(source.class_names), parts]
