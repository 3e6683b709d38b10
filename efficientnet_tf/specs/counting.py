"""Parameters and multiply-adds of an architecture, from its rows alone; no TensorFlow."""

from __future__ import annotations

import dataclasses
import math

from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs.architecture import ExpandedBlock, Spec
from efficientnet_tf.specs.zoo import spec

IMAGENET_CLASSES = 1000


@dataclasses.dataclass(frozen=True)
class Count:
    """How large a network is.

    Attributes:
        trainable: parameters that training changes.
        total: with the moving mean and variance of every batch normalisation.
        madds: multiply-adds of all convolutions and the classifier for one image; the paper's "FLOPs".
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
        classes: outputs of the classifier; by default ImageNet's 1000.

    >>> count("b0")
    Count(trainable=5288548, total=5330564, madds=385814752)
    """
    architecture = spec(variant)
    size = architecture.image_size if image_size is None else image_size
    outputs = IMAGENET_CLASSES if classes is None else classes
    if size < 1 or outputs < 1:
        raise UsageError(f"image_size and classes must be at least 1, got {size} and {outputs}.")
    size = math.ceil(size / 2)
    result = _convolution(3 * 3, 3, architecture.stem_filters, size)
    filters = architecture.stem_filters
    for block in architecture.expand():
        result += _block(block, size)
        size = math.ceil(size / block.strides)
        filters = block.filters_out
    head = architecture.head_filters
    return result + _convolution(1, filters, head, size) + _dense(head, outputs)


def _block(block: ExpandedBlock, size: int) -> Count:
    """Count an MBConv block whose input has sides of `size` pixels; SAME padding throughout."""
    inner, squeezed = block.filters_expanded, block.filters_squeezed
    result = Count()
    if block.expand_ratio != 1:
        result += _convolution(1, block.filters_in, inner, size)
    size = math.ceil(size / block.strides)
    result += _convolution(block.kernel_size**2, 1, inner, size)
    if squeezed:
        result += _dense(inner, squeezed) + _dense(squeezed, inner)
    return result + _convolution(1, inner, block.filters_out, size)


def _convolution(area: int, filters_in: int, filters_out: int, size: int) -> Count:
    """Count a convolution without bias and the batch normalisation after it; depthwise has `filters_in` 1."""
    weights = area * filters_in * filters_out
    return Count(weights + 2 * filters_out, weights + 4 * filters_out, weights * size * size)


def _dense(filters_in: int, filters_out: int) -> Count:
    """Count a layer with bias that acts on one position: the classifier, or a 1x1 convolution of SE."""
    weights = filters_in * filters_out
    return Count(weights + filters_out, weights + filters_out, weights)
