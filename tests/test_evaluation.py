"""Figures of merit against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from efficientnet_tf.errors import UsageError
from efficientnet_tf.evaluation import evaluate_probabilities


def test_figures_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])
    figures = evaluate_probabilities(probabilities, np.array([0, 2, 0, 2]), ["a", "b", "c"])
    assert (figures["examples"], figures["top1"], figures["top5"]) == (4, 0.75, None)
    assert figures["loss"] == pytest.approx(-np.log([0.7, 0.3, 0.5, 0.8]).mean(), abs=1e-12)
    # Four bins of one example each: gaps 0.3, 0.6, 0.5 and 0.2.
    assert figures["ece"] == pytest.approx((0.3 + 0.6 + 0.5 + 0.2) / 4, abs=1e-12)
    assert figures["per_class"] == {
        "a": {"examples": 2, "top1": 1.0},
        "b": {"examples": 0, "top1": None},
        "c": {"examples": 2, "top1": 0.5},
    }


def test_calibration_groups_equal_confidence():
    probabilities = np.tile([0.75, 0.25], (4, 1))
    figures = evaluate_probabilities(probabilities, np.array([0, 0, 0, 1]), ["a", "b"])
    assert figures["ece"] == pytest.approx(0.0, abs=1e-12)


def test_top5():
    probabilities = np.array([[0.3, 0.2, 0.15, 0.14, 0.11, 0.1], [0.3, 0.2, 0.15, 0.14, 0.11, 0.1]])
    assert evaluate_probabilities(probabilities, np.array([4, 5]), list("abcdef"))["top5"] == 0.5


def test_arrays_that_do_not_belong_together():
    with pytest.raises(
        UsageError, match=r"^Expected probabilities for 2 examples and 2 classes, got shape \(2, 3\)\.$"
    ):
        evaluate_probabilities(np.ones((2, 3)), np.array([0, 1]), ["a", "b"])
    with pytest.raises(
        UsageError, match=r"^Expected probabilities for 0 examples and 2 classes, got shape \(0, 2\)\.$"
    ):
        evaluate_probabilities(np.ones((0, 2)), np.array([], int), ["a", "b"])
