"""Memory of a training step, from an architecture's rows alone; no TensorFlow."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.block import ExpandedBlock
from efficientnet_tf.specs.counting import count
from efficientnet_tf.specs.rounding import stride
from efficientnet_tf.specs.zoo import spec

FLOAT_BYTES = 4
#: Numbers that each trainable parameter is kept as: itself, its gradient, and two slots of the optimizer, which
#: RMSProp with momentum and Adam both have.
NUMBERS_A_PARAMETER = 4


@dataclasses.dataclass(frozen=True)
class Memory:
    """What a training step in float32 keeps, in bytes.

    Attributes:
        parameters: of the trainable parameters with gradients and two optimizer slots, and of the moving statistics.
        activations: of what the forward pass leaves for the backward pass, for the whole batch.
    """

    parameters: int
    activations: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.parameters + self.activations


def estimate_memory(variant: str | Spec, *, batch_size: int = 1) -> Memory:
    """Return what a training step keeps in memory, without building the network.

    Parameters count four times (`NUMBERS_A_PARAMETER`), moving statistics once, activations as in
    `activation_bytes`. A framework adds to it: workspaces of convolutions, gradients of maps while they are in use,
    copies of the input, and memory that is only reserved.

    Args:
        variant: a name or an architecture.
        batch_size: images in a step.

    Raises:
        UsageError: an unknown name, or a batch of less than one image.

    >>> memory = estimate_memory("b0", batch_size=32)
    >>> f"{memory.parameters / 2**20:.0f} MiB and {memory.activations / 2**30:.2f} GiB"
    '81 MiB and 2.63 GiB'
    """
    counted = count(variant)
    numbers = NUMBERS_A_PARAMETER * counted.trainable + (counted.total - counted.trainable)
    return Memory(FLOAT_BYTES * numbers, activation_bytes(variant, batch_size=batch_size))


def activation_bytes(variant: str | Spec, *, batch_size: int = 1) -> int:
    """Return the bytes that the forward pass leaves for the backward pass, in float32 and Keras' own formulation.

    The formulation that this package trains with on processors leaves less: of a convolution whose output is normalised
    and activated, that output and what the next convolution reads.

    Counted is what a gradient reads: the scaled image; the output of every convolution, which its batch normalisation
    needs; that of every activation, and of a batch normalisation in front of SiLU, whose gradient reads its input
    while those of ReLU and ReLU6 read their output; that of every other batch normalisation, or the sum with the skip
    that takes its place; the vectors and the product of squeeze-and-excite; CondConv's kernels, which each example
    has for itself; the pooled maps; and the classifier's output. Masks of dropout are left out.

    Args:
        variant: a name or an architecture.
        batch_size: images in a step.

    Raises:
        UsageError: an unknown name, or a batch of less than one image.

    >>> activation_bytes("resnet50", batch_size=2) == 2 * activation_bytes("resnet50")
    True
    """
    if batch_size < 1:
        raise UsageError(f"batch_size must be at least 1, got {batch_size}.")
    architecture = spec(variant)
    activated = 3 if architecture.activation == "silu" else 2
    size = stride(architecture.image_size, 2)
    filters = architecture.stem_filters
    numbers = 3 * architecture.image_size**2 + activated * filters * size**2
    if architecture.stem_pool:
        size = stride(size, 2)
        numbers += filters * size**2
    for block in architecture.expand():
        numbers += _BLOCKS[block.kind](block, size, activated)
        size = stride(size, block.strides)
    if architecture.head_filters_base:
        numbers += 2 * architecture.head_filters * size**2  # the pooling's gradient reads nothing
    numbers += architecture.head_filters + architecture.classes
    return FLOAT_BYTES * batch_size * numbers


def _mbconv(block: ExpandedBlock, size: int, activated: int) -> int:
    """Count the numbers of an MBConv block whose input has sides of `size` pixels."""
    inner, smaller = block.filters_expanded, stride(size, block.strides)
    expanded = activated * inner * size**2 if block.expands else 0
    project = 2 * block.filters_out * smaller**2
    return expanded + activated * inner * smaller**2 + _squeeze_and_excite(block, smaller) + project + _mixed(block)


def _separable(block: ExpandedBlock, size: int, activated: int) -> int:
    smaller = stride(size, block.strides)
    return activated * (block.filters_expanded + block.filters_out) * smaller**2


def _fused(block: ExpandedBlock, size: int, activated: int) -> int:
    smaller = stride(size, block.strides)
    if not block.expands:
        return activated * block.filters_out * smaller**2 + _squeeze_and_excite(block, smaller)
    inner = size if block.row.stride_in_projection else smaller
    expanded = activated * block.filters_expanded * inner**2
    return expanded + _squeeze_and_excite(block, inner) + 2 * block.filters_out * smaller**2


def _bottleneck(block: ExpandedBlock, size: int, activated: int) -> int:
    inner, smaller = block.filters_expanded, stride(size, block.strides)
    outputs = activated + block.has_shortcut_projection
    return activated * inner * (size**2 + smaller**2) + outputs * block.filters_out * smaller**2


_BLOCKS = {"mbconv": _mbconv, "separable": _separable, "fused": _fused, "bottleneck": _bottleneck}


def _squeeze_and_excite(block: ExpandedBlock, size: int) -> int:
    """Count the means, the squeeze before and after its activation, the gate, and the product."""
    inner, squeezed = block.filters_gated, block.filters_squeezed
    return inner * size**2 + 2 * inner + 2 * squeezed if squeezed else 0


def _mixed(block: ExpandedBlock) -> int:
    """Count the kernels that each example mixes for itself, and the means and the routing that they come from."""
    if not block.row.experts:
        return 0
    inner = block.filters_expanded
    weights = inner * (block.kernel_size**2 + block.filters_out + (block.filters_in if block.expands else 0))
    return weights + block.filters_in + block.row.experts
