"""A network that builds in a moment, for tests; `list_variants` does not show it."""

from __future__ import annotations

from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.block import Block
from efficientnet_tf.specs.efficientnet import MEAN, STD

# fmt: off
BLOCKS = (
    #     repeats kernel strides expand filters se_ratio
    Block(1,      3,     1,      1,     8,      0.25),
    Block(2,      3,     2,      2,     16,     0.25),
    Block(2,      5,     2,      2,     24,     0.25),
)
# fmt: on

SPECS = {
    "tiny": Spec(
        "tiny", BLOCKS, 1.0, 1.0, 32, 0.2, classes=10, stem_filters_base=8, head_filters_base=32, mean=MEAN, std=STD
    )
}
