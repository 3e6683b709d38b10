"""A network of integers from one in float32 and some pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from efficientnet_tf.config.export import CALIBRATED, INTEGERS
from efficientnet_tf.exporting.quantization.bias import correct_biases
from efficientnet_tf.exporting.quantization.interface import set_interface
from efficientnet_tf.exporting.quantization.pixels import centre_pixels
from efficientnet_tf.exporting.quantization.recipes import Floats, integers, weights_only
from efficientnet_tf.exporting.quantization.rounding import InputMoments, round_kernels
from efficientnet_tf.exporting.quantization.statistics import gather

#: What is done to make them, and why: as a report tells it. Measured by benchmarks/quantization.py.
CHOICES = {
    "preprocessing": "part of the input's zero point and of the first kernel, so that pixels are not rounded",
    "ranges": "of least error relative to each picture's own signal, after SiLU where there is one; in int16x8 eight "
    "times what was seen",
    "kernels": "int8, symmetric, with a scale for each channel that comes out; each weight's rounding makes up for the "
    "errors of those before it, on the calibration pictures",
    "biases": "corrected by the mean error of the rounded kernels on the calibration pictures",
}
#: Which of these there is without integer maps.
OF_KERNELS = ("kernels", "biases")
#: What is computed in float32 in each kind.
COMPUTED_IN_FLOAT32 = {
    "weights": "all of it",
    "int8": "nothing, but the softmax if the answers are float32",
    "mixed": "the inside of squeeze-and-excitation, the classifier and its softmax",
    "int16x8": "the softmax",
}


def choices_of(kind: str) -> dict[str, str]:
    """Return what is done to make a kind, and why; nothing of a kind that is not one of `CALIBRATED`."""
    if kind not in CALIBRATED:
        return {}
    done = {name: words for name, words in CHOICES.items() if kind in INTEGERS or name in OF_KERNELS}
    return {**done, "float32": COMPUTED_IN_FLOAT32[kind]}


def quantise(content: bytes, images: np.ndarray[Any, Any], *, kind: str, integer_io: str) -> bytes:
    """Return a quantised `.tflite` file.

    Args:
        content: a file in float32 with a batch of one, from `image`, pixels of 0...255.
        images: uint8 [N, height, width, 3], to calibrate on.
        kind: one of `CALIBRATED`.
        integer_io: of `INTEGERS` the type of the picture, and in `int8` of the answers: uint8, int8 (pixels less 128)
            or float32.

    Raises:
        MissingDependencyError: ai-edge-quantizer is not installed.
        EfficientNetError: a network that it cannot quantise.
    """
    float_image = kind == "weights" or integer_io == "float32"
    content, centre = centre_pixels(content, keep_addition=float_image)
    pixels = images.astype(np.float32) - centre
    moments = InputMoments(content)
    statistics = gather(content, pixels, watch=moments.add)
    corrected = correct_biases(round_kernels(content, moments), statistics, original=content)
    if kind == "weights":
        return weights_only(corrected)
    outputs = integer_io if kind == "int8" else "float32"
    floats = Floats(image=float_image, answers=outputs == "float32")
    made = integers(corrected, statistics, kind=kind, centre=centre, floats=floats)
    return set_interface(made, image=integer_io, centre=centre, outputs=outputs)
