"""What an architecture is, as data: rows as in the paper's Table 1, and the coefficients that scale them."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Iterator
from typing import Any, Literal

from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs.preprocessing import Preprocessing
from efficientnet_tf.specs.rounding import round_filters, round_repeats

Activation = Literal["silu", "relu6"]


@dataclasses.dataclass(frozen=True)
class Block:
    """One row of an architecture table: MBConv blocks that share their settings.

    Attributes:
        repeats: how many blocks; only the first one has the strides and the change of width.
        kernel_size: side of the depthwise convolution, in pixels.
        strides: of the first block's depthwise convolution.
        expand_ratio: width inside the block, as a multiple of the width that enters it.
        filters: width that leaves the block.
        se_ratio: width of the squeeze, as a fraction of the width that enters the block; 0 for none.
    """

    repeats: int
    kernel_size: int
    strides: int
    expand_ratio: int
    filters: int
    se_ratio: float


@dataclasses.dataclass(frozen=True)
class ExpandedBlock:
    """One block of the network, with the widths that it really has.

    Attributes:
        name: prefix of its layers, as in keras.applications: `block2a_`.
        index: its place among all blocks, from 0.
        filters_in: channels that enter.
        filters_expanded: channels of the depthwise convolution.
        filters_squeezed: channels between the two SE convolutions; 0 without SE.
        filters_out: channels that leave.
        survival_probability: chance that stochastic depth keeps the block for a training example.
    """

    name: str
    index: int
    kernel_size: int
    strides: int
    expand_ratio: int
    filters_in: int
    filters_expanded: int
    filters_squeezed: int
    filters_out: int
    survival_probability: float

    @property
    def has_skip(self) -> bool:
        """Whether the block's input is added to its output."""
        return self.strides == 1 and self.filters_in == self.filters_out


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
        fixed_stem_and_head: the Lite rule: stem and head keep their width, first and last row their repeats.
        mean, std: per channel, of pixels in 0...255; the network sees `(x - mean) / std`.
        survival_probability: of the last block; it falls linearly from 1 at the first (official
            efficientnet_model.py: block i of N keeps `1 - (1 - survival_probability) * i / N`).
    """

    name: str
    blocks: tuple[Block, ...]
    width: float
    depth: float
    image_size: int
    dropout: float
    activation: Activation = "silu"
    stem_filters_base: int = 32
    head_filters_base: int = 1280
    fixed_stem_and_head: bool = False
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    interpolation: str = "tf1_bicubic"
    survival_probability: float = 0.8
    batch_norm_momentum: float = 0.99
    batch_norm_epsilon: float = 1e-3

    @property
    def stem_filters(self) -> int:
        """Channels of the first convolution."""
        return self.stem_filters_base if self.fixed_stem_and_head else round_filters(self.stem_filters_base, self.width)

    @property
    def head_filters(self) -> int:
        """Channels of the last convolution, and so of the pooled features."""
        return self.head_filters_base if self.fixed_stem_and_head else round_filters(self.head_filters_base, self.width)

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
        for number, (row, repeats) in enumerate(zip(self.blocks, self.repeats, strict=True), start=1):
            filters_out = round_filters(row.filters, self.width)
            for repeat in range(repeats):
                yield ExpandedBlock(
                    name=f"block{number}{_letters(repeat)}_",
                    index=index,
                    kernel_size=row.kernel_size,
                    strides=row.strides if repeat == 0 else 1,
                    expand_ratio=row.expand_ratio,
                    filters_in=filters_in,
                    filters_expanded=filters_in * row.expand_ratio,
                    filters_squeezed=max(1, int(filters_in * row.se_ratio)) if row.se_ratio else 0,
                    filters_out=filters_out,
                    survival_probability=1.0 - (1.0 - self.survival_probability) * index / total,
                )
                index, filters_in = index + 1, filters_out

    def replace(self, **changes: Any) -> Spec:
        """Return a copy with other values of some attributes."""
        return dataclasses.replace(self, **changes)

    def __post_init__(self) -> None:
        if not 0.0 < self.survival_probability <= 1.0:
            raise UsageError(f"survival_probability must be in (0, 1], got {self.survival_probability}.")

    def preprocessing(self, image_size: int | tuple[int, int] | None = None) -> Preprocessing:
        """Return how photographs become this network's input.

        Args:
            image_size: side, or (height, width), in pixels; by default the variant's own.
        """
        size = self.image_size if image_size is None else image_size
        height, width = (size, size) if isinstance(size, int) else size
        if min(height, width) < 32:
            raise UsageError(f"image_size must be at least 32 pixels, got {image_size}.")
        scale = tuple(1.0 / value for value in self.std)
        offset = tuple(-mean / std for mean, std in zip(self.mean, self.std, strict=True))
        return Preprocessing(
            image_size=(height, width),
            interpolation=self.interpolation,
            scale=(scale[0], scale[1], scale[2]),
            offset=(offset[0], offset[1], offset[2]),
        )


def _letters(repeat: int) -> str:
    """Return a, b, ... z, za, zb, ...: B7 has 13 blocks in a row, deeper networks more than 26."""
    extra, letter = divmod(repeat, 26)
    return "z" * extra + string.ascii_lowercase[letter]
