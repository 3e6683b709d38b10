"""TensorFlow Lite files, in float32 or quantised."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from efficientnet_tf.config.export import CALIBRATED, TUNED_FOR
from efficientnet_tf.errors import UsageError, unknown_name
from efficientnet_tf.exporting.outputs import answers
from efficientnet_tf.exporting.quantization import (
    choices_of,
    quantise,
    quantization_report,
)
from efficientnet_tf.exporting.quantization.pixels import centre_pixels
from efficientnet_tf.exporting.tflite_conversion import convert
from efficientnet_tf.exporting.tflite_half import with_half_kernels
from efficientnet_tf.exporting.tflite_pairs import in_pairs
from efficientnet_tf.exporting.tflite_strips import in_strips
from efficientnet_tf.exporting.tflite_whole_maps import with_whole_maps
from efficientnet_tf.files import atomic_write_bytes

KINDS = ("none", "float16", "dynamic", *CALIBRATED)
#: What makes a kind's file faster on a processor. Of integers the answers stay the same, in float32 up to rounding.
#: Files of float16 are what GPUs are given, and stay whole.
FASTER = {"none": in_strips, "int8": in_pairs, "mixed": in_pairs}
INTEGER_IO = ("uint8", "int8", "float32")


def write(
    model: keras.Model,
    path: Path,
    *,
    quantize: str = "none",
    batch: int | None = 1,
    calibration: np.ndarray[Any, Any] | None = None,
    integer_io: str = "uint8",
    tuned_for: str = TUNED_FOR[0],
) -> Path:
    """Write a `.tflite` file with one signature, from `image` to the outputs of a network by their names.

    Only built-in operations are allowed. With a fixed batch no shape is computed at run time, which mobile accelerators
    refuse.

    Args:
        model: a deployed network; pixels of 0...255, [N, height, width, 3].
        path: the file; it appears when it is complete.
        quantize: `none`; `float16` (kernels in half the bytes); `dynamic` (weights in int8, computed in int8 where the
            runtime can); `weights` (weights in int8, computed in float32); `int8` (nothing but integers); `mixed` (as
            int8, with the squeeze-and-excitation and the classifier in float32); `int16x8` (maps of 16 bits, weights
            of 8: nearest to float32 of the three, and far slower than it on a CPU).
        batch: how many pictures the file takes at a time; None for any number.
        calibration: uint8 [N, height, width, 3], from which `weights`, `int8`, `mixed` and `int16x8` learn how to round
            kernels, and the latter three the range of each map.
        integer_io: type of the image of these three, and of the outputs of `int8`: `uint8`, `int8` (a pixel less 128)
            or `float32`. All other inputs and outputs are float32; what an integer output stands for, its scale and
            zero point say.
        tuned_for: `processor`: with a fixed batch the order of the work suits one, see `tflite_strips` and
            `tflite_pairs`; or `accelerator`: with as few operations as there can be.

    Raises:
        UsageError: an unknown name, or no pictures to calibrate on.
        MissingDependencyError: ai-edge-quantizer, which all but the first three kinds need, is not installed.
        EfficientNetError: an operation that TensorFlow Lite does not have.

    >>> from efficientnet_tf import EfficientNet, deploy
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model = deploy(EfficientNet("lite0", weights=None, image_size=32, classes=2))
    ...     write(model, Path(folder) / "model.tflite").name
    'model.tflite'
    """
    allowed = {"quantisation": (quantize, KINDS), "integer_io": (integer_io, INTEGER_IO)}
    for what, (given, names) in {**allowed, "tuned_for": (tuned_for, TUNED_FOR)}.items():
        if given not in names:
            raise unknown_name(what, given, names)
    if quantize in CALIBRATED:
        _check_calibration(quantize, calibration, model.input_shape[1:])
    content = converted(model, batch=batch, optimise="dynamic" if quantize == "dynamic" else "none")
    if quantize in ("none", "float16"):
        # The scale of the pixels goes into the first kernel: one pass over the picture fewer.
        content, _ = centre_pixels(content, keep_addition=True)
    if quantize == "float16":
        content = with_half_kernels(content)
    elif quantize in CALIBRATED:
        assert calibration is not None
        content = quantise(content, calibration, kind=quantize, integer_io=integer_io)
    if batch is not None and tuned_for == "processor" and quantize in FASTER:
        content = FASTER[quantize](content)
    return atomic_write_bytes(path, content)


def explain(float_file: Path, quantised_file: Path, images: np.ndarray[Any, Any], *, quantize: str) -> dict[str, Any]:
    """Return how well a quantised file answers, and which layers lose most, as data for a report.

    Args:
        float_file: what `write` made of the same network with `quantize="none"` and the same batch and outputs.
        quantised_file: what it made with `quantize`.
        images: uint8 [N, height, width, 3], better others than those of the calibration.
        quantize: `weights`, `int8`, `mixed` or `int16x8`.

    Returns:
        `logit_sqnr_db`: signal to quantisation noise of the logits, in decibels; `layers`: `name` and `sqnr_db` of
        each, the worst first; `choices`: what was done in quantising, and why.
    """
    with tempfile.TemporaryDirectory(prefix="efficientnet_tf-") as scratch:
        whole = Path(scratch, "whole.tflite")
        whole.write_bytes(with_whole_maps(float_file.read_bytes()))
        return quantization_report(whole, quantised_file, images, choices=choices_of(quantize))


def _check_calibration(quantize: str, calibration: Any, shape: tuple[int, ...]) -> None:
    if calibration is None or len(calibration) == 0:
        raise UsageError(f"{quantize} needs pictures to calibrate on, got none.")
    if calibration.dtype != np.uint8 or calibration.shape[1:] != shape:
        wanted = ", ".join(map(str, shape))
        raise UsageError(f"calibration must be uint8 [N, {wanted}], got {calibration.dtype} {list(calibration.shape)}.")


def converted(model: keras.Model, *, batch: int | None = 1, optimise: str = "none") -> bytes:
    """Return the file that the converter makes of a network; see `write`."""
    module = tf.Module()
    module.variables_of_model = [variable.value for variable in model.variables]

    @tf.function(input_signature=[tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32, name="image")])
    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return answers(model, image)

    with tempfile.TemporaryDirectory(prefix="efficientnet_tf-") as scratch:
        tf.saved_model.save(module, scratch, signatures={"serving_default": serve})
        return convert(Path(scratch), optimise=optimise)
