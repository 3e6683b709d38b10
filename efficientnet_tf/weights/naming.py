"""What other projects call the layers of a network, as tables: ours on the left, theirs on the right."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from efficientnet_tf.specs import ExpandedBlock, Spec


@dataclasses.dataclass(frozen=True)
class Naming:
    """One project's names.

    Attributes:
        outside: of the layers outside the blocks; `{last}` is the number of rows plus one.
        block: of a block, from its `stage` and `stage0` (row from 1 and from 0), `repeat` and `index` (from 0).
        parts: of a block's layers, by the block's form; see `form`.
        separator: between a block, a layer and its variable.
        variables: of each kind of layer, in Keras' order: kernels and biases, batch normalisation.
        torch: whether tensors have PyTorch's layout: convolutions [out, in, height, width].
    """

    outside: Mapping[str, str]
    block: str
    parts: Mapping[str, Mapping[str, str]]
    separator: str
    variables: Mapping[str, tuple[str, ...]]
    torch: bool


TORCH_VARIABLES = {
    "kernel": ("weight", "bias"),
    "depthwise": ("weight",),
    "bn": ("weight", "bias", "running_mean", "running_var"),
    "experts": ("weight",),
    "depthwise_experts": ("weight",),
}

#: The official repositories, TensorFlow 1 (tensorflow/tpu and google/automl). Counters start anew in each block.
OFFICIAL = Naming(
    outside={
        "stem_conv": "stem/conv2d", "stem_bn": "stem/tpu_batch_normalization",
        "top_conv": "head/conv2d", "top_bn": "head/tpu_batch_normalization", "predictions": "head/dense",
    },
    block="blocks_{index}",
    parts={
        "mbconv": {
            "expand_conv": "conv2d", "expand_bn": "tpu_batch_normalization",
            "dwconv": "depthwise_conv2d", "bn": "tpu_batch_normalization_1",
            "se_reduce": "se/conv2d", "se_expand": "se/conv2d_1",
            "project_conv": "conv2d_1", "project_bn": "tpu_batch_normalization_2",
        },
        "mbconv, no expansion": {
            "dwconv": "depthwise_conv2d", "bn": "tpu_batch_normalization",
            "se_reduce": "se/conv2d", "se_expand": "se/conv2d_1",
            "project_conv": "conv2d", "project_bn": "tpu_batch_normalization_1",
        },
        "mbconv, experts": {
            "routing": "dense",
            "expand_conv": "cond_conv2d", "expand_bn": "tpu_batch_normalization",
            "dwconv": "depthwise_cond_conv2d", "bn": "tpu_batch_normalization_1",
            "se_reduce": "se/conv2d", "se_expand": "se/conv2d_1",
            "project_conv": "cond_conv2d_1", "project_bn": "tpu_batch_normalization_2",
        },
        "fused": {
            "expand_conv": "conv2d", "expand_bn": "tpu_batch_normalization",
            "project_conv": "conv2d_1", "project_bn": "tpu_batch_normalization_1",
        },
        "fused, no expansion": {"project_conv": "conv2d", "project_bn": "tpu_batch_normalization"},
    },
    separator="/",
    variables={
        "kernel": ("kernel", "bias"),
        "depthwise": ("depthwise_kernel",),
        "bn": ("gamma", "beta", "moving_mean", "moving_variance"),
        "experts": ("condconv_kernel",),
        "depthwise_experts": ("depthwise_condconv_kernel",),
    },
    torch=False,
)  # fmt: skip

#: timm's EfficientNets (timm/models/efficientnet.py and _efficientnet_blocks.py).
TIMM = Naming(
    outside={
        "stem_conv": "conv_stem", "stem_bn": "bn1",
        "top_conv": "conv_head", "top_bn": "bn2", "predictions": "classifier",
    },
    block="blocks.{stage0}.{repeat}",
    parts={
        "mbconv": {
            "expand_conv": "conv_pw", "expand_bn": "bn1", "dwconv": "conv_dw", "bn": "bn2",
            "se_reduce": "se.conv_reduce", "se_expand": "se.conv_expand",
            "project_conv": "conv_pwl", "project_bn": "bn3",
        },
        "mbconv, no expansion": {
            "dwconv": "conv_dw", "bn": "bn1",
            "se_reduce": "se.conv_reduce", "se_expand": "se.conv_expand",
            "project_conv": "conv_pw", "project_bn": "bn2",
        },
        "mbconv, experts": {
            "routing": "routing_fn",
            "expand_conv": "conv_pw", "expand_bn": "bn1", "dwconv": "conv_dw", "bn": "bn2",
            "se_reduce": "se.conv_reduce", "se_expand": "se.conv_expand",
            "project_conv": "conv_pwl", "project_bn": "bn3",
        },
        "fused": {"expand_conv": "conv_exp", "expand_bn": "bn1", "project_conv": "conv_pwl", "project_bn": "bn2"},
        "fused, no expansion": {"project_conv": "conv", "project_bn": "bn1"},
    },
    separator=".",
    variables=TORCH_VARIABLES,
    torch=True,
)  # fmt: skip

#: torchvision's EfficientNets (torchvision/models/efficientnet.py).
TORCHVISION = Naming(
    outside={
        "stem_conv": "features.0.0", "stem_bn": "features.0.1",
        "top_conv": "features.{last}.0", "top_bn": "features.{last}.1", "predictions": "classifier.1",
    },
    block="features.{stage}.{repeat}.block",
    parts={
        "mbconv": {
            "expand_conv": "0.0", "expand_bn": "0.1", "dwconv": "1.0", "bn": "1.1",
            "se_reduce": "2.fc1", "se_expand": "2.fc2", "project_conv": "3.0", "project_bn": "3.1",
        },
        "mbconv, no expansion": {
            "dwconv": "0.0", "bn": "0.1",
            "se_reduce": "1.fc1", "se_expand": "1.fc2", "project_conv": "2.0", "project_bn": "2.1",
        },
        "fused": {"expand_conv": "0.0", "expand_bn": "0.1", "project_conv": "1.0", "project_bn": "1.1"},
        "fused, no expansion": {"project_conv": "0.0", "project_bn": "0.1"},
    },
    separator=".",
    variables=TORCH_VARIABLES,
    torch=True,
)  # fmt: skip

#: torchvision's and timm's ResNets.
RESNET = Naming(
    outside={"stem_conv": "conv1", "stem_bn": "bn1", "predictions": "fc"},
    block="layer{stage}.{repeat}",
    parts={
        "bottleneck": {
            "shortcut_conv": "downsample.0", "shortcut_bn": "downsample.1",
            "reduce_conv": "conv1", "reduce_bn": "bn1", "conv": "conv2", "bn": "bn2",
            "project_conv": "conv3", "project_bn": "bn3",
        },
    },
    separator=".",
    variables=TORCH_VARIABLES,
    torch=True,
)  # fmt: skip

#: The EfficientNet-PyTorch package and the packages of Lite weights.
EFFICIENTNET_PYTORCH = Naming(
    outside={
        "stem_conv": "_conv_stem", "stem_bn": "_bn0", "top_conv": "_conv_head", "top_bn": "_bn1", "predictions": "_fc",
    },
    block="_blocks.{index}",
    parts={
        form: {
            "expand_conv": "_expand_conv", "expand_bn": "_bn0", "dwconv": "_depthwise_conv", "bn": "_bn1",
            "se_reduce": "_se_reduce", "se_expand": "_se_expand",
            "project_conv": "_project_conv", "project_bn": "_bn2",
        }
        for form in ("mbconv", "mbconv, no expansion")
    },
    separator=".",
    variables=TORCH_VARIABLES,
    torch=True,
)  # fmt: skip


def form(block: ExpandedBlock) -> str:
    """Return the key of a block in `Naming.parts`.

    >>> from efficientnet_tf.specs import spec
    >>> [form(block) for block in spec("tiny").expand()][:2]
    ['mbconv, no expansion', 'mbconv']
    """
    if block.row.experts:
        return f"{block.kind}, experts"
    return block.kind if block.expands else f"{block.kind}, no expansion"


def layer_names(spec: Spec, naming: Naming) -> Iterator[tuple[str, str]]:
    """Yield the name of every layer that has weights, ours and theirs, from the stem to the classifier.

    Raises:
        KeyError: the project has no such blocks.

    >>> from efficientnet_tf.specs import spec
    >>> list(layer_names(spec("b0"), TIMM))[2]
    ('block1a_dwconv', 'blocks.0.0.conv_dw')
    """
    outside = {name: theirs.format(last=len(spec.blocks) + 1) for name, theirs in naming.outside.items()}
    for name in ("stem_conv", "stem_bn"):
        yield name, outside[name]
    for block in spec.expand():
        places = {"stage": block.stage, "stage0": block.stage - 1, "repeat": block.repeat, "index": block.index}
        prefix, parts = naming.block.format(**places), naming.parts[form(block)]
        for part in block.parts():
            ours = spec.depthwise_name if part == "dwconv" else part
            yield f"{block.name}{ours}", f"{prefix}{naming.separator}{parts[part]}"
    for name in ("top_conv", "top_bn", "predictions") if spec.head_filters_base else ("predictions",):
        yield name, outside[name]
