"""Networks of integers for TensorFlow Lite: made, and measured layer by layer.

float32 file -> pixels -> statistics -> rounding -> bias -> recipes -> interface -> quantised file
"""

from efficientnet_tf.exporting.quantization.making import CALIBRATED, CHOICES, COMPUTED_IN_FLOAT32, quantise
from efficientnet_tf.exporting.quantization.recipes import weights_only
from efficientnet_tf.exporting.quantization.sqnr import LayerSQNR, layer_sqnr, logit_sqnr, quantization_report

__all__ = [
    "CALIBRATED",
    "CHOICES",
    "COMPUTED_IN_FLOAT32",
    "LayerSQNR",
    "layer_sqnr",
    "logit_sqnr",
    "quantise",
    "quantization_report",
    "weights_only",
]
