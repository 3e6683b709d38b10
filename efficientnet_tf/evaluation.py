"""How good answers are: accuracy, loss, and whether probabilities mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from efficientnet_tf.errors import UsageError

Array = np.ndarray[Any, Any]

#: Equally wide bins of confidence (Guo et al., 2017, "On Calibration of Modern Neural Networks").
CALIBRATION_BINS = 15


def evaluate_probabilities(probabilities: Array, targets: Array, labels: Sequence[str]) -> dict[str, Any]:
    """Return the figures of metrics.json.

    Args:
        probabilities: [N, classes], each row a distribution.
        targets: [N], the right class of each.
        labels: names of the classes.

    Returns:
        `examples`; `top1` and `top5`, shares in 0...1 (top5 is None with five classes or fewer); `loss`,
        the mean cross-entropy in nats; `ece`, the expected calibration error in 0...1; `per_class`, for
        every class its `examples` and `top1`.

    Raises:
        UsageError: no examples, or arrays that do not belong together.

    >>> figures = evaluate_probabilities(np.array([[0.8, 0.2], [0.6, 0.4]]), np.array([0, 1]), ["cat", "dog"])
    >>> figures["top1"], figures["per_class"]["dog"]
    (0.5, {'examples': 1, 'top1': 0.0})
    """
    classes = len(labels)
    if not len(targets) or probabilities.shape != (len(targets), classes):
        raise UsageError(
            f"Expected probabilities for {len(targets)} examples and {classes} classes, "
            f"got shape {probabilities.shape}."
        )
    exact = probabilities.astype(np.float64)
    own = exact[np.arange(len(targets)), targets]
    right = exact.argmax(-1) == targets
    return {
        "examples": len(targets),
        "top1": float(right.mean()),
        # Ties count against the network: only what is strictly better pushes the right class down.
        "top5": float(((exact > own[:, None]).sum(-1) < 5).mean()) if classes > 5 else None,
        "loss": float(-np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean()),
        "ece": _calibration_error(exact.max(-1), right),
        "per_class": {
            label: {
                "examples": int((targets == index).sum()),
                "top1": float(right[targets == index].mean()) if (targets == index).any() else None,
            }
            for index, label in enumerate(labels)
        },
    }


def _calibration_error(confidence: Array, right: Array) -> float:
    """Return the mean gap between confidence and accuracy over bins, weighted by their examples."""
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    error = 0.0
    for index in np.unique(bins):
        members = bins == index
        error += members.mean() * abs(confidence[members].mean() - right[members].mean())
    return float(error)
