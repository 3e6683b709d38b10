"""Which architecture a command's flags name: a variant, scaled or not."""

from __future__ import annotations

from typing import Protocol

from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Spec, scale

# What the flags of every command say.
VARIANTS = (
    "The network: b0 to b8, l2, lite0 to lite4, v2-b0 to v2-xl, edgetpu-s, condconv-4e, resnet50, ... or an alias; or "
    "a .json file of an architecture."
)
WEIGHTS = "imagenet or another published set, or a file of Keras, PyTorch, safetensors or a TensorFlow checkpoint."


class _Named(Protocol):
    @property
    def variant(self) -> str | None: ...
    @property
    def phi(self) -> float | None: ...
    @property
    def width(self) -> float | None: ...
    @property
    def depth(self) -> float | None: ...


def network_of(config: _Named) -> Spec:
    """Return the architecture that a configuration names.

    Raises:
        UsageError: no such variant, or coefficients that cannot be.

    >>> from efficientnet_tf.config import TrainConfig
    >>> network_of(TrainConfig(variant="b0", phi=1.0)).image_size
    256
    """
    if config.variant is None:
        raise UsageError("--variant is missing.")
    return scale(config.variant, phi=config.phi, width=config.width, depth=config.depth)
