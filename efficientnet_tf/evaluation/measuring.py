"""A network on photographs, from a configuration to its figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.config import EvaluateConfig
from efficientnet_tf.data.sources import Examples, Records
from efficientnet_tf.data.sources.checked import MAX_BAD_FILES, watched
from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.evaluation.classes import match_classes
from efficientnet_tf.evaluation.figures import Scores, figures_of
from efficientnet_tf.evaluation.photographs import Batch, Reader, ask, call_size, photographs_of, regroup, run_beside
from efficientnet_tf.evaluation.report import prepare_file, write_predictions
from efficientnet_tf.evaluation.views import Look, looks
from efficientnet_tf.prediction import Predictor, open_predictor
from efficientnet_tf.run import Run, open_run

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a network answered, one entry for each photograph that could be used, in the order of their source.

    Attributes:
        files: the file of each, or the file and number of its record, as `file#17`.
        scores: right and predicted classes, and the probabilities that count.
        skipped: files and records that could not be used, each with the reason.
    """

    files: tuple[str, ...]
    scores: Scores
    skipped: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        network: what the network is called.
        data: the source of the photographs.
        split: which of them.
        views: how many views of each photograph were averaged.
        labels: names of the network's classes.
        answers: to each photograph.
        figures: as `figures_of` returns them.
    """

    network: str
    data: str
    split: str
    views: int
    labels: tuple[str, ...]
    answers: Answers
    figures: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the figures with what they are of, as plain JSON values."""
        skipped = [{"file": file, "reason": reason} for file, reason in self.answers.skipped]
        about = {"network": self.network, "data": self.data, "split": self.split, "views": self.views}
        return {**self.figures, **about, "skipped": skipped}

    def predictions(self) -> list[dict[str, Any]]:
        """Return the file of each photograph, its label, the label predicted, and that one's probability."""
        scores = self.answers.scores
        columns = (self.answers.files, scores.targets, scores.predicted, scores.confidence)
        return [
            {
                "file": file,
                "label": self.labels[target],
                "predicted": self.labels[predicted],
                "probability": float(confidence),
            }
            for file, target, predicted, confidence in zip(*columns, strict=True)
        ]


def evaluate(config: EvaluateConfig) -> Evaluation:
    """Evaluate a network on photographs, each of which counts once.

    All calls of the network are of one size, which depends on the kind of machine alone, and sums are taken in float64
    in the order of the photographs: on one machine the figures of the same weights are the same to the last bit,
    whatever `batch_size` is, and whatever batch or strategy they were trained with.

    Args:
        config: the network, the photographs, and the views that are averaged.

    Raises:
        UsageError: a network or a source that does not exist, or classes of the data that the network does not know.
        EfficientNetError: nothing to evaluate on, or a network that cannot be used.
    """
    run = _run_of(config)
    network = config.network()
    if run is not None and config.artifact is None:
        network = dataclasses.replace(network, model_dir=str(run.path))
    with open_predictor(network) as predictor:
        seen = looks(predictor.record, crops=config.crops, tta=config.tta)
        photographs = photographs_of(config, run)
        match_classes(photographs.source.class_names, predictor.labels, predictor.name)
        if config.output is not None:
            prepare_file(config.output)
        answers = answer(
            predictor,
            photographs.source,
            seen,
            batch_size=config.batch_size,
            max_bad_files=photographs.max_bad_files,
        )
    result = Evaluation(
        network=predictor.name,
        data=photographs.name,
        split=config.split,
        views=sum(len(look.cuts) for look in seen),
        labels=tuple(predictor.labels),
        answers=answers,
        figures=figures_of(answers.scores, predictor.labels),
    )
    if config.output is not None:
        write_predictions(config.output, result.to_json(), result.predictions())
    return result


def answer(
    predictor: Predictor,
    source: Examples | Records,
    seen: Sequence[Look],
    *,
    batch_size: int = 64,
    max_bad_files: float = MAX_BAD_FILES,
) -> Answers:
    """Return what a network answers to every photograph of a source; how far it is is shown on standard error.

    Args:
        predictor: the network.
        source: the photographs; their classes are matched with the network's by name.
        seen: how each is looked at, from `looks`; the probabilities are averaged.
        batch_size: how many are read at a time, without effect on the answers.
        max_bad_files: the share of damaged records, of 1, above which reading stops.

    Raises:
        UsageError: a class that the network does not know.
        EfficientNetError: damaged data, or answers that are no probabilities of the network's classes.
    """
    outputs = np.array(match_classes(source.class_names, predictor.labels, predictor.name))
    reader = Reader(source, seen, batch_size=batch_size, max_bad_files=max_bad_files)
    numbers: list[int] = []

    def scores() -> Iterator[Scores]:
        size = call_size()
        for batch in regroup(reader, size):
            probabilities = averaged(predictor, batch, seen, size)
            numbers.extend(batch.numbers.tolist())
            yield Scores.of(probabilities, outputs[batch.targets])

    joined = Scores.join(list(watched(scores(), len(source), "Evaluating")))
    where = source.paths.__getitem__ if isinstance(source, Examples) else source.describe
    return Answers(tuple(map(where, numbers)), joined, reader.skipped)


def averaged(predictor: Predictor, batch: Batch, seen: Sequence[Look], size: int) -> Array:
    """Return the mean of a network's probabilities over all views, float64 [N, classes].

    Args:
        predictor: the network.
        batch: at most `size` photographs.
        seen: how they were decoded, and the views of each.
        size: how many pictures the network is given at a time.

    Raises:
        EfficientNetError: it has not as many outputs as labels, or gives what is not a number.
    """
    views = [cut(pictures) for pictures, look in zip(batch.pictures, seen, strict=True) for cut in look.cuts]
    total = np.zeros((len(batch), len(predictor.labels)))
    for view in views:
        rows = ask(predictor.probabilities, view, size)
        if rows.shape[-1] != len(predictor.labels):
            raise EfficientNetError(
                f"{predictor.name} has {rows.shape[-1]} outputs, and labels.txt names {len(predictor.labels)} classes."
            )
        if not np.isfinite(rows).all():
            raise EfficientNetError(f"{predictor.name} gives probabilities that are not numbers.")
        total += rows
    return total / len(views)


def _run_of(config: EvaluateConfig) -> Run | None:
    """Return the run that the network comes from, if it does."""
    if config.artifact is not None:
        return run_beside(Path(config.artifact))
    return open_run(config.model_dir) if config.variant is None else None
