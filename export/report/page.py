"""The report of an export: one HTML file that needs nothing else."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from efficientnet_tf.exporting.photographs import Photographs
from efficientnet_tf.exporting.report.about import About
from efficientnet_tf.exporting.report.artifact import artifact_section
from efficientnet_tf.exporting.report.card import model_card
from efficientnet_tf.exporting.report.closing import checks_section, machine_section
from efficientnet_tf.exporting.report.overview import anchor, headline, overview_section
from efficientnet_tf.exporting.report.pictures import numbers_of, style_of
from efficientnet_tf.exporting.report.subject import Subject
from efficientnet_tf.files import atomic_write_text
from efficientnet_tf.markup import Html, document, element
from efficientnet_tf.specs import Preprocessing

REPORT, CARD = "report.html", "MODEL_CARD.md"
HERE = Path(__file__).parent

#: Packages whose versions say what an artifact was made and run with.
PACKAGES = {
    "efficientnet_tf": ("efficientnet_tf",),
    "TensorFlow": ("tensorflow", "tensorflow-cpu", "tensorflow-tpu"),
    "Keras": ("keras",),
    "LiteRT": ("ai-edge-litert",),
    "ONNX Runtime": ("onnxruntime",),
}


def write_report(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    photographs: Photographs,
    *,
    labels: Sequence[str],
    record: Preprocessing,
    about: About,
) -> None:
    """Write `report.html` and `MODEL_CARD.md`; what stood there before stays until each is complete.

    Args:
        folder: of the export.
        rows: of report.json, at least one, each with `format`, `quantize`, `file`, `bytes` and what `compare` returns.
            A row with `quantization`, {"logit_sqnr_db", "layers": [{"name", "sqnr_db"}], "choices"}, is shown with it.
        photographs: that they were compared on.
        labels: names of the classes, in the order of the outputs.
        record: how photographs become the input.
        about: the network.

    Raises:
        OSError: the folder cannot be written.
    """
    subject = Subject(rows=rows, photographs=photographs, labels=labels, record=record, about=about, machine=_machine())
    atomic_write_text(folder / REPORT, page(subject))
    atomic_write_text(folder / CARD, model_card(subject))


def page(subject: Subject) -> str:
    """Return the whole document."""
    style = (HERE / "report.css").read_text(encoding="utf-8")
    style += style_of(subject.photographs.pixels, numbers_of(subject.rows))
    sections = [artifact_section(row, subject) for row in subject.rows]
    closing = [checks_section(subject), machine_section(subject)]
    content = [headline(subject), _links(subject), overview_section(subject), *sections, *closing]
    title = f"{subject.about.name}: {len(subject.verified)} of {len(subject.rows)} artifacts verified"
    return document(title, *content, style=style)


def _links(subject: Subject) -> Html:
    targets = {"Artifacts": "artifacts", **{row["file"]: anchor(row) for row in subject.rows}}
    targets |= {"Verified": "checks", "Machine": "machine"}
    return element("nav", *(element("a", name, href=f"#{target}") for name, target in targets.items()))


def _machine() -> dict[str, str]:
    """Return what this process runs on, in words."""
    versions: dict[str, str] = {}
    for name, packages in PACKAGES.items():
        for package in packages:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                versions.setdefault(name, importlib.metadata.version(package))
    return {
        "Processor": f"{platform.machine()}, {os.cpu_count()} cores",
        **versions,
        "Python": platform.python_version(),
        "System": platform.system(),
        "Written": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    }
