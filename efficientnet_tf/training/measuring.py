"""The figures of a run's best network, and its report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from efficientnet_tf.config import TrainConfig
from efficientnet_tf.data.damage import named_errors
from efficientnet_tf.data.sources import Examples
from efficientnet_tf.evaluation import evaluate_probabilities
from efficientnet_tf.evaluation.photographs import ask, call_size
from efficientnet_tf.run import Run
from efficientnet_tf.training import feeding
from efficientnet_tf.training.report import Shortlist, read_history, write_report

Array = np.ndarray[Any, Any]


def measure(
    run: Run,
    config: TrainConfig,
    data: feeding.Data,
    *,
    skipped: Sequence[tuple[str, str]],
    seconds: float,
    report: bool = True,
) -> dict[str, Any]:
    """Measure a run's best network, and write `metrics.json` and perhaps `report.html`; return the figures.

    Args:
        run: which has a best network.
        config: resolved.
        data: whose `measured` photographs count.
        skipped: files that could not be used, each with the reason.
        seconds: how long training took.
        report: whether to write it.
    """
    model = run.load_model()
    shortlist, probabilities, targets = _answers(model, config, data)
    metrics = evaluate_probabilities(probabilities, targets, data.labels)
    run.finish(metrics)
    if not report:
        return metrics
    try:
        write_report(
            run,
            config=config,
            history=read_history(run.history_file),
            metrics=metrics,
            probabilities=probabilities,
            targets=targets,
            # Of records, a damaged one would shift the rows.
            files=data.measured.paths if isinstance(data.measured, Examples) else None,
            pictures=shortlist.picture,
            model=model,
            training_examples=_per_class(data),
            skipped=skipped,
            seconds=seconds,
        )
    except OSError as error:  # which must not cost the run
        print(f"The report could not be written: {error.strerror}.", file=sys.stderr)
    return metrics


def _answers(model: keras.Model, config: TrainConfig, data: feeding.Data) -> tuple[Shortlist, Array, Array]:
    """Return the pictures that a report may show, the probabilities of all, and their classes."""
    # As `efficientnet-evaluate` does, so that both come to the same figures whatever the batch size of training.
    size = call_size()
    dataset = feeding.batches(data.measured, config, data, batch_size=size, training=False)
    shortlist, probabilities, targets = Shortlist(), [], []
    with named_errors(dataset):
        for images, labels in dataset:
            answers, own = ask(model.predict_on_batch, images.numpy(), size), labels.numpy().argmax(-1)
            shortlist.add(images.numpy(), answers, own)
            probabilities.append(answers)
            targets.append(own)
    return shortlist, np.concatenate(probabilities), np.concatenate(targets)


def _per_class(data: feeding.Data) -> list[int] | None:
    """Return how many photographs of each class were trained on, where that is known."""
    if not isinstance(data.train, Examples):
        return None
    return np.bincount(data.train.labels, minlength=len(data.labels)).tolist()
