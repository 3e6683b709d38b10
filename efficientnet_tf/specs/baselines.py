"""The networks that the paper scales beside its own (section 5.1, Table 3)."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.block import Block
from efficientnet_tf.specs.efficientnet import MEAN, STD

# fmt: off
#: Howard et al., 2017, Table 1.
MOBILENETV1_BLOCKS = (
    #     repeats kernel strides expand filters
    Block(1,      3,     1,      1,     64,   kind="separable"),
    Block(2,      3,     2,      1,     128,  kind="separable"),
    Block(2,      3,     2,      1,     256,  kind="separable"),
    Block(6,      3,     2,      1,     512,  kind="separable"),
    Block(2,      3,     2,      1,     1024, kind="separable"),
)
#: Sandler et al., 2018, Table 2.
MOBILENETV2_BLOCKS = (
    Block(1,      3,     1,      1,     16),
    Block(2,      3,     2,      6,     24),
    Block(3,      3,     2,      6,     32),
    Block(4,      3,     2,      6,     64),
    Block(3,      3,     1,      6,     96),
    Block(3,      3,     2,      6,     160),
    Block(1,      3,     1,      6,     320),
)
#: He et al., 2016, Table 1, with the strides in the 3x3 convolution: Tan and Le's 4.1 billion multiply-adds.
RESNET50_BLOCKS = (
    Block(3,      3,     1,      4,     64,   kind="bottleneck"),
    Block(4,      3,     2,      4,     128,  kind="bottleneck"),
    Block(6,      3,     2,      4,     256,  kind="bottleneck"),
    Block(3,      3,     2,      4,     512,  kind="bottleneck"),
)
# fmt: on

# Pixels of -1 to 1, as both MobileNets were trained.
_HALF = (127.5, 127.5, 127.5)

_MOBILENET = Spec(
    "mobilenetv1", MOBILENETV1_BLOCKS, 1.0, 1.0, 224, 0.0, "relu6", mean=_HALF, std=_HALF, prefix="",
    survival_probability=1.0, head_filters_base=0, interpolation="bicubic",
)  # fmt: skip

SPECS = {
    "mobilenetv1": dataclasses.replace(_MOBILENET, dropout=0.001),
    "mobilenetv2": dataclasses.replace(
        _MOBILENET,
        name="mobilenetv2",
        blocks=MOBILENETV2_BLOCKS,
        dropout=0.2,
        head_filters_base=1280,
        narrow_head=False,
        batch_norm_momentum=0.999,
    ),
    "resnet50": Spec(
        "resnet50",
        RESNET50_BLOCKS,
        1.0,
        1.0,
        224,
        0.0,
        "relu",
        stem_filters_base=64,
        stem_kernel_size=7,
        stem_pool=True,
        head_filters_base=0,
        mean=MEAN,
        std=STD,
        interpolation="bicubic",
        survival_probability=1.0,
        batch_norm_momentum=0.9,
        batch_norm_epsilon=1e-5,
        prefix="",
    ),
}
