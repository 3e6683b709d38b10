"""Inner maps for backbones, and freezing."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest

import efficientnet_tf as efn
from efficientnet_tf.errors import UsageError


# The last map of each reduction: channels in the official tables of stages.
@pytest.mark.parametrize(
    ("variant", "channels", "last_blocks"),
    [
        ("b0", (16, 24, 40, 112, 320), ("block1a", "block2b", "block3b", "block5c", "block7a")),
        ("v2-b0", (16, 32, 48, 112, 192), ("block1a", "block2b", "block3b", "block5e", "block6h")),
        ("edgetpu-s", (24, 32, 48, 144, 192), ("block1a", "block2b", "block3d", "block5d", "block6b")),
        ("mobilenetv1", (64, 128, 256, 512, 1024), ("block1a", "block2b", "block3b", "block4f", "block5b")),
        ("resnet50", (64, 256, 512, 1024, 2048), ("stem", "block1c", "block2d", "block3f", "block4c")),
    ],
)
def test_reductions(variant, channels, last_blocks):
    model = efn.EfficientNet(variant, weights=None, image_size=64)
    found = efn.endpoints(model)
    for level, (width, name) in enumerate(zip(channels, last_blocks, strict=True), start=1):
        tensor = found[f"reduction_{level}"]
        assert tensor.shape[1:] == (64 // 2**level, 64 // 2**level, width)
        assert tensor is found[name]
    assert found["features"] is found["reduction_5"]


def test_a_feature_pyramid_of_any_size():
    model = efn.EfficientNet("tiny", weights=None, input_shape=(None, None, 3), include_top=False)
    found = efn.endpoints(model)
    assert [name for name in found if name.startswith("block")] == [
        "block1a",
        "block2a",
        "block2b",
        "block3a",
        "block3b",
    ]
    pyramid = keras.Model(model.input, [found["reduction_2"], found["reduction_3"]])
    shapes = [tuple(output.shape) for output in pyramid(np.zeros((1, 64, 96, 3), np.uint8))]
    assert shapes == [(1, 16, 24, 16), (1, 8, 12, 24)]


def test_a_model_without_blocks():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)], name="plain")
    message = "endpoints need a network with blocks, such as EfficientNet's; 'plain' has none."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        efn.endpoints(model)


@pytest.fixture
def tiny():
    return efn.EfficientNet("tiny", weights=None)


def trains(model: keras.Model) -> set[str]:
    return {layer.name for layer in model.layers if layer.trainable and layer.trainable_weights}


@pytest.mark.parametrize(
    ("until", "first"), [("none", "stem_conv"), ("stem", "block1a_dwconv"), ("block2", "block3a_expand_conv"),
                         ("block2a", "block2b_expand_conv"), ("top", "predictions")],
)  # fmt: skip
def test_freeze(tiny, until, first):
    efn.freeze(tiny, until)
    names = [layer.name for layer in tiny.layers if layer.name in trains(tiny)]
    assert names[0] == first
    assert not any(name.endswith("bn") for name in names)


def test_freeze_and_batch_normalisation(tiny):
    efn.freeze(tiny, "block2", batch_norm="follow")
    assert "block3a_bn" in trains(tiny)
    assert "block2b_bn" not in trains(tiny)
    efn.freeze(tiny, "top", batch_norm="train")
    assert "stem_bn" in trains(tiny)
    assert "stem_conv" not in trains(tiny)
    total = sum(
        bool(layer.get_weights()) for layer in efn.EfficientNet("tiny", weights=None, survival_probability=1.0).layers
    )
    assert efn.freeze(efn.EfficientNet("tiny", weights=None, survival_probability=1.0), "top") == total - 1


def test_row_names_end_where_letters_begin():
    deep = efn.spec("tiny").replace(blocks=efn.spec("tiny").blocks[:1] + efn.spec("tiny").blocks[1:2] * 10)
    model = efn.EfficientNet(deep, weights=None, image_size=64)
    efn.freeze(model, "block1")
    assert "block10a_dwconv" in trains(model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"until": "block9"},
            "Unknown layer to freeze until 'block9'. Did you mean 'block3'? "
            "Allowed: none, stem, block1, block2, block3, top.",
        ),
        ({"batch_norm": "frozn"}, "Unknown batch_norm 'frozn'. Did you mean 'frozen'? Allowed: frozen, follow, train."),
    ],
)
def test_wrong_names(tiny, arguments, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        efn.freeze(tiny, **arguments)
