"""EfficientNetV2 B0-B3, S, M, L, XL (Tan and Le, 2021, Table 4; official effnetv2_configs.py)."""

from __future__ import annotations

from typing import Any

from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.block import Block
from efficientnet_tf.specs.efficientnet import MEAN, STD


def _fused(repeats: int, strides: int, expand_ratio: int, filters: int) -> Block:
    return Block(repeats, 3, strides, expand_ratio, filters, kind="fused")


def _mbconv(repeats: int, strides: int, expand_ratio: int, filters: int) -> Block:
    return Block(repeats, 3, strides, expand_ratio, filters, se_ratio=0.25)


# fmt: off
BASE = (
    #       repeats strides expand filters
    _fused( 1,      1,      1,     16),
    _fused( 2,      2,      4,     32),
    _fused( 2,      2,      4,     48),
    _mbconv(3,      2,      4,     96),
    _mbconv(5,      1,      6,     112),
    _mbconv(8,      2,      6,     192),
)
S = (
    _fused( 2,      1,      1,     24),
    _fused( 4,      2,      4,     48),
    _fused( 4,      2,      4,     64),
    _mbconv(6,      2,      4,     128),
    _mbconv(9,      1,      6,     160),
    _mbconv(15,     2,      6,     256),
)
M = (
    _fused( 3,      1,      1,     24),
    _fused( 5,      2,      4,     48),
    _fused( 5,      2,      4,     80),
    _mbconv(7,      2,      4,     160),
    _mbconv(14,     1,      6,     176),
    _mbconv(18,     2,      6,     304),
    _mbconv(5,      1,      6,     512),
)
L = (
    _fused( 4,      1,      1,     32),
    _fused( 7,      2,      4,     64),
    _fused( 7,      2,      4,     96),
    _mbconv(10,     2,      4,     192),
    _mbconv(19,     1,      6,     224),
    _mbconv(25,     2,      6,     384),
    _mbconv(7,      1,      6,     640),
)
XL = (
    _fused( 4,      1,      1,     32),
    _fused( 8,      2,      4,     64),
    _fused( 8,      2,      4,     96),
    _mbconv(16,     2,      4,     192),
    _mbconv(24,     1,      6,     256),
    _mbconv(32,     2,      6,     512),
    _mbconv(8,      1,      6,     640),
)

VARIANTS: dict[str, tuple[tuple[Block, ...], int, float, float, int, float]] = {
    #        blocks stem width depth image_size dropout   (image_size: of evaluation)
    "v2-b0": (BASE, 32,  1.0,  1.0,  224,       0.2),
    "v2-b1": (BASE, 32,  1.0,  1.1,  240,       0.2),
    "v2-b2": (BASE, 32,  1.1,  1.2,  260,       0.3),
    "v2-b3": (BASE, 32,  1.2,  1.4,  300,       0.3),
    "v2-s":  (S,    24,  1.0,  1.0,  384,       0.2),
    "v2-m":  (M,    24,  1.0,  1.0,  480,       0.3),
    "v2-l":  (L,    32,  1.0,  1.0,  480,       0.4),
    "v2-xl": (XL,   32,  1.0,  1.0,  512,       0.4),
}
# fmt: on

# B0 to B3 were trained and evaluated with the first version's preprocessing, the others with one of their own.
_OLD: dict[str, Any] = {"mean": MEAN, "std": STD}
_NEW: dict[str, Any] = {"mean": (128.0,) * 3, "std": (128.0,) * 3, "interpolation": "tf2_bilinear", "crop": "none"}


SPECS = {
    name: Spec(
        name,
        blocks,
        width,
        depth,
        image_size,
        dropout,
        stem_filters_base=stem,
        minimum_share=0.0,
        batch_norm_momentum=0.9,
        depthwise_name="dwconv2",
        **(_OLD if blocks is BASE else _NEW),
    )
    for name, (blocks, stem, width, depth, image_size, dropout) in VARIANTS.items()
}
