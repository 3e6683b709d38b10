"""The row of an architecture table, and the block of a network that it becomes."""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

from efficientnet_tf.errors import UsageError, unknown_name

#: `mbconv`: expand 1x1, depthwise, squeeze-and-excite, project 1x1 (MobileNetV2, EfficientNet).
#: `fused`: one dense convolution instead of expansion and depthwise (EfficientNet-EdgeTPU, EfficientNetV2).
#: `separable`: depthwise and 1x1, both activated, never a skip (MobileNetV1).
#: `bottleneck`: reduce 1x1, dense convolution, project 1x1, and a skip with a projection of its own (ResNet).
Kind = Literal["mbconv", "fused", "separable", "bottleneck"]

#: What a row may hold. Rows come from files and from searches as well; a wrong one must not first fail, or fill the
#: memory, when its network is built.
_LIMITS = {
    "repeats": (1, 1000),
    "kernel_size": (1, 31),
    "strides": (1, 4),
    "expand_ratio": (1, 64),
    "filters": (1, 16_384),
    "se_ratio": (0.0, 1.0),
    "experts": (0, 64),
    "nominal_filters_in": (1, 16_384),
}


@dataclasses.dataclass(frozen=True)
class Block:
    """One row of an architecture table: blocks that share their settings.

    Attributes:
        repeats: how many blocks; only the first one has the strides and the change of width.
        kernel_size: side of the spatial convolution, in pixels.
        strides: of the first block's spatial convolution.
        expand_ratio: width inside the block, as a multiple of the width that enters it; in a bottleneck,
            width that leaves, as a multiple of the width inside.
        filters: width that leaves the block; in a bottleneck, width inside.
        se_ratio: width of the squeeze, as a fraction of the width that enters the block; 0 for none.
        kind: how the block is built.
        skip: False for rows whose blocks never add their input.
        experts: kernels that each example mixes for itself (CondConv); 0 for ordinary convolutions.
        nominal_filters_in: the width that the first block's expansion is counted from, where it is not the one
            that enters (EdgeTPU, first row).
        stride_in_projection: whether a fused block's strides are in its 1x1 convolution.
    """

    repeats: int
    kernel_size: int
    strides: int
    expand_ratio: int
    filters: int
    se_ratio: float = 0.0
    kind: Kind = "mbconv"
    skip: bool = True
    experts: int = 0
    nominal_filters_in: int | None = None
    stride_in_projection: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise unknown_name("kind", str(self.kind), get_args(Kind))
        for name, (lowest, highest) in _LIMITS.items():
            value = getattr(self, name)
            if value is not None and not lowest <= value <= highest:
                raise UsageError(f"{name} must be from {lowest} to {highest}, got {value}.")


@dataclasses.dataclass(frozen=True)
class ExpandedBlock:
    """One block of the network, with the widths that it really has.

    Attributes:
        name: prefix of its layers, as in keras.applications: `block2a_`.
        row: the row of the table that it comes from.
        stage: number of that row, from 1.
        repeat: its place in the row, from 0.
        index: its place among all blocks, from 0.
        strides: of the block as a whole.
        filters_in: channels that enter.
        filters_expanded: channels inside the block; of a fused block without expansion, those that enter.
        filters_squeezed: channels between the two SE convolutions; 0 without SE.
        filters_out: channels that leave.
        survival_probability: chance that stochastic depth keeps the block for a training example.
    """

    name: str
    row: Block
    stage: int
    repeat: int
    index: int
    strides: int
    filters_in: int
    filters_expanded: int
    filters_squeezed: int
    filters_out: int
    survival_probability: float

    @property
    def kind(self) -> Kind:
        """How the block is built."""
        return self.row.kind

    @property
    def kernel_size(self) -> int:
        """Side of the spatial convolution, in pixels."""
        return self.row.kernel_size

    @property
    def expands(self) -> bool:
        """Whether there is a convolution before the one with the large kernel, or, in a fused block, after it."""
        return self.row.expand_ratio != 1

    @property
    def filters_gated(self) -> int:
        """Channels that squeeze-and-excite sees: of a fused block without expansion, those of its one convolution."""
        return self.filters_out if self.kind == "fused" and not self.expands else self.filters_expanded

    @property
    def has_skip(self) -> bool:
        """Whether the block's input, or in a bottleneck a projection of it, is added to its output."""
        if self.kind == "bottleneck":
            return True
        fits = self.strides == 1 and self.filters_in == self.filters_out
        return fits and self.row.skip and self.kind != "separable"

    @property
    def has_shortcut_projection(self) -> bool:
        """Whether the skip needs a convolution to fit: the first bottleneck of a row."""
        return self.kind == "bottleneck" and (self.strides != 1 or self.filters_in != self.filters_out)

    def parts(self) -> tuple[str, ...]:
        """Return the names of the layers with weights, without the block's own, in order.

        >>> from efficientnet_tf.specs import spec
        >>> next(spec("b0").expand()).parts()
        ('dwconv', 'bn', 'se_reduce', 'se_expand', 'project_conv', 'project_bn')
        """
        squeeze = ("se_reduce", "se_expand") if self.filters_squeezed else ()
        expand = ("expand_conv", "expand_bn") if self.expands else ()
        project = ("project_conv", "project_bn")
        if self.kind == "fused":
            return (*expand, *squeeze, *project)
        if self.kind == "bottleneck":
            shortcut = ("shortcut_conv", "shortcut_bn") if self.has_shortcut_projection else ()
            return (*shortcut, "reduce_conv", "reduce_bn", "conv", "bn", *project)
        routing = ("routing",) if self.row.experts else ()
        return (*routing, *expand, "dwconv", "bn", *squeeze, *project)
