"""Reports to look at: runs with known figures, and a reader of their pages."""

from __future__ import annotations

import html.parser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.config import TrainConfig
from efficientnet_tf.evaluation import evaluate_probabilities
from efficientnet_tf.markup import VOID
from efficientnet_tf.run import Run
from efficientnet_tf.specs import Preprocessing
from efficientnet_tf.training.report import write_report
from efficientnet_tf.training.report.answers import Answers

Array = np.ndarray[Any, Any]

LABELS = ("ant", "bee", "cat", "dog")
EPOCHS = [
    {"epoch": 0, "learning_rate": 0.003, "loss": 1.5, "top1": 0.4, "val_loss": 1.2, "val_top1": 0.5},
    {"epoch": 1, "learning_rate": 0.0001, "loss": 0.9, "top1": 0.7, "val_loss": 0.8, "val_top1": 0.75},
    {"epoch": 2, "learning_rate": 0.00001, "loss": 0.8, "top1": 0.9, "val_loss": 0.85, "val_top1": 0.8},
]


class Page(html.parser.HTMLParser):
    """A document, read back: every element has an end, and what a reader sees can be asked for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.words).replace("\u202f", " ").split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and "tr" in self.open:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)
            if {"td", "th"} & set(self.open):
                self.rows[-1][-1] += data.replace("\u00a0", " ")

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def row(self, first: str) -> list[str]:
        """Return the last table row that begins with a word."""
        return [row for row in self.rows if row and row[0] == first][-1]


def drawn_answers(examples: int, classes: int, seed: int = 0) -> tuple[Array, Array]:
    """Return probabilities that are right more often than not, and the right classes."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, classes, examples)
    logits = generator.normal(0, 1.5, (examples, classes))
    logits[np.arange(examples), targets] += 2
    exact = np.exp(logits)
    return (exact / exact.sum(-1, keepdims=True)).astype(np.float32), targets


def picture(row: int, side: int = 32) -> Array:
    """Return a picture of noise, which is as large as a JPEG gets."""
    return np.random.default_rng(row).integers(0, 256, (side, side, 3), dtype=np.uint8)


def resolved(**changes: Any) -> TrainConfig:
    return TrainConfig(**{"variant": "b0", "data": "photos", "epochs": 3, "head_epochs": 1, **changes}).resolve()


def report(folder: Path, **changes: Any) -> Path:
    """Write a report of drawn answers, with some arguments otherwise."""
    labels: Sequence[str] = changes.pop("labels", LABELS)
    probabilities, targets = changes.pop("answers", None) or drawn_answers(60, len(labels))
    run = Run(folder / "run")
    run.describe(labels, Preprocessing((32, 32)))
    arguments: dict[str, Any] = {
        "config": resolved(),
        "history": EPOCHS,
        "metrics": evaluate_probabilities(probabilities, targets, labels),
        "probabilities": probabilities,
        "targets": targets,
        "files": [f"photos/{labels[target]}/{row}.jpg" for row, target in enumerate(targets)],
        "pictures": picture,
        "model": None,
    }
    return write_report(run, **{**arguments, **changes})


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def answered(targets: Array, predicted: Array, confidence: Array) -> Answers:
    """Return answers to the classes of LABELS, with the rest of each probability spread evenly."""
    answers = np.eye(len(LABELS))[predicted]
    shares = confidence[:, None]
    return Answers(answers * shares + (1 - answers) * (1 - shares) / (len(LABELS) - 1), targets, LABELS)


def interface(form: str = "tflite", quantize: str = "none", **changed: Any) -> dict[str, Any]:
    """Return what an artifact takes and answers, as its row of report.json tells it."""
    pictures, batch = "uint8" if quantize == "int8" else "float32", 1 if form == "tflite" else None
    return {"outputs": ["probabilities"], "batch": batch, "pictures": pictures, **changed}
