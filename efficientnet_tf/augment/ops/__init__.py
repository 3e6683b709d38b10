"""Operations on one picture, uint8 [height, width, 3] to the same, in TensorFlow's own operations.

They work eagerly, in a `tf.function` and in `tf.data`, with arguments that are numbers or tensors. Where Pillow has the
operation, the result is equal to Pillow's, value for value (`results/operations.csv`). Some take `legacy=True`: then
they compute what the official EfficientNet code computes where that differs by mistake.

    points       Invert, Posterize, Solarize, SolarizeAdd      histograms   Equalize, AutoContrast
    blends       Color, Contrast, Brightness, Sharpness        geometry     Rotate, ShearX/Y, TranslateX/Y
    cutout       Cutout, with one value or noise
"""

from __future__ import annotations

from efficientnet_tf.augment.ops.blends import brightness, color, contrast, sharpness
from efficientnet_tf.augment.ops.cutout import cutout, fill_rectangle, noise
from efficientnet_tf.augment.ops.geometry import rotate, shear_x, shear_y, translate_x, translate_y
from efficientnet_tf.augment.ops.histograms import auto_contrast, equalize
from efficientnet_tf.augment.ops.points import invert, posterize, solarize, solarize_add

__all__ = [
    "auto_contrast",
    "brightness",
    "color",
    "contrast",
    "cutout",
    "equalize",
    "fill_rectangle",
    "invert",
    "noise",
    "posterize",
    "rotate",
    "sharpness",
    "shear_x",
    "shear_y",
    "solarize",
    "solarize_add",
    "translate_x",
    "translate_y",
]
