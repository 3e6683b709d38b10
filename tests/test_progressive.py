"""Progressive learning: the stages of every EfficientNetV2 against the released code's own arithmetic."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from efficientnet_tf.augment.policies.grammar import AutoAugment, CutMix, MixUp, Plan, RandAugment
from efficientnet_tf.config import TrainConfig
from efficientnet_tf.errors import UsageError
from efficientnet_tf.training.progressive import LAST_STAGES, Stage, stages

# The released effnetv2_configs.py: size of training, dropout, level of RandAugment, alpha of mixing; None: AutoAugment.
RELEASED = {
    "v2-b0": (192, 0.2, None, 0),
    "v2-b1": (192, 0.2, None, 0),
    "v2-b2": (208, 0.3, None, 0),
    "v2-b3": (240, 0.3, None, 0),
    "v2-s": (300, 0.2, 10, 0),
    "v2-m": (384, 0.3, 15, 0.2),
    "v2-l": (384, 0.4, 20, 0.5),
    "v2-xl": (384, 0.4, 20, 0.5),
}


def of(variant: str = "v2-s", epochs: int = 350, **settings: object) -> tuple[Stage, ...]:
    return stages(TrainConfig(variant=variant, **{"recipe": "imagenet-v2", **settings}).resolve(), epochs)


def test_sizes_that_are_published():
    assert [stage.image_size for stage in of("v2-s")] == [171, 214, 257, 300]


def test_every_variant_has_a_last_stage():
    assert set(LAST_STAGES) == set(RELEASED)


@pytest.mark.parametrize("variant", RELEASED)
def test_stages_of_the_released_code(variant):
    size, dropout, level, alpha = RELEASED[variant]
    found = of(variant)
    assert [stage.image_size for stage in found] == [int(128 + (size - 128) * (i + 1) / 4) for i in range(4)]
    np.testing.assert_allclose([stage.dropout for stage in found], np.linspace(0.1, dropout, 4))
    plans = [Plan.parse(stage.augment) for stage in found]
    if level is None:
        assert plans == [Plan((AutoAugment(legacy=True),))] * 4
        return
    levels = [plan.stages[0].m for plan in plans]
    np.testing.assert_allclose(levels, np.linspace(5, level, 4), rtol=1e-5)
    assert all(plan.stages == (RandAugment(n=2, m=m, legacy=True),) for plan, m in zip(plans, levels, strict=True))
    alphas = np.linspace(0, alpha, 4)
    assert plans[0].mixes == ()
    for plan, expected in zip(plans[1:], alphas[1:], strict=True):
        assert [type(mix) for mix in plan.mixes] == ([MixUp, CutMix] if alpha else [])
        np.testing.assert_allclose([mix.alpha for mix in plan.mixes], expected, rtol=1e-5)


@pytest.mark.parametrize(("epochs", "count"), [(350, 4), (4, 4), (7, 3), (2, 2), (90, 1)])
def test_stages_cover_the_epochs(epochs, count):
    found = of(epochs=epochs, stages=count)
    assert len(found) == count
    assert [stage.first_epoch for stage in found] == [epochs * i // count for i in range(count)]
    assert sum(stage.epochs for stage in found) == epochs
    for before, after in itertools.pairwise(found):
        assert before.first_epoch + before.epochs == after.first_epoch


def test_one_stage_is_the_configuration_as_it_is():
    assert of("b0", 20, stages=1, augment="augmix", image_size=160, dropout=0.4) == (Stage(0, 20, 160, 0.4, "augmix"),)
    assert of("v2-s", 20, recipe="finetune") == (Stage(0, 20, 384, 0.2, "autoaugment"),)


def test_the_user_decides_how_it_ends():
    found = of(
        stages=3, image_size=256, dropout=0.5, augment="randaugment:n=1,m=11,std=0.5,increasing+mixup+erasing:p=0.1"
    )
    assert [stage.image_size for stage in found] == [170, 213, 256]
    assert [stage.dropout for stage in found] == pytest.approx([0.1, 0.3, 0.5])
    assert [stage.augment for stage in found] == [
        "randaugment:n=1,m=5,std=0.5,increasing+erasing:p=0.1",
        "randaugment:n=1,m=8,std=0.5,increasing+mixup:0.1+erasing:p=0.1",
        "randaugment:n=1,m=11,std=0.5,increasing+mixup:0.2+erasing:p=0.1",
    ]


def test_a_start_of_the_users_own():
    found = of(stages=2, augment="randaugment:start=2,m=9")
    assert [stage.augment for stage in found] == ["randaugment:n=2,m=2", "randaugment:n=2,m=9"]
    assert [stage.augment for stage in of(stages=2, augment="randaugment:m=3")] == ["randaugment:n=2,m=3"] * 2


def test_mixing_alone_begins_with_nothing():
    assert [stage.augment for stage in of(stages=2, augment="cutmix")] == ["none", "cutmix:1"]


def test_little_dropout_stays_as_it_is():
    assert [stage.dropout for stage in of(dropout=0.05)] == [0.05] * 4
    assert [stage.dropout for stage in of(dropout=0.0)] == [0.0] * 4


def test_other_variants_train_on_four_fifths_of_the_size():
    found = of("b4", stages=2)  # 380 pixels; 304 of them
    assert [stage.image_size for stage in found] == [216, 304]
    assert found[-1].augment == "randaugment:n=2,m=10,legacy"


def test_small_pictures_begin_with_half():
    assert [stage.image_size for stage in of(stages=4, image_size=64)] == [40, 48, 56, 64]


def test_more_stages_than_epochs():
    message = "stages must be at most the 3 epochs, got 4."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        of(epochs=3)
