"""The folder of a search: what it asks, a row for each trial, and what is being trained."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from efficientnet_tf.benchmarking.tables import write_csv
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.run import write_json
from efficientnet_tf.search.candidates import DONE, FAILED, PRUNED, Outcome

QUESTION, TRIALS, RUNS, BEST = "search.json", "trials.csv", "runs", "best.json"
_WORDS = 4


class SearchFolder:
    """A folder that one search writes, and goes on with when it was interrupted.

    What was trained is known by its key, so that nothing is trained twice.

    Args:
        path: the folder; it is made.
        question: what the search asks, as JSON values; another question needs another folder.

    Raises:
        UsageError: the folder holds another search, or other files.
        EfficientNetError: its tables are damaged.
    """

    def __init__(self, path: str | Path, question: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self._rows: dict[int, dict[str, Any]] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._is_new = False
        asked = json.loads(json.dumps(question))
        if (self.path / QUESTION).exists():
            _compare(self.path, asked)
            self._outcomes = _read_outcomes(self.path / TRIALS)
        elif self.path.exists() and (not self.path.is_dir() or _holds_files(self.path)):
            raise UsageError(f"{self.path} is not an empty folder and holds no search. Give a new --study_dir.")
        else:
            write_json(self.path / QUESTION, asked)
            self._is_new = True

    def abandon(self) -> None:
        """Leave nothing behind of a search that was not one: it is new, and nothing came of it."""
        if self._is_new and not self._outcomes:
            for path in self.path.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()

    @property
    def runs(self) -> Path:
        """The folder of the trainings."""
        return self.path / RUNS

    @property
    def known(self) -> int:
        """How many outcomes an earlier start left."""
        return len(self._outcomes)

    def outcome(self, key: str) -> Outcome | None:
        """Return what came of a training, or None if it is not over."""
        return self._outcomes.get(key)

    def add(self, rows: Sequence[tuple[Mapping[str, Any], Outcome]]) -> None:
        """Keep rows, in the order of the trials' numbers."""
        for row, outcome in rows:
            self._rows[int(row["trial"])] = dict(row)
            self._outcomes[str(row["key"])] = outcome
        self._write()

    def _write(self) -> None:
        # Rows of an earlier start that this one has not come to yet are kept, since a kill must not lose them.
        rows = [self._rows[number] for number in sorted(self._rows)]
        written = {row["key"] for row in rows}
        rest = [{"key": key, **vars(kept)} for key, kept in self._outcomes.items() if key not in written]
        write_csv(self.path / TRIALS, [*rows, *rest])

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of this start, by number."""
        return [self._rows[number] for number in sorted(self._rows)]


def _holds_files(folder: Path) -> bool:
    """Return whether there is more in a folder than what a killed start had not finished writing."""
    return any(not (path.name.startswith(".") and path.name.endswith(".partial")) for path in folder.iterdir())


def _compare(path: Path, asked: Mapping[str, Any]) -> None:
    try:
        before = json.loads((path / QUESTION).read_text(encoding="utf-8"))
        names = dict.fromkeys([*before.keys(), *asked])
    except (OSError, ValueError, AttributeError) as error:
        raise EfficientNetError(f"{path / QUESTION} cannot be read: {error}") from None
    told = [
        f"its {name} is {_shown(before.get(name))}, not {_shown(asked.get(name))}"
        for name in names
        if before.get(name) != asked.get(name)
    ]
    if told:
        more = [f"{len(told) - _WORDS} more differ"] if len(told) > _WORDS else []
        raise UsageError(f"{path} holds another search: {', '.join([*told[:_WORDS], *more])}. Give a new --study_dir.")


def _shown(value: Any) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _read_outcomes(path: Path) -> dict[str, Outcome]:
    """Return the outcomes of a table, by key."""
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            # What failed is tried again: the disk may have been full.
            return {row["key"]: _outcome(row) for row in csv.DictReader(file) if row["state"] != FAILED}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise EfficientNetError(
            f"{path} is damaged ({error}); remove it, and finished trainings are read anew."
        ) from None


def _outcome(row: Mapping[str, str]) -> Outcome:
    if row["state"] not in (DONE, PRUNED):
        raise ValueError(f"state {row['state']!r}")
    return Outcome(row["state"], float(row["accuracy"]), float(row["seconds"] or 0.0), row["reason"])


def free_folder(paths: Sequence[Path], question: Mapping[str, Any]) -> Path:
    """Return the first folder that is free, or that holds the same question."""
    asked = json.loads(json.dumps(question))
    for path in paths:
        if not path.exists():
            return path
        try:
            _compare(path, asked)
        except EfficientNetError:
            continue
        return path
    raise UsageError(f"{paths[0]} to {paths[-1].name} all hold other searches. Give a new --study_dir.")
