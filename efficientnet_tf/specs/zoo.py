"""Every variant by name."""

from __future__ import annotations

import re

from efficientnet_tf.errors import unknown_name
from efficientnet_tf.specs import efficientnet, lite
from efficientnet_tf.specs.architecture import Spec

SPECS: dict[str, Spec] = {**efficientnet.SPECS, **lite.SPECS}

# What other projects call them: efficientnet-b0, efficientnet_b0, tf_efficientnet_lite0, EfficientNetB0.
_PREFIX = re.compile(r"^(tf_)?efficientnet[-_]?")


def list_variants() -> list[str]:
    """Return the names that `spec` accepts, smallest first within a family.

    >>> list_variants()[:2]
    ['b0', 'b1']
    """
    return list(SPECS)


def spec(variant: str | Spec) -> Spec:
    """Return the architecture of a variant.

    Args:
        variant: a name of `list_variants()`, one of its aliases (`efficientnet-b0`,
            `tf_efficientnet_lite0`, `EfficientNetB0`), or an architecture, which is returned as it is.

    Raises:
        UsageError: an unknown name; the message names the closest and all that are allowed.

    >>> spec("EfficientNetB4").image_size
    380
    """
    if isinstance(variant, Spec):
        return variant
    name = _PREFIX.sub("", variant.strip().lower())
    if name not in SPECS:
        raise unknown_name("variant", variant, SPECS)
    return SPECS[name]
