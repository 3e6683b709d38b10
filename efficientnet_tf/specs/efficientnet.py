"""EfficientNet B0-B8 and L2 (paper, Table 1; official efficientnet_builder.py)."""

from __future__ import annotations

from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.block import Block

# The paper prints other strides in Table 1; these are the code's, which trained the published weights.
# fmt: off
BLOCKS = (
    #     repeats kernel strides expand filters se_ratio
    Block(1,      3,     1,      1,     16,     0.25),
    Block(2,      3,     2,      6,     24,     0.25),
    Block(2,      5,     2,      6,     40,     0.25),
    Block(3,      3,     2,      6,     80,     0.25),
    Block(3,      5,     1,      6,     112,    0.25),
    Block(4,      5,     2,      6,     192,    0.25),
    Block(1,      3,     1,      6,     320,    0.25),
)

# Rounded by hand by the paper's authors: no single phi gives all three coefficients of a row.
VARIANTS = {
    #      width depth image_size dropout
    "b0": (1.0,  1.0,  224,       0.2),
    "b1": (1.0,  1.1,  240,       0.2),
    "b2": (1.1,  1.2,  260,       0.3),
    "b3": (1.2,  1.4,  300,       0.3),
    "b4": (1.4,  1.8,  380,       0.4),
    "b5": (1.6,  2.2,  456,       0.4),
    "b6": (1.8,  2.6,  528,       0.5),
    "b7": (2.0,  3.1,  600,       0.5),
    "b8": (2.2,  3.6,  672,       0.5),  # AdvProp and RandAugment
    "l2": (4.3,  5.3,  800,       0.5),  # Noisy Student, which also published it for 475 pixels
}
# fmt: on

#: ImageNet's channel means and standard deviations, of pixels in 0...255 (official efficientnet_builder.py).
MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)

SPECS = {name: Spec(name, BLOCKS, *row, mean=MEAN, std=STD) for name, row in VARIANTS.items()}
