"""EfficientNet-EdgeTPU S, M, L: dense convolutions first, ReLU, no SE (official edgetpu/ builder)."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.block import Block
from efficientnet_tf.specs.lite import MEAN, STD

# All published checkpoints (July 2019) have the strides of a fused block in its 1x1 convolution. The first row's
# expansion is counted from 24 channels although the stem gives 32, and none of its blocks has a skip.
# fmt: off
BLOCKS = (
    #     repeats kernel strides expand filters
    Block(1,      3,     1,      4,     24,  kind="fused", nominal_filters_in=24, skip=False),
    Block(2,      3,     2,      8,     32,  kind="fused", stride_in_projection=True),
    Block(4,      3,     2,      8,     48,  kind="fused", stride_in_projection=True),
    Block(5,      5,     2,      8,     96),
    Block(4,      5,     1,      8,     144),
    Block(2,      5,     2,      8,     192),
)

VARIANTS = {
    #             width depth image_size dropout
    "edgetpu-s": (1.0,  1.0,  224,       0.2),
    "edgetpu-m": (1.0,  1.1,  240,       0.2),
    "edgetpu-l": (1.2,  1.4,  300,       0.3),
}
# fmt: on

# Since December 2020 the official code has the strides in the 3x3 convolution: fewer multiply-adds and kernels
# of the same shapes, but the published ones then look one pixel beside where they were trained to.
BLOCKS_2020 = tuple(dataclasses.replace(row, stride_in_projection=False) for row in BLOCKS)


def _spec(name: str, blocks: tuple[Block, ...], row: tuple[float, float, int, float]) -> Spec:
    return Spec(name, blocks, *row, activation="relu", classes=1001, mean=MEAN, std=STD)


SPECS = {
    **{name: _spec(name, BLOCKS, row) for name, row in VARIANTS.items()},
    **{f"{name}-2020": _spec(f"{name}-2020", BLOCKS_2020, row) for name, row in VARIANTS.items()},
}
