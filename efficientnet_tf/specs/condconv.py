"""CondConv-EfficientNet-B0: in its last three rows each example mixes kernels of its own (official condconv/)."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.efficientnet import BLOCKS as B_BLOCKS
from efficientnet_tf.specs.lite import MEAN, STD

FIRST_ROW_WITH_EXPERTS = 5

# fmt: off
VARIANTS: dict[str, tuple[int, float, float, int, float]] = {
    #                    experts width depth image_size dropout
    "condconv-4e":       (4,     1.0,  1.0,  224,       0.25),
    "condconv-8e":       (8,     1.0,  1.0,  224,       0.25),
    "condconv-8e-depth": (8,     1.0,  1.1,  224,       0.25),
}
# fmt: on

SPECS = {
    name: Spec(
        name,
        tuple(
            dataclasses.replace(row, experts=experts if number >= FIRST_ROW_WITH_EXPERTS else 0)
            for number, row in enumerate(B_BLOCKS, start=1)
        ),
        width,
        depth,
        image_size,
        dropout,
        mean=MEAN,
        std=STD,
    )
    for name, (experts, width, depth, image_size, dropout) in VARIANTS.items()
}
