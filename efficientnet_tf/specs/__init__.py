"""Architectures as rows of data; standard library only."""

from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.block import Block, ExpandedBlock
from efficientnet_tf.specs.counting import IMAGENET_CLASSES, Count, count
from efficientnet_tf.specs.memory import Memory, activation_bytes, estimate_memory
from efficientnet_tf.specs.preprocessing import INTERPOLATIONS, Preprocessing
from efficientnet_tf.specs.scaling import ALPHA, BETA, GAMMA, Coefficients, Factors, Phi, phi_of, scale
from efficientnet_tf.specs.solving import DIMENSIONS, Solution, match_madds, solve_scale
from efficientnet_tf.specs.written import spec_text
from efficientnet_tf.specs.zoo import list_variants, spec, variant_name, variant_text


def preprocessing_for(variant: str | Spec, image_size: int | tuple[int, int] | None = None) -> Preprocessing:
    """Return how photographs become the input of a variant; `image_size` is the variant's own by default.

    >>> preprocessing_for("lite0").image_size
    (224, 224)
    """
    return spec(variant).preprocessing(image_size)


__all__ = [
    "ALPHA",
    "BETA",
    "DIMENSIONS",
    "GAMMA",
    "IMAGENET_CLASSES",
    "INTERPOLATIONS",
    "Block",
    "Coefficients",
    "Count",
    "ExpandedBlock",
    "Factors",
    "Memory",
    "Phi",
    "Preprocessing",
    "Solution",
    "Spec",
    "activation_bytes",
    "count",
    "estimate_memory",
    "list_variants",
    "match_madds",
    "phi_of",
    "preprocessing_for",
    "scale",
    "solve_scale",
    "spec",
    "spec_text",
    "variant_name",
    "variant_text",
]
