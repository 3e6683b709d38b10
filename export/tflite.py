"""TensorFlow Lite. The converter is on its way out of TensorFlow, so it is used in this module alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from efficientnet_tf.errors import EfficientNetError, unknown_name
from efficientnet_tf.files import atomic_write_bytes


def _float16(converter: Any) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _dynamic(converter: Any) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


#: How each quantisation sets the converter. `float16` stores weights in half the bytes; `dynamic` stores
#: them as int8 with a scale for each channel, and computes in int8 where the runtime can.
QUANTIZERS: dict[str, Callable[[Any], None]] = {
    "none": lambda converter: None,
    "float16": _float16,
    "dynamic": _dynamic,
}


def write(model: keras.Model, path: Path, *, quantize: str = "none") -> Path:
    """Write a `.tflite` file with one signature, from `image` to `probabilities`.

    The input is float32 [1, height, width, 3], pixels of 0...255: a fixed batch of one keeps shape arithmetic
    out of the graph, which mobile accelerators refuse. Only built-in operations are allowed.

    Args:
        model: a deployed network.
        path: the file; it appears when it is complete.
        quantize: a key of `QUANTIZERS`.

    Raises:
        UsageError: an unknown quantisation.
        EfficientNetError: an operation that TensorFlow Lite does not have.
    """
    if quantize not in QUANTIZERS:
        raise unknown_name("quantisation", quantize, QUANTIZERS)
    module = tf.Module()
    module.variables_of_model = [variable.value for variable in model.variables]
    shape = (1, *model.input_shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="image")])
    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": model(image, training=False)}

    with tempfile.TemporaryDirectory() as scratch:
        tf.saved_model.save(module, scratch, signatures={"serving_default": serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=["serving_default"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        QUANTIZERS[quantize](converter)
        try:
            content = converter.convert()
        # The converter raises errors of its own and of MLIR, without a common class.
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise EfficientNetError(f"TensorFlow Lite cannot represent this network: {reason}") from error
    return atomic_write_bytes(path, content)
