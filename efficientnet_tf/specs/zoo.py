"""Every variant by name."""

from __future__ import annotations

import re

from efficientnet_tf.errors import UsageError, unknown_name
from efficientnet_tf.specs import baselines, condconv, edgetpu, efficientnet, efficientnet_v2, lite, tiny
from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.written import ENDING, read_spec, spec_from_text, spec_text

SPECS: dict[str, Spec] = {
    **efficientnet.SPECS,
    **lite.SPECS,
    **edgetpu.SPECS,
    **condconv.SPECS,
    **efficientnet_v2.SPECS,
    **baselines.SPECS,
}

# What other projects call them, after lower case and with hyphens: efficientnet-b0, tf-efficientnet-lite0,
# efficientnetv2b0, tf-efficientnet-es, efficientnet-condconv-b0-8e, tf-efficientnet-cc-b1-8e, mobilenet-v2, resnet-50.
_ALIASES = (
    (re.compile(r"^(tf-)?efficientnet-?"), ""),
    (re.compile(r"^v2-?(b[0-3]|s|m|l|xl)$"), r"v2-\1"),
    (re.compile(r"^e([sml])$"), r"edgetpu-\1"),
    (re.compile(r"^(?:cc|condconv)-b1-8e$"), "condconv-8e-depth"),
    (re.compile(r"^(?:cc|condconv)-b0-"), "condconv-"),
    (re.compile(r"^mobilenet-?v([12])$"), r"mobilenetv\1"),
    (re.compile(r"^mobilenet$"), "mobilenetv1"),
    (re.compile(r"^resnet-50$"), "resnet50"),
)


def list_variants() -> list[str]:
    """Return the names of all variants, family by family.

    >>> list_variants()[:2]
    ['b0', 'b1']
    """
    return list(SPECS)


def spec(variant: str | Spec) -> Spec:
    """Return the architecture of a variant.

    Args:
        variant: a name of `list_variants()`, one of its aliases (`efficientnet-b0`, `tf_efficientnet_lite0`,
            `EfficientNetV2S`), a `.json` file that holds an architecture, as searches write them, or its text; or an
            architecture, which is returned as it is.

    Raises:
        UsageError: an unknown name; the message names the closest and all that are allowed. Or a file that holds no
            architecture.

    >>> spec("EfficientNetB4").image_size, spec("tf_efficientnetv2_b0").name
    (380, 'v2-b0')
    """
    if isinstance(variant, Spec):
        return variant
    if variant.lower().endswith(ENDING):
        return _own(read_spec(variant), variant)
    if variant.startswith("{"):
        return _own(spec_from_text(variant), "the text")
    name = variant.strip().lower().replace("_", "-")
    for pattern, replacement in _ALIASES:
        name = pattern.sub(replacement, name)
    known = SPECS.get(name) or tiny.SPECS.get(name)
    if known is None:
        raise unknown_name("variant", variant, SPECS)
    return known


def variant_text(variant: str | Spec) -> str:
    """Return what names an architecture wherever it is read: its name in the zoo, or all of it as text.

    >>> variant_text("efficientnet-b0")
    'b0'
    """
    architecture = spec(variant)
    known = SPECS.get(architecture.name) or tiny.SPECS.get(architecture.name)
    return architecture.name if architecture == known else spec_text(architecture, indent=False)


def variant_name(variant: str) -> str:
    """Return what to call a variant: a text of an architecture by the name in it, anything else as it is.

    >>> variant_name(spec_text(spec("b0").replace(name="wide", width=2.0))), variant_name("ResNet152")
    ('wide', 'ResNet152')
    """
    return spec(variant).name if variant.startswith("{") else variant


def _own(architecture: Spec, source: str) -> Spec:
    """Return an architecture from outside, which may bear a name of the zoo only if it is that network."""
    known = SPECS.get(architecture.name) or tiny.SPECS.get(architecture.name)
    if known not in (None, architecture):
        raise UsageError(f"{source} calls another network {architecture.name!r}, a name of the zoo; give it its own.")
    return architecture
