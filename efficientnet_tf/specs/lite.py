"""EfficientNet-Lite 0-4: no squeeze-and-excitation, ReLU6, fixed stem and head (official lite/README and builder)."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.efficientnet import BLOCKS as B_BLOCKS

BLOCKS = tuple(dataclasses.replace(row, se_ratio=0.0) for row in B_BLOCKS)

# fmt: off
VARIANTS = {
    #         width depth image_size dropout
    "lite0": (1.0,  1.0,  224,       0.2),
    "lite1": (1.0,  1.1,  240,       0.2),
    "lite2": (1.1,  1.2,  260,       0.3),
    "lite3": (1.2,  1.4,  280,       0.3),
    "lite4": (1.4,  1.8,  300,       0.3),
}
# fmt: on

# One mean and one deviation for all channels, so that a quantised input is the raw pixel.
MEAN = (127.0, 127.0, 127.0)
STD = (128.0, 128.0, 128.0)

SPECS = {
    name: Spec(
        name,
        BLOCKS,
        *row,
        activation="relu6",
        fixed_stem_and_head=True,
        mean=MEAN,
        std=STD,
        # Antialiased: the PyTorch packages' weights read real photographs at least as well with it.
        interpolation="bicubic",
    )
    for name, row in VARIANTS.items()
}
