"""Every architecture that a search may choose can be built, and is what its rows count."""

from __future__ import annotations

import itertools

import pytest

from efficientnet_tf.benchmarking.keras_count import count_built
from efficientnet_tf.pretrained import EfficientNet
from efficientnet_tf.search.candidates import digest_of
from efficientnet_tf.search.space import CONVOLUTIONS, SE_RATIOS, SKIPS, Space
from efficientnet_tf.specs import Block, activation_bytes, count, scale, spec

BASE = spec("tiny").replace(name="two", blocks=(Block(2, 3, 2, 6, 16, 0.25), Block(2, 5, 1, 6, 32, 0.25)))


@pytest.mark.parametrize(
    ("convolution", "se_ratio", "skip"), list(itertools.product(CONVOLUTIONS, SE_RATIOS, SKIPS)), ids=str
)
def test_each_block_is_built_as_it_is_counted(convolution, se_ratio, skip):
    space = Space(BASE)
    chosen = space.choice_of(BASE)
    for stage in (1, 2):
        chosen |= {
            f"stage{stage}_convolution": convolution,
            f"stage{stage}_se_ratio": se_ratio,
            f"stage{stage}_skip": skip,
        }
    network = space.architecture(chosen, "chosen")
    model = EfficientNet(network, weights=None)
    assert count_built(lambda: model) == count(network)
    names = [layer.name for layer in model.layers]
    assert any(name.endswith("se_excite") for name in names) == bool(se_ratio)
    assert any(name.endswith("_add") for name in names) == skip
    plain = space.architecture({**chosen, "stage1_se_ratio": 0.0, "stage2_se_ratio": 0.0}, "plain")
    assert (activation_bytes(network) > activation_bytes(plain)) == bool(se_ratio)


def test_networks_that_are_built_alike_have_the_same_digest():
    b0 = spec("b0")
    assert digest_of(scale(b0, depth=1.3)) == digest_of(scale(b0, depth=1.33)) != digest_of(scale(b0, depth=1.4))
    assert digest_of(scale(b0, width=1.001)) == digest_of(b0) == digest_of(b0.replace(name="other"))
    # A skip over a block that changes the map's shape is none.
    one = b0.replace(blocks=(Block(1, 3, 2, 6, 16),))
    assert digest_of(one) == digest_of(one.replace(blocks=(Block(1, 3, 2, 6, 16, skip=False),)))
    for changed in (
        b0.replace(image_size=256),
        b0.replace(dropout=0.3),
        b0.replace(activation="relu"),
        b0.replace(blocks=(*b0.blocks[:6], Block(1, 5, 1, 6, 320, 0.25))),
        b0.replace(blocks=(*b0.blocks[:6], Block(1, 3, 1, 6, 320, 0.0))),
    ):
        assert digest_of(changed) != digest_of(b0)
