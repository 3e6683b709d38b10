"""What a report is about."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from efficientnet_tf.config import TrainConfig
from efficientnet_tf.training.report.answers import Answers
from efficientnet_tf.training.report.gallery import Exhibit
from efficientnet_tf.training.report.history import History


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """A run, and what is known of it.

    Attributes:
        path: its folder, as commands should name it.
        config: resolved: what really ran.
        history: the figures of its epochs; may be empty.
        metrics: of the network that is kept, as in `metrics.json`.
        answers: of that network, on the photographs that it was measured on.
        image_size: height and width of the network's input in pixels.
        exhibits: photographs to show: mistakes, or the least certain answers where there are none.
        training_examples: photographs of each class that were trained on, if they were counted.
        skipped: files that could not be used, each with the reason.
        seconds: how long training took, if that is known.
        machine: what it ran on, in words: `{"Python": "3.12.1", ...}`.
    """

    path: Path
    config: TrainConfig
    history: History
    metrics: Mapping[str, Any]
    answers: Answers
    image_size: tuple[int, int] = (0, 0)
    exhibits: Sequence[Exhibit] = ()
    training_examples: Sequence[int] | None = None
    skipped: Sequence[tuple[str, str]] = ()
    seconds: float | None = None
    machine: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def mistakes(self) -> int:
        """How many of the answers are wrong."""
        return int((~self.answers.right).sum())

    @property
    def recognised(self) -> int:
        """How many of the answers are right."""
        return len(self.answers) - self.mistakes

    @property
    def planned_epochs(self) -> int | None:
        """How many epochs the run was meant to have; None where its length was given in steps."""
        return self.config.epochs

    @property
    def ended_by_patience(self) -> bool:
        """Whether training ended because no epoch was better than the one that is kept."""
        best, patience = self.history.best, self.config.patience
        return best is not None and patience is not None and len(self.history) - 1 - best >= patience

    @property
    def was_cut_short(self) -> bool:
        """Whether epochs are missing that nothing in the figures explains."""
        missing = self.planned_epochs is not None and 0 < len(self.history) < self.planned_epochs
        return missing and not self.ended_by_patience
