"""Architectures as rows of data; standard library only."""

from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.block import Block, ExpandedBlock
from efficientnet_tf.specs.counting import IMAGENET_CLASSES, Count, count
from efficientnet_tf.specs.preprocessing import INTERPOLATIONS, Preprocessing
from efficientnet_tf.specs.zoo import list_variants, spec


def preprocessing_for(variant: str | Spec, image_size: int | tuple[int, int] | None = None) -> Preprocessing:
    """Return how photographs become the input of a variant; `image_size` is the variant's own by default.

    >>> preprocessing_for("lite0").image_size
    (224, 224)
    """
    return spec(variant).preprocessing(image_size)


__all__ = [
    "IMAGENET_CLASSES",
    "INTERPOLATIONS",
    "Block",
    "Count",
    "ExpandedBlock",
    "Preprocessing",
    "Spec",
    "count",
    "list_variants",
    "preprocessing_for",
    "spec",
]
