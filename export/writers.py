"""Which function writes which format, and what the files are called."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from efficientnet_tf.config import ExportConfig
from efficientnet_tf.config.export import CALIBRATED, CALIBRATION_IMAGES, INTEGER_IO, INTEGERS, TUNED
from efficientnet_tf.exporting import portable, saved_model, tfjs, tflite
from efficientnet_tf.exporting.calibration import calibration_source, read_calibration
from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.exporting.edgetpu import unmapped
from efficientnet_tf.exporting.outputs import PROBABILITIES, output_names
from efficientnet_tf.exporting.page import write_page
from efficientnet_tf.exporting.source import Source
from efficientnet_tf.exporting.tflite_metadata import with_metadata
from efficientnet_tf.files import atomic_write_bytes
from efficientnet_tf.specs import Preprocessing

#: What networks are called that were made for an accelerator.
EDGE_TPU = "edgetpu"

Announce = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Job:
    """One export while it is made.

    Attributes:
        source: what is exported.
        config: as what.
        announce: is told in a line what takes a while.
    """

    source: Source
    config: ExportConfig
    announce: Announce

    @functools.cached_property
    def record(self) -> Preprocessing:
        """How photographs become the input of the artifacts."""
        return self.source.at(self.config.image_size)

    @functools.cached_property
    def deployed(self) -> keras.Model:
        """The folded network."""
        return deploy(self.source.model, outputs=self.config.outputs, image_size=self.record.image_size)

    @property
    def calibrated_on(self) -> str | None:
        """The source of the calibration pictures; None where no artifact needs any."""
        given = self.config.calibration
        return calibration_source(given, self.source.run)[0] if self.config.calibrated else None

    @functools.cached_property
    def calibration(self) -> np.ndarray[Any, Any]:
        """Pictures to calibrate on, uint8 [N, height, width, 3]; read when the first artifact needs them."""
        return read_calibration(
            self.config.calibration,
            self.record,
            number=self.config.calibration_images or CALIBRATION_IMAGES,
            run=self.source.run,
            announce=self.announce,
        )

    @property
    def tuned_for(self) -> str:
        """What TensorFlow Lite files are tuned for."""
        made_for_one = EDGE_TPU in self.source.model.name
        return self.config.tuned_for or ("accelerator" if made_for_one else "processor")

    def interface(self, form: str, quantize: str) -> dict[str, Any]:
        """Return what an artifact takes and answers, which tells how it is used.

        Returns:
            `outputs`, their names; `batch`, the number of pictures at a time, None for any; `pictures`, their type;
            `tuned_for`, `processor` or `accelerator`, None where there is no choice.
        """
        # A .keras file is the network as it was trained.
        outputs = (PROBABILITIES,) if form == "keras" else self.config.outputs
        integers = self.config.integer_io or INTEGER_IO
        batch = self.config.batch_of(form)
        return {
            "outputs": list(outputs),
            "batch": batch,
            "pictures": integers if quantize in INTEGERS else "float32",
            "tuned_for": self.tuned_for if form == "tflite" and batch is not None and quantize in TUNED else None,
        }


def write_saved_model(job: Job, path: Path, quantize: str) -> Path:
    """Write a SavedModel."""
    labels, batch = job.source.labels, job.config.batch_of("saved_model")
    return saved_model.write(job.deployed, path, job.record, labels, batch=batch)


def write_tflite(job: Job, path: Path, quantize: str) -> Path:
    """Write a `.tflite` file with its metadata."""
    tflite.write(
        job.deployed,
        path,
        quantize=quantize,
        batch=job.config.batch_of("tflite"),
        calibration=job.calibration if quantize in CALIBRATED else None,
        integer_io=job.config.integer_io or INTEGER_IO,
        tuned_for=job.tuned_for,
    )
    content = with_metadata(
        path.read_bytes(),
        name=job.source.model.name,
        description=f"{job.source.model.name}: {len(job.source.labels)} classes",
        labels=job.source.labels,
        record=job.record,
        outputs=output_names(job.deployed),
    )
    return atomic_write_bytes(path, content)


def write_tfjs(job: Job, path: Path, quantize: str) -> Path:
    """Write a folder for TensorFlow.js, with a page that shows it."""
    metadata = {"labels": list(job.source.labels), "preprocessing": job.record.to_json()}
    tfjs.write(job.deployed, path, quantize=quantize, metadata=metadata, batch=job.config.batch_of("tfjs"))
    # LiteRT.js on the same page runs the file beside the folder; a copy of it would be larger than all the rest.
    has_file = ("tflite", "none") in job.config.targets() and not job.config.offline
    beside = file_name("tflite", "none") if has_file else None
    write_page(
        path,
        title=job.source.model.name,
        labels=job.source.labels,
        record=job.record,
        offline=job.config.offline,
        tflite=beside and f"../{beside}",
    )
    return path


def write_onnx(job: Job, path: Path, quantize: str) -> Path:
    """Write an ONNX file."""
    from efficientnet_tf.exporting import onnx_file

    batch = job.config.batch_of("onnx")
    return onnx_file.write(job.deployed, path, batch=batch, labels=job.source.labels, record=job.record)


def write_keras(job: Job, path: Path, quantize: str) -> Path:
    """Write a `.keras` file of the network as it was trained, for those who train on."""
    return portable.write(job.source.model, path, image_size=job.record.image_size)


def explain(job: Job, path: Path, quantize: str, pixels: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return what can be told of a quantised `.tflite` file besides its answers, for its row of the report.

    Args:
        job: the export.
        path: the file.
        quantize: its kind.
        pixels: uint8 [N, height, width, 3], to compare its layers on.

    Returns:
        `quantization`, see `tflite.explain`; of a file of integers also `edge_tpu`: how many operations an Edge TPU
        would leave to the processor, by the reason.
    """
    beside = path.with_name(file_name("tflite", "none"))
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        if not beside.is_file():
            beside = tflite.write(job.deployed, Path(scratch, "model.tflite"), batch=job.config.batch_of("tflite"))
        found: dict[str, Any] = {"quantization": tflite.explain(beside, path, pixels, quantize=quantize)}
    if quantize == "int8":
        found["edge_tpu"] = dict(Counter(operation.reason for operation in unmapped(path.read_bytes())))
    return found


WRITERS: dict[str, Callable[[Job, Path, str], Path]] = {
    "saved_model": write_saved_model,
    "tflite": write_tflite,
    "tfjs": write_tfjs,
    "onnx": write_onnx,
    "keras": write_keras,
}
STEMS = {"saved_model": "saved_model", "tflite": "model", "tfjs": "tfjs", "onnx": "model", "keras": "model"}
SUFFIXES = {"saved_model": "", "tflite": ".tflite", "tfjs": "", "onnx": ".onnx", "keras": ".keras"}


def file_name(form: str, quantize: str) -> str:
    """Return what an artifact is called in the export's folder.

    >>> file_name("tflite", "dynamic"), file_name("tfjs", "none")
    ('model_dynamic.tflite', 'tfjs')
    """
    return STEMS[form] + ("" if quantize == "none" else f"_{quantize}") + SUFFIXES[form]
