"""From a network to a folder of verified artifacts."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras

from efficientnet_tf.config import ExportConfig
from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.exporting.deploy import output_names, trained
from efficientnet_tf.exporting.report import about_of, write_report
from efficientnet_tf.exporting.source import Source
from efficientnet_tf.exporting.verify import Photographs, compare, read_photographs
from efficientnet_tf.exporting.writers import EXPLAINED, WRITERS, Job, explain, file_name
from efficientnet_tf.locking import locked
from efficientnet_tf.model import preprocessing_of
from efficientnet_tf.native_output import held_back
from efficientnet_tf.run import (
    CHECKPOINTS,
    CONFIG,
    LABELS,
    PREPROCESSING,
    REPORT,
    digest,
    read_labels,
    read_preprocessing,
    write_json,
    write_labels,
)
from efficientnet_tf.specs import Preprocessing
from efficientnet_tf.weights import labels_for

#: What is written about an export, besides its report.json.
DESCRIPTIONS = ("report.html", "MODEL_CARD.md")
#: How the folder begins in which artifacts are until all of them are verified.
UNFINISHED = ".unfinished-"

Row = dict[str, Any]
Announce = Callable[[str], None]


def export(
    model: keras.Model,
    output_dir: str | Path,
    *,
    formats: Iterable[str] = ("saved_model", "tflite", "tfjs"),
    quantize: Iterable[str] = ("none",),
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    **options: Any,
) -> list[Row]:
    """Write a network in other formats, and prove that every artifact answers like it.

    Args:
        model: functional; pixels of 0...255, [N, height, width, 3], to classes, [N, classes].
        output_dir: folder for the artifacts, `labels.txt`, `preprocessing.json`, `report.json`, `report.html` and
            `MODEL_CARD.md`. Artifacts of the same name are replaced, and only once all new ones are written and
            verified.
        formats: of saved_model, tflite, tfjs, onnx, keras.
        quantize: of none, float16, dynamic, weights, int8, mixed, int16x8, uint8; each format takes those it has.
        labels: names of the classes; by default their numbers, or ImageNet's names for 1000 classes.
        preprocessing: how photographs become the input; by default as the model itself tells.
        options: `outputs`, `batch`, `dynamic_batch`, `image_size`, `calibration`, `calibration_images`, `integer_io`,
            `offline`, `verify` and `verify_images`, as the flags of `efficientnet-export`.

    Returns:
        For each artifact its row of report.json.

    Raises:
        UsageError: a name or a folder that is not allowed.
        EfficientNetError: an artifact answers otherwise than its bounds allow; nothing is left of the export.
    """
    config = ExportConfig(format=tuple(formats), quantize=tuple(quantize), **options)
    classes = int(model.output_shape[-1])
    if labels is None:
        labels = labels_for(classes)
    if len(labels) != classes:
        raise UsageError(f"labels must name the {classes} classes of the network, got {len(labels)}.")
    source = Source(model, labels, preprocessing or preprocessing_of(model), model.name)
    return write_artifacts(source, Path(output_dir), config, lambda text: None)


def write_artifacts(source: Source, folder: Path, config: ExportConfig, announce: Announce) -> list[Row]:
    """Write, verify and only then publish the artifacts of a configuration; see `export`.

    Args:
        source: the network.
        folder: where they go.
        config: formats, quantisations and verification.
        announce: called with a line for each step.
    """
    job = Job(source, config, announce)
    _refuse_to_replace(folder, config)
    with locked(folder, f"Another export is writing to {folder}. Give another --output_dir."):
        # What an export that was killed has left: nobody else is writing here.
        for leftover in folder.glob(f"{UNFINISHED}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        _refuse_strangers(source, job.record, folder)
        reference = trained(source.model, image_size=job.record.image_size)
        photographs = read_photographs(
            reference,
            job.record,
            config.verify,
            config.verify_images,
            labels=source.labels,
            outputs=output_names(job.deployed),
            trained_on=source.settings or {"data": job.calibrated_on},
        )
        if config.calibrated:
            _ = job.calibration  # what is wrong with it is told before anything is written
        with tempfile.TemporaryDirectory(dir=folder, prefix=UNFINISHED) as scratch:
            rows = [_artifact(job, Path(scratch), form, quantize, photographs) for form, quantize in config.targets()]
            _refuse_broken(rows)
            write_report(
                Path(scratch),
                rows,
                photographs,
                labels=source.labels,
                record=job.record,
                about=about_of(source, config, calibration=job.calibrated_on),
            )
            _publish(job, Path(scratch), folder, rows)
    return rows


def _artifact(job: Job, scratch: Path, form: str, quantize: str, photographs: Photographs) -> Row:
    """Write one artifact, and return its row of the report."""
    path = scratch / file_name(form, quantize)
    job.announce(f"Writing {path.name} ...")
    with held_back():
        WRITERS[form](job, path, quantize)
    row = {"format": form, "quantize": quantize, "file": path.name, "bytes": _bytes(path), "sha256": digest(path)}
    try:
        row |= compare(path, quantize, photographs, batch=job.config.batch_of(form) or 1)
        if form == "tflite" and quantize in EXPLAINED and row["latency"]:
            row |= explain(job, path, quantize, photographs.pixels)
        return row
    except MissingDependencyError as error:
        if job.config.verify is not None:
            raise
        return {**row, "photographs": 0, "verified": False, "reason": str(error)}


def _refuse_to_replace(folder: Path, config: ExportConfig) -> None:
    """Refuse a folder in which an export would replace what is none."""
    if any((folder / name).exists() for name in (CONFIG, CHECKPOINTS)):
        raise UsageError(f"{folder} holds a run, whose files an export would replace. Give another --output_dir.")
    for target in (folder / file_name(*kind) for kind in config.targets()):
        graphs = ("model.json", "saved_model.pb")
        if target.is_dir() and any(target.iterdir()) and not any((target / name).is_file() for name in graphs):
            raise UsageError(f"{target} is a folder of something else. Give another --output_dir.")


def _refuse_strangers(source: Source, record: Preprocessing, folder: Path) -> None:
    """Refuse a folder whose artifacts would get the labels or the record of another network."""
    same = {
        LABELS: lambda path: list(read_labels(path)) == list(source.labels),
        PREPROCESSING: lambda path: read_preprocessing(path) == record,
    }
    for name, holds in same.items():
        if (folder / name).is_file() and not holds(folder / name):
            raise UsageError(
                f"{folder} holds an export of another network ({name} differs). Give another --output_dir."
            )


def _refuse_broken(rows: Sequence[Row]) -> None:
    broken = [f"{row['file']}: {row['reason']}" for row in rows if not row["verified"] and row["photographs"]]
    if broken:
        raise EfficientNetError(f"Not exported, since it answers otherwise than Keras: {'; '.join(broken)}.")


def _publish(job: Job, scratch: Path, folder: Path, rows: list[Row]) -> None:
    """Move the artifacts to their place, and last the report that vouches for them."""
    # An older report must not vouch for new files, not even for the moment of the move.
    (folder / REPORT).unlink(missing_ok=True)
    for name in (*(row["file"] for row in rows), *DESCRIPTIONS):
        target = folder / name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        (scratch / name).replace(target)
    write_labels(folder / LABELS, job.source.labels)
    write_json(folder / PREPROCESSING, job.record.to_json())
    write_json(folder / REPORT, {"artifacts": rows})


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
