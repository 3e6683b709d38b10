"""From a network to a folder of verified artifacts."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras

from efficientnet_tf.config import ExportConfig, network_of
from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.exporting import portable, saved_model, tfjs, tflite
from efficientnet_tf.exporting.deploy import deploy, trained
from efficientnet_tf.exporting.verify import Photographs, compare, read_photographs
from efficientnet_tf.model import preprocessing_of
from efficientnet_tf.native_output import held_back
from efficientnet_tf.pretrained import zoo_network
from efficientnet_tf.run import (
    LABELS,
    PREPROCESSING,
    make_writable,
    open_run,
    read_labels,
    read_preprocessing,
    write_json,
    write_labels,
)
from efficientnet_tf.specs import Preprocessing
from efficientnet_tf.weights import labels_for

REPORT = "report.json"
ROOT = Path("exports")

Row = dict[str, Any]
Announce = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Source:
    """A network, what its inputs and outputs mean, and where it is from, for people."""

    model: keras.Model
    labels: Sequence[str]
    record: Preprocessing
    name: str


#: How each format is written: the deployed network, where to, its source, and the quantisation.
WRITERS: dict[str, Callable[[keras.Model, Path, Source, str], Path]] = {
    "saved_model": lambda model, path, source, _: saved_model.write(model, path, source.record, source.labels),
    "tflite": lambda model, path, _, quantize: tflite.write(model, path, quantize=quantize),
    "tfjs": lambda model, path, source, quantize: tfjs.write(
        model,
        path,
        quantize=quantize,
        metadata={"labels": list(source.labels), "preprocessing": source.record.to_json()},
    ),
    # As it was trained, for those who train on.
    "keras": lambda _, path, source, __: portable.write(source.model, path),
}
SUFFIXES = {"saved_model": "", "tflite": ".tflite", "tfjs": "", "keras": ".keras"}
STEMS = {"saved_model": "saved_model", "tflite": "model", "tfjs": "tfjs", "keras": "model"}


def file_name(form: str, quantize: str) -> str:
    """Return what an artifact is called in the export's folder.

    >>> file_name("tflite", "dynamic"), file_name("tfjs", "none")
    ('model_dynamic.tflite', 'tfjs')
    """
    return STEMS[form] + ("" if quantize == "none" else f"_{quantize}") + SUFFIXES[form]


def export(
    model: keras.Model,
    output_dir: str | Path,
    *,
    formats: Iterable[str] = ("saved_model", "tflite", "tfjs"),
    quantize: Iterable[str] = ("none",),
    labels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    verify: str | None = None,
    verify_images: int = 16,
) -> list[Row]:
    """Write a network in other formats, and prove that every artifact answers like it.

    Args:
        model: functional; pixels of 0...255, [N, height, width, 3], to classes, [N, classes].
        output_dir: folder for the artifacts, `labels.txt`, `preprocessing.json` and `report.json`. Artifacts
            of the same name are replaced, and only once all new ones are written and verified.
        formats: of saved_model, tflite, tfjs, keras.
        quantize: of none, float16, dynamic; each format takes those it has.
        labels: names of the classes; by default their numbers, or ImageNet's names for 1000 classes.
        preprocessing: how photographs become the input; by default as the model itself tells.
        verify: photographs to compare on, `sample` or a folder; given, a missing runtime is an error.
        verify_images: at most so many.

    Returns:
        For each artifact its row of report.json.

    Raises:
        UsageError: a name or a folder that is not allowed.
        EfficientNetError: an artifact answers otherwise than its bounds allow; nothing is left of the export.
    """
    config = ExportConfig(format=tuple(formats), quantize=tuple(quantize), verify=verify, verify_images=verify_images)
    classes = int(model.output_shape[-1])
    if labels is None:
        labels = labels_for(classes)
    if len(labels) != classes:
        raise UsageError(f"labels must name the {classes} classes of the network, got {len(labels)}.")
    source = Source(model, labels, preprocessing or preprocessing_of(model), model.name)
    return write_artifacts(source, Path(output_dir), config, lambda text: None)


def source_of(config: ExportConfig) -> tuple[Source, Path]:
    """Return what a configuration exports, and the folder that is meant for it."""
    if config.variant is not None:
        network = zoo_network(network_of(config), config.weights, config.image_size)
        folder = Path(config.output_dir or ROOT / network.spec.name)
        return Source(network.model, network.labels, network.record, network.model.name), folder
    run = open_run(config.model_dir)
    folder = Path(config.output_dir or run.path / "export")
    return Source(run.load_model(), run.labels, run.preprocessing, str(run.path)), folder


def write_artifacts(source: Source, folder: Path, config: ExportConfig, announce: Announce) -> list[Row]:
    """Write, verify and only then publish the artifacts of a configuration; see `export`.

    Args:
        source: the network.
        folder: where they go.
        config: formats, quantisations and verification.
        announce: called with a line for each step.
    """
    make_writable(folder)
    _refuse_strangers(source, folder)
    deployed = deploy(source.model)
    photographs = read_photographs(trained(source.model), source.record, config.verify, config.verify_images)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as scratch:
        rows = []
        for form, quantize in config.targets():
            path = Path(scratch, file_name(form, quantize))
            announce(f"Writing {path.name} ...")
            with held_back():
                WRITERS[form](deployed, path, source, quantize)
            row = {"format": form, "quantize": quantize, "file": path.name, "bytes": _bytes(path)}
            rows.append({**row, **_verified(path, quantize, photographs, required=config.verify is not None)})
        _refuse_broken(rows)
        _publish(source, Path(scratch), folder, rows)
    return rows


def _refuse_strangers(source: Source, folder: Path) -> None:
    """Refuse a folder whose artifacts would get the labels or the record of another network."""
    same = {
        LABELS: lambda path: list(read_labels(path)) == list(source.labels),
        PREPROCESSING: lambda path: read_preprocessing(path) == source.record,
    }
    for name, holds in same.items():
        if (folder / name).is_file() and not holds(folder / name):
            raise UsageError(
                f"{folder} holds an export of another network ({name} differs). Give another --output_dir."
            )


def _verified(path: Path, quantize: str, photographs: Photographs, *, required: bool) -> Row:
    try:
        return compare(path, quantize, photographs)
    except MissingDependencyError as error:
        if required:
            raise
        return {"photographs": 0, "verified": False, "reason": str(error)}


def _refuse_broken(rows: Sequence[Row]) -> None:
    broken = [f"{row['file']}: {row['reason']}" for row in rows if not row["verified"] and row["photographs"]]
    if broken:
        raise EfficientNetError(f"Not exported, since it answers otherwise than Keras: {'; '.join(broken)}.")


def _publish(source: Source, scratch: Path, folder: Path, rows: list[Row]) -> None:
    """Move the artifacts to their place, and last the report that vouches for them."""
    # An older report must not vouch for new files, not even for the moment of the move.
    (folder / REPORT).unlink(missing_ok=True)
    for row in rows:
        target = folder / row["file"]
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        (scratch / row["file"]).replace(target)
    write_labels(folder / LABELS, source.labels)
    write_json(folder / PREPROCESSING, source.record.to_json())
    write_json(folder / REPORT, {"artifacts": rows})


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
