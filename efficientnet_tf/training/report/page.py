"""The report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from efficientnet_tf.config import TrainConfig
from efficientnet_tf.files import atomic_write_text
from efficientnet_tf.markup import Html, document, element, percent
from efficientnet_tf.run import Run
from efficientnet_tf.training.report.answers import Answers
from efficientnet_tf.training.report.closing import (
    configuration_section,
    machine_section,
    next_section,
    skipped_section,
)
from efficientnet_tf.training.report.gallery import exhibits
from efficientnet_tf.training.report.headline import headline
from efficientnet_tf.training.report.history import History
from efficientnet_tf.training.report.sections import (
    calibration_section,
    classes_section,
    confusions_section,
    curves_section,
    mistakes_section,
)
from efficientnet_tf.training.report.subject import Subject

Array = np.ndarray[Any, Any]

REPORT = "report.html"
HERE = Path(__file__).parent

#: What a link to a section is called, and what makes it; None where a run has nothing to show.
SECTIONS: dict[str, Callable[[Subject], Html | None]] = {
    "Next": next_section,
    "Curves": curves_section,
    "Photographs": mistakes_section,
    "Confusions": confusions_section,
    "Classes": classes_section,
    "Calibration": calibration_section,
    "Settings": configuration_section,
    "Machine": machine_section,
    "Skipped": skipped_section,
}


def write_report(
    run: Run,
    *,
    config: TrainConfig,
    history: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    probabilities: Array,
    targets: Array,
    files: Sequence[str] | None,
    pictures: Callable[[int], Array],
    model: keras.Model | None,
    training_examples: Sequence[int] | None = None,
    skipped: Sequence[tuple[str, str]] = (),
    seconds: float | None = None,
) -> Path:
    """Write a run's `report.html`: one file, with its pictures, that needs no network.

    Args:
        run: begun: its labels and its preprocessing are there.
        config: resolved.
        history: rows of `metrics.csv`, see `read_history`; columns may be missing.
        metrics: of the network that is kept, as in `metrics.json`.
        probabilities: its answers on the photographs that it was measured on, [N, classes].
        targets: their classes, [N].
        files: where they are, [N], or None.
        pictures: from a row of them to the photograph as the network saw it, uint8 [height, width, 3]; asked for the
            rows that `Shortlist` keeps.
        model: the network that is kept, for class activation maps; None for none.
        training_examples: photographs of each class that were trained on, [classes], or None.
        skipped: files that could not be used, each with the reason.
        seconds: how long training took, or None.

    Returns:
        The file. What stood there before stays until it is complete.

    Raises:
        UsageError: probabilities, targets and labels that do not belong together.
        OSError: it cannot be written.
    """
    answers = Answers(np.asarray(probabilities), np.asarray(targets), run.labels)
    subject = Subject(
        path=run.path,
        config=config,
        history=History.from_rows(history),
        metrics=metrics,
        answers=answers,
        image_size=run.preprocessing.image_size,
        exhibits=exhibits(answers, files, pictures, model),
        training_examples=None if training_examples is None else [int(number) for number in training_examples],
        skipped=skipped,
        seconds=seconds,
        machine=_machine(),
    )
    return atomic_write_text(run.path / REPORT, page(subject))


def page(subject: Subject) -> str:
    """Return the whole document."""
    script, style = ((HERE / name).read_text(encoding="utf-8") for name in ("report.js", "report.css"))
    share = percent(subject.recognised / len(subject.answers))
    made = {name: made for name, make in SECTIONS.items() if (made := make(subject)) is not None}
    links = element("nav", *(element("a", name, href=f"#{name.lower()}") for name in made))
    title = f"{subject.path.name}: {share}"
    return document(title, headline(subject), links, *made.values(), style=style, script=script)


def _machine() -> dict[str, str]:
    """Return what this process runs on, in words."""
    devices = [
        tf.config.experimental.get_device_details(device).get("device_name", device.device_type)
        for device in tf.config.list_physical_devices()
        if device.device_type in ("GPU", "TPU")
    ]
    return {
        "Device": ", ".join(devices) or f"processor, {os.cpu_count()} cores",
        "efficientnet_tf": importlib.metadata.version("efficientnet_tf"),
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "Python": platform.python_version(),
        "System": f"{platform.system()} {platform.machine()}",
        "Written": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    }
