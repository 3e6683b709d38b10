"""From a network to a folder of verified artifacts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import keras

from efficientnet_tf.config import ExportConfig
from efficientnet_tf.config.export import CALIBRATED
from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.exporting.deploy import trained
from efficientnet_tf.exporting.earlier import Earlier, earlier_artifacts, is_artifact, network_digest
from efficientnet_tf.exporting.outputs import output_names
from efficientnet_tf.exporting.publishing import NEW, publish, recover, scratch_folder
from efficientnet_tf.exporting.report import about_of, write_report
from efficientnet_tf.exporting.report.words import listed
from efficientnet_tf.exporting.source import Source
from efficientnet_tf.exporting.verify import Photographs, compare, read_photographs
from efficientnet_tf.exporting.writers import WRITERS, Job, explain, file_name
from efficientnet_tf.locking import locked
from efficientnet_tf.markup import count
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
            `MODEL_CARD.md`. It changes at once, when all artifacts are written and verified. Other artifacts of an
            earlier export stay, with their rows of the report, if they are of the same network and have not changed;
            otherwise they are removed.
        formats: of saved_model, tflite, tfjs, onnx, keras.
        quantize: of none, float16, dynamic, weights, int8, mixed, int16x8, uint8; each format takes those it has.
        labels: names of the classes; by default their numbers, or ImageNet's names for 1000 classes.
        preprocessing: how photographs become the input; by default as the model itself tells.
        options: `outputs`, `batch`, `dynamic_batch`, `image_size`, `calibration`, `calibration_images`, `integer_io`,
            `tuned_for`, `offline`, `verify` and `verify_images`, as the flags of `efficientnet-export`.

    Returns:
        For each artifact that was written its row of report.json.

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
    _refuse_to_replace(folder, source, config)
    with locked(folder, f"Another export is writing to {folder}. Give another --output_dir."):
        recover(folder)
        _refuse_strangers(source, job.record, folder)
        if config.calibrated:
            _ = job.calibration  # what is wrong with it is told first
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
        with scratch_folder(folder) as scratch:
            new = scratch / NEW
            rows = [_artifact(job, new, number, photographs) for number in range(len(config.targets()))]
            network = network_digest(source.model, source.labels, job.record)
            written = [row["file"] for row in rows]
            earlier = earlier_artifacts(folder, network, written=written, photographs=photographs)
            _describe(job, new, [*rows, *earlier.rows], photographs, network)
            publish(scratch, folder, removed=earlier.stale)
        _tell_of(earlier, announce)
    return rows


def _describe(job: Job, new: Path, rows: list[Row], photographs: Photographs, network: str) -> None:
    """Write what goes with the artifacts."""
    about = about_of(job.source, job.config)
    write_report(new, rows, photographs, labels=job.source.labels, record=job.record, about=about)
    write_labels(new / LABELS, job.source.labels)
    write_json(new / PREPROCESSING, job.record.to_json())
    write_json(new / REPORT, {"network": network, "artifacts": rows})


def _tell_of(earlier: Earlier, announce: Announce) -> None:
    """Say what became of the artifacts of an earlier export."""
    if earlier.rows:
        names = listed([row["file"] for row in earlier.rows])
        announce(f"Kept {names}, which an earlier export of the same network wrote.")
    for reason in dict.fromkeys(earlier.stale.values()):
        names = listed([name for name, each in earlier.stale.items() if each == reason])
        announce(f"Removed {names}, which an earlier export wrote: {reason}.")


def _artifact(job: Job, new: Path, number: int, photographs: Photographs) -> Row:
    """Write one of the artifacts, and return its row of the report."""
    targets = job.config.targets()
    form, quantize = targets[number]
    path = new / file_name(form, quantize)
    job.announce(f"Writing {path.name}, {number + 1} of {len(targets)} ...")
    with held_back():
        WRITERS[form](job, path, quantize)
    row = {"format": form, "quantize": quantize, "file": path.name, "bytes": _bytes(path), "sha256": digest(path)}
    row |= {"interface": job.interface(form, quantize), "compared_on": photographs.origin}
    row["calibrated_on"] = job.calibrated_on if quantize in CALIBRATED else None
    job.announce(f"Comparing its answers to {count(len(photographs), 'photograph')} with those of Keras ...")
    try:
        row |= compare(path, quantize, photographs, batch=job.config.batch_of(form) or 1, scratch=new.parent)
        if form == "tflite" and quantize in CALIBRATED and row["latency"]:
            row |= explain(job, path, quantize, photographs.pixels)
    except MissingDependencyError as error:
        if job.config.verify is not None:
            raise
        return {**row, "photographs": 0, "verified": False, "reason": str(error)}
    _refuse_broken(row)
    return row


def _refuse_to_replace(folder: Path, source: Source, config: ExportConfig) -> None:
    """Refuse a folder in which an export would replace what is none, and a file."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"The exports need a folder, and {folder} is a file. Give another --output_dir.")
    is_own = source.run is not None and folder.resolve() == source.run.path.resolve()
    if is_own or any((folder / name).exists() for name in (CONFIG, CHECKPOINTS)):
        raise UsageError(f"{folder} holds a run, whose files an export would replace. Give another --output_dir.")
    for target in (folder / file_name(*kind) for kind in config.targets()):
        if target.is_dir() and any(target.iterdir()) and not is_artifact(target):
            raise UsageError(f"{target} is a folder of something else. Give another --output_dir.")


def _refuse_strangers(source: Source, record: Preprocessing, folder: Path) -> None:
    """Refuse a folder whose artifacts would get the labels or the record of another network."""
    if (folder / PREPROCESSING).is_file():
        found = read_preprocessing(folder / PREPROCESSING)
        sizes = [" x ".join(map(str, each.image_size)) for each in (found, record)]
        if dataclasses.replace(found, image_size=record.image_size) != record:
            _refuse_stranger(f"of another network ({PREPROCESSING} differs)", folder)
        if found != record:
            _refuse_stranger(f"for pictures of {sizes[0]} pixels, and this one is for {sizes[1]}", folder)
    if (folder / LABELS).is_file() and list(read_labels(folder / LABELS)) != list(source.labels):
        _refuse_stranger(f"of another network ({LABELS} differs)", folder)


def _refuse_stranger(kind: str, folder: Path) -> NoReturn:
    raise UsageError(f"{folder} holds an export {kind}. Give another --output_dir.")


def _refuse_broken(row: Row) -> None:
    """Refuse an artifact that breaks its bounds, at once: the others would take their time in vain."""
    if not row["verified"]:
        leave = (
            "" if row["quantize"] == "none" else f" Leave {row['quantize']} out of --quantize, or choose another kind."
        )
        raise EfficientNetError(
            f"Not exported, since it answers otherwise than Keras: {row['file']}: {row['reason']}.{leave}"
        )


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
