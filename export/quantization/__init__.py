"""Networks of integers for TensorFlow Lite: made, and measured layer by layer.

float32 file -> pixels -> statistics -> rounding -> bias -> recipes -> interface -> quantised file
"""

from efficientnet_tf.exporting.quantization.making import choices_of, quantise
from efficientnet_tf.exporting.quantization.sqnr import LayerSQNR, layer_sqnr, logit_sqnr, quantization_report

__all__ = [
    "LayerSQNR",
    "choices_of",
    "layer_sqnr",
    "logit_sqnr",
    "quantise",
    "quantization_report",
]
