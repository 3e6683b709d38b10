"""What an architecture is, as data: rows as in the paper's Table 1, and the coefficients that scale them."""

from __future__ import annotations

import dataclasses
import math
import string
from collections.abc import Iterator
from typing import Any, Literal

from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs.block import Block, ExpandedBlock
from efficientnet_tf.specs.preprocessing import MOST_PIXELS, Preprocessing
from efficientnet_tf.specs.rounding import round_filters, round_repeats

Activation = Literal["silu", "relu6", "relu"]
Padding = Literal["same", "symmetric"]

#: What an attribute may be.
_LIMITS = {
    "dropout": (0.0, 0.99),
    "classes": (1, 1_000_000),
    "image_size": (1, MOST_PIXELS),
    "stem_filters_base": (1, 16_384),
    "stem_kernel_size": (1, 31),
    "head_filters_base": (0, 65_536),
    "minimum_share": (0.0, 1.0),
    "batch_norm_momentum": (0.0, 1.0),
    "batch_norm_epsilon": (1e-9, 1.0),
}

#: Side in pixels from which a `crop` of `none` holds.
WHOLE_FROM = 320


@dataclasses.dataclass(frozen=True)
class Spec:
    """An architecture: a table of rows, the coefficients that scale it, and what training assumes of it.

    Attributes:
        name: the variant's name.
        blocks: the unscaled rows.
        width: coefficient of every number of filters.
        depth: coefficient of every number of repeats.
        image_size: side of the square input, in pixels.
        dropout: rate before the classifier.
        classes: outputs of the published network; 1001 where the first one is the background.
        stem_filters_base, stem_kernel_size: of the first convolution, which has strides 2, before scaling.
        stem_pool: whether a 3x3 maximum pooling of strides 2 follows it.
        head_filters_base: of the last convolution, before scaling; 0 for none.
        fixed_stem_and_head: the Lite rule: stem and head keep their width, first and last row their repeats.
        narrow_head: False for the rule of MobileNetV2: a width below 1 leaves the head as wide as it is.
        minimum_share: of a scaled width that rounding must leave; see `round_filters`.
        mean, std: per channel, of pixels in 0...255; the network sees `(x - mean) / std`.
        interpolation, crop, crop_padding: of the preprocessing record.
        survival_probability: of stochastic depth; block i of N, from 0, keeps an example with
            `1 - (1 - survival_probability) * i / N` (official efficientnet_model.py).
        activation, batch_norm_momentum, batch_norm_epsilon: of every convolution.
        padding: `same`, TensorFlow's, or `symmetric`, PyTorch's: they differ in convolutions with strides.
        depthwise_name: what keras.applications calls a depthwise convolution in this family.
        prefix: of the model's name.
    """

    name: str
    blocks: tuple[Block, ...]
    width: float
    depth: float
    image_size: int
    dropout: float
    activation: Activation = "silu"
    classes: int = 1000
    stem_filters_base: int = 32
    stem_kernel_size: int = 3
    stem_pool: bool = False
    head_filters_base: int = 1280
    fixed_stem_and_head: bool = False
    narrow_head: bool = True
    minimum_share: float = 0.9
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    interpolation: str = "tf1_bicubic"
    crop: str = "center"
    crop_padding: int = 32
    survival_probability: float = 0.8
    batch_norm_momentum: float = 0.99
    batch_norm_epsilon: float = 1e-3
    padding: Padding = "same"
    depthwise_name: str = "dwconv"
    prefix: str = "efficientnet_"

    @property
    def stem_filters(self) -> int:
        """Channels of the first convolution."""
        return self.stem_filters_base if self.fixed_stem_and_head else self._round(self.stem_filters_base)

    @property
    def head_filters(self) -> int:
        """Channels of the pooled features: of the last convolution, or of the last block where there is none."""
        if not self.head_filters_base:
            return list(self.expand())[-1].filters_out
        if self.fixed_stem_and_head or (self.width < 1.0 and not self.narrow_head):
            return self.head_filters_base
        return self._round(self.head_filters_base)

    @property
    def repeats(self) -> tuple[int, ...]:
        """Blocks in each row after scaling."""
        last = len(self.blocks) - 1
        return tuple(
            row.repeats if self.fixed_stem_and_head and i in (0, last) else round_repeats(row.repeats, self.depth)
            for i, row in enumerate(self.blocks)
        )

    def expand(self) -> Iterator[ExpandedBlock]:
        """Yield every block of the network, scaled, in order."""
        total, index, filters_in = sum(self.repeats), 0, self.stem_filters
        for stage, (row, repeats) in enumerate(zip(self.blocks, self.repeats, strict=True), start=1):
            for repeat in range(repeats):
                expanded, filters_out = self._widths(row, repeat, filters_in)
                yield ExpandedBlock(
                    name=f"block{stage}{_letters(repeat)}_",
                    row=row,
                    stage=stage,
                    repeat=repeat,
                    index=index,
                    strides=row.strides if repeat == 0 else 1,
                    filters_in=filters_in,
                    filters_expanded=expanded,
                    filters_squeezed=max(1, int(filters_in * row.se_ratio)) if row.se_ratio else 0,
                    filters_out=filters_out,
                    survival_probability=1.0 - (1.0 - self.survival_probability) * index / total,
                )
                index, filters_in = index + 1, filters_out

    def _widths(self, row: Block, repeat: int, filters_in: int) -> tuple[int, int]:
        """Return the width inside a block and the one that leaves it."""
        filters = self._round(row.filters)
        if row.kind == "bottleneck":
            return filters, filters * row.expand_ratio
        if row.nominal_filters_in is not None and repeat == 0:
            filters_in = self._round(row.nominal_filters_in)
        return filters_in * row.expand_ratio, filters

    def _round(self, filters: int) -> int:
        return round_filters(filters, self.width, self.minimum_share)

    def replace(self, **changes: Any) -> Spec:
        """Return a copy with other values of some attributes."""
        return dataclasses.replace(self, **changes)

    def __post_init__(self) -> None:
        if not 0.0 < self.survival_probability <= 1.0:
            raise UsageError(f"survival_probability must be in (0, 1], got {self.survival_probability}.")
        for name in ("width", "depth"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} must be above 0, got {getattr(self, name)}.")
        for name, (lowest, highest) in _LIMITS.items():
            if not lowest <= getattr(self, name) <= highest:
                raise UsageError(f"{name} must be from {lowest} to {highest}, got {getattr(self, name)}.")
        if not all(value > 0.0 for value in self.std):
            raise UsageError(f"std must be above 0, got {', '.join(map(str, self.std))}.")

    def preprocessing(self, image_size: int | tuple[int, int] | None = None) -> Preprocessing:
        """Return how photographs become this network's input.

        Args:
            image_size: side, or (height, width), in pixels; by default the variant's own.
        """
        size = self.image_size if image_size is None else image_size
        height, width = (size, size) if isinstance(size, int) else size
        if min(height, width) < 32:
            raise UsageError(f"image_size must be at least 32 pixels, got {image_size}.")
        # The official EfficientNetV2 squeezes the whole photograph in from 320 pixels on, and crops below.
        crop = "center" if min(height, width) < WHOLE_FROM else self.crop
        scale = tuple(1.0 / value for value in self.std)
        offset = tuple(-mean / std for mean, std in zip(self.mean, self.std, strict=True))
        return Preprocessing(
            image_size=(height, width),
            crop=crop,
            crop_padding=self.crop_padding,
            interpolation=self.interpolation,
            scale=(scale[0], scale[1], scale[2]),
            offset=(offset[0], offset[1], offset[2]),
        )


def _letters(repeat: int) -> str:
    """Return a, b, ... z, za, zb, ...: B7 has 13 blocks in a row, deeper networks more than 26."""
    extra, letter = divmod(repeat, 26)
    return "z" * extra + string.ascii_lowercase[letter]
