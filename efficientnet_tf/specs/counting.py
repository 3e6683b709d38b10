"""Parameters and multiply-adds of an architecture, from its rows alone; no TensorFlow."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.block import ExpandedBlock
from efficientnet_tf.specs.rounding import stride
from efficientnet_tf.specs.zoo import spec

IMAGENET_CLASSES = 1000


@dataclasses.dataclass(frozen=True)
class Count:
    """How large a network is.

    Attributes:
        trainable: parameters that training changes.
        total: with the moving mean and variance of every batch normalisation.
        madds: multiply-adds of all convolutions and dense layers, and of mixing kernels in CondConv, for one image;
            the paper's "FLOPs".
    """

    trainable: int = 0
    total: int = 0
    madds: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.trainable + other.trainable, self.total + other.total, self.madds + other.madds)


def count(variant: str | Spec, *, image_size: int | None = None, classes: int | None = None) -> Count:
    """Count a variant's parameters and multiply-adds.

    Args:
        variant: a name or an architecture.
        image_size: side of the square input in pixels; by default the variant's own.
        classes: outputs of the classifier; by default the variant's own: ImageNet's 1000, or 1001 with a background.

    >>> count("b0")
    Count(trainable=5288548, total=5330564, madds=385814752)
    """
    architecture = spec(variant)
    size = architecture.image_size if image_size is None else image_size
    outputs = architecture.classes if classes is None else classes
    if size < 1 or outputs < 1:
        raise UsageError(f"image_size and classes must be at least 1, got {size} and {outputs}.")
    size = stride(size, 2)
    result = _convolution(architecture.stem_kernel_size**2, 3, architecture.stem_filters, size)
    filters = architecture.stem_filters
    if architecture.stem_pool:
        size = stride(size, 2)
    for block in architecture.expand():
        result += _BLOCKS[block.kind](block, size)
        size = stride(size, block.strides)
        filters = block.filters_out
    if architecture.head_filters_base:
        result += _convolution(1, filters, architecture.head_filters, size)
    return result + _dense(architecture.head_filters, outputs)


def _mbconv(block: ExpandedBlock, size: int) -> Count:
    """Count an MBConv block, or a separable convolution, whose input has sides of `size` pixels."""
    inner, experts = block.filters_expanded, block.row.experts
    result = Count()
    if block.expands:
        result += _convolution(1, block.filters_in, inner, size, experts)
    size = stride(size, block.strides)
    result += _convolution(block.kernel_size**2, 1, inner, size, experts) + _squeeze_and_excite(block)
    if experts:
        result += _dense(block.filters_in, experts)
    return result + _convolution(1, inner, block.filters_out, size, experts)


def _fused(block: ExpandedBlock, size: int) -> Count:
    """Count a block with one dense convolution; without expansion it is all there is."""
    area, smaller = block.kernel_size**2, stride(size, block.strides)
    if not block.expands:
        return _convolution(area, block.filters_in, block.filters_out, smaller) + _squeeze_and_excite(block)
    inner = size if block.row.stride_in_projection else smaller
    return (
        _convolution(area, block.filters_in, block.filters_expanded, inner)
        + _squeeze_and_excite(block)
        + _convolution(1, block.filters_expanded, block.filters_out, smaller)
    )


def _bottleneck(block: ExpandedBlock, size: int) -> Count:
    """Count a ResNet bottleneck, and the projection in its skip."""
    inner, smaller = block.filters_expanded, stride(size, block.strides)
    result = _convolution(1, block.filters_in, inner, size)
    result += _convolution(block.kernel_size**2, inner, inner, smaller)
    result += _convolution(1, inner, block.filters_out, smaller)
    if block.has_shortcut_projection:
        result += _convolution(1, block.filters_in, block.filters_out, smaller)
    return result


_BLOCKS = {"mbconv": _mbconv, "separable": _mbconv, "fused": _fused, "bottleneck": _bottleneck}


def _squeeze_and_excite(block: ExpandedBlock) -> Count:
    inner, squeezed = block.filters_gated, block.filters_squeezed
    return _dense(inner, squeezed) + _dense(squeezed, inner) if squeezed else Count()


def _convolution(area: int, filters_in: int, filters_out: int, size: int, experts: int = 0) -> Count:
    """Count a convolution without bias and the batch normalisation after it; depthwise has `filters_in` 1.

    With experts there are so many kernels, and mixing them for an example is one multiply-add for each weight.
    """
    weights, kernels = area * filters_in * filters_out, max(1, experts)
    madds = weights * size * size + weights * experts
    return Count(kernels * weights + 2 * filters_out, kernels * weights + 4 * filters_out, madds)


def _dense(filters_in: int, filters_out: int) -> Count:
    """Count a layer with bias that acts on one position: the classifier, or a 1x1 convolution of SE."""
    weights = filters_in * filters_out
    return Count(weights + filters_out, weights + filters_out, weights)
