"""What a report is made of: counts, axes, the figures of epochs, and the hints that follow from them."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reports import Page, answered, drawn_answers, read, report, resolved

from efficientnet_tf.config import EvaluateConfig, ExportConfig, PredictConfig, TrainConfig
from efficientnet_tf.evaluation import evaluate_probabilities
from efficientnet_tf.training.report import read_history
from efficientnet_tf.training.report.answers import Answers
from efficientnet_tf.training.report.axes import axis_for
from efficientnet_tf.training.report.hints import hints
from efficientnet_tf.training.report.history import History
from efficientnet_tf.training.report.subject import Subject


def test_bins_give_the_calibration_error_of_the_metrics():
    probabilities, targets = drawn_answers(500, 7)
    bins = Answers(probabilities, targets, "abcdefg").reliability()
    error = sum(each.examples * abs(each.confidence - each.accuracy) for each in bins) / 500
    assert error == pytest.approx(evaluate_probabilities(probabilities, targets, "abcdefg")["ece"], abs=1e-12)
    assert sum(each.examples for each in bins) == 500


def test_pairs_stand_in_their_order():
    probabilities = np.eye(3)[[1, 1, 1, 0, 0, 0, 2, 0]]
    answers = Answers(probabilities, np.array([0, 0, 0, 0, 1, 2, 2, 1]), ["ant", "bee", "cat"])
    expected = [("ant", "bee", 3, 4), ("bee", "ant", 2, 2), ("cat", "ant", 1, 2)]
    assert answers.confused_pairs() == expected
    assert [each.mistaken_for for each in answers.per_class] == ["bee", "ant", "ant"]


def test_history_of_a_file(tmp_path):
    assert read_history(tmp_path / "metrics.csv") == []
    (tmp_path / "metrics.csv").write_text("epoch,loss,val_loss\n0,2,3\n1,1,2.5\n1,1.5,2.25\n", encoding="utf-8")
    history = History.from_rows(read_history(tmp_path / "metrics.csv"))
    # An epoch that was begun again counts once.
    assert history.epochs == (1, 2)
    assert history.values("loss") == (2.0, 1.5)
    assert (history.best, history.at_best("val_loss"), history.values("top1")) == (1, 2.25, None)


@pytest.mark.parametrize(
    "values", [[0.5], [0.0], [-2.0, -1.0], [-3.0, 2.0], [1e-9, 2e-9], [7.0, 0.05, 0.04, 0.03], [3.0, 3.0], [1e6, 5]]
)
def test_every_value_has_its_place(values):
    axis = axis_for(values)
    assert len(axis.ticks) >= 2
    assert axis.ticks[0] <= min(values) or axis.logarithmic
    assert max(values) <= axis.high + 1e-9 * abs(axis.high)
    places = [axis.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)
    assert all(0 <= axis.place(tick) <= 1 for tick in axis.ticks)


def subject(**changes: Any) -> Subject:
    """Return a run with nothing that calls for a hint, but for the changes."""
    rows = changes.pop("rows", epochs(loss=[0.3] * 3, top1=[0.95] * 3, val_loss=[0.3] * 3))
    numbers = np.arange(400)
    targets, wrong = numbers % 4, numbers < 40
    # One in ten is wrong, each class in two ways.
    predicted = np.where(wrong, (targets + 1 + numbers // 4 % 2) % 4, targets)
    given: dict[str, Any] = {
        "path": Path("runs/a b"),
        "config": resolved(),
        "history": History.from_rows(rows),
        "metrics": {},
        "answers": answered(targets, predicted, np.where(wrong, 0.6, 0.95)),
        **changes,
    }
    return Subject(**given)


def epochs(**columns: Sequence[float]) -> list[dict[str, float]]:
    length = len(next(iter(columns.values())))
    return [{"epoch": n, **{name: values[n] for name, values in columns.items()}} for n in range(length)]


def confident(wrong: float, right: float, times: int) -> Answers:
    """Return 400 answers to four classes, `times` of them `ant` taken for `bee`, with a confidence for each kind."""
    targets = np.arange(400) % 4
    predicted = targets.copy()
    predicted[np.flatnonzero(targets == 0)[:times]] = 1
    shares = np.where(predicted == targets, right, wrong)
    return answered(targets, predicted, shares)


CONFIG = "efficientnet-train '--config=runs/a b/config.json'"
HINTS: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "still improving": (
        {"rows": epochs(val_loss=[1.0, 0.9, 0.8])},
        "The last epoch was the best, and the validation loss fell by 20\u00a0% in the last two. Train for longer.",
        f"{CONFIG} --epochs=6",
    ),
    "still improving in steps": (
        {"rows": epochs(val_loss=[1.0, 0.9, 0.8]), "config": resolved(epochs=None, steps=50, head_epochs=None)},
        "Train for longer.",
        f"{CONFIG} --steps=100",
    ),
    "by heart": (
        {"rows": epochs(loss=[0.5, 0.3, 0.1], val_loss=[0.6, 0.5, 0.9])},
        "From epoch 2 on the validation loss rose from 0.5 to 0.9, while the training loss went on falling.",
        f"{CONFIG} --augment=autoaugment+mixup:0.2",
    ),
    "ahead": (
        {
            "rows": epochs(top1=[0.5, 0.9], val_top1=[0.5, 0.7], val_loss=[0.6, 0.55]),
            "config": resolved(epochs=2, augment="none"),
        },
        "It recognises 90.0\u00a0% of the photographs that it was trained on, and 70.0\u00a0% of new ones.",
        f"{CONFIG} --augment=autoaugment",
    ),
    "not learnt": (
        {"rows": epochs(top1=[0.5, 0.6, 0.61], val_top1=[0.5, 0.6, 0.6])},
        "Even of the photographs that it was trained on it recognises only 61.0\u00a0%.",
        f"{CONFIG} --learning_rate=0.0003",
    ),
    "cut short": (
        {"rows": epochs(loss=[0.5, 0.4]), "config": resolved(epochs=9)},
        "It had 2 epochs of 9. It can be continued.",
        f"{CONFIG} '--model_dir=runs/a b'",
    ),
    "few photographs": (
        {"training_examples": [100, 19, 60, 100]},
        "Trained on: <bdi>bee</bdi> (19). More photographs of these help more than any setting.",
        f"{CONFIG} --class_weights=balanced",
    ),
    "from nothing": (
        {"training_examples": [100] * 4, "config": resolved(weights="none", head_epochs=0)},
        "It began with random weights and 400 photographs.",
        f"{CONFIG} --weights=imagenet --recipe=finetune",
    ),
    "never recognised": (
        {"answers": confident(0.6, 0.95, 100)},
        "None of their photographs was recognised: <bdi>ant</bdi> (taken for <bdi>bee</bdi>).",
        None,
    ),
    "one pair": (
        {"answers": confident(0.6, 0.95, 5)},
        "5 of 5 mistakes: <bdi>ant</bdi> taken for <bdi>bee</bdi>.",
        None,
    ),
    "sure and wrong": (
        {"answers": confident(0.95, 0.97, 2)},
        "2 wrong answers had a probability above 90\u00a0%.",
        None,
    ),
    "too modest": (
        {"answers": confident(0.5, 0.6, 2)},
        "On average it gives its answers 59.9\u00a0%, and 99.5\u00a0% of them are right.",
        f"{CONFIG} --label_smoothing=0",
    ),
    "too sure": (
        {"answers": confident(0.85, 0.99, 80), "config": resolved(label_smoothing=0.0)},
        "On average it gives its answers 96.2\u00a0%, and 80.0\u00a0% of them are right.",
        f"{CONFIG} --label_smoothing=0.1",
    ),
    "no mistakes": (
        {"answers": confident(0.6, 0.99, 0)},
        "Every photograph was recognised.",
        "efficientnet-predict '--model_dir=runs/a b' FOLDER",
    ),
}


@pytest.mark.parametrize("name", HINTS)
def test_hints_follow_from_the_figures(name):
    changes, words, command = HINTS[name]
    found = [hint for hint in hints(subject(**changes)) if words in hint.why]
    assert [hint.command for hint in found] == [command]
    assert not any(words in hint.why for hint in hints(subject()))


def test_no_hint_without_reason():
    assert hints(subject()) == []


def test_few_validated_photographs_are_told(tmp_path):
    page = read(report(tmp_path))
    assert "Few photographs were held out With 60 photographs all that is known is" in page.text


def commands(page: Page) -> list[list[str]]:
    return [shlex.split(line) for line in re.findall(r"efficientnet-\w+(?: (?:--\S+|[A-Z]+))*", page.text)]


def test_commands_have_flags_that_exist(tmp_path):
    options: Mapping[str, Any] = {
        "efficientnet-train": TrainConfig,
        "efficientnet-export": ExportConfig,
        "efficientnet-predict": PredictConfig,
        "efficientnet-evaluate": EvaluateConfig,
    }
    shown = commands(read(report(tmp_path, history=epochs(loss=[3, 2], val_loss=[3, 4]))))
    shown += [shlex.split(command) for _, _, command in HINTS.values() if command]
    assert {command[0] for command in shown} == set(options)
    for name, *words in shown:
        fields = {field.name for field in dataclasses.fields(options[name])} | {"config"}
        given = [word[2:].partition("=")[0] for word in words if word.startswith("--")]
        assert set(given) <= fields, (name, words)
