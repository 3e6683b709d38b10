"""Architectures against the official figures."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from efficientnet_tf import specs
from efficientnet_tf.benchmarking.official import OFFICIAL
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs.rounding import round_filters

STAGES = {
    "b0": ((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), 32, 1280),
    "b3": ((24, 32, 48, 96, 136, 232, 384), (2, 3, 3, 5, 5, 6, 2), 40, 1536),
    "b7": ((32, 48, 80, 160, 224, 384, 640), (4, 7, 7, 10, 10, 13, 4), 64, 2560),
    "lite2": ((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1), 32, 1280),
    "lite4": ((24, 32, 56, 112, 160, 272, 448), (1, 4, 4, 6, 6, 8, 1), 32, 1280),
    "l2": ((72, 104, 176, 344, 480, 824, 1376), (6, 11, 11, 16, 16, 22, 6), 136, 5504),
    "edgetpu-l": ((32, 40, 56, 112, 176, 232), (2, 3, 6, 7, 6, 3), 40, 1536),
    "v2-b2": ((16, 32, 56, 104, 120, 208), (2, 3, 3, 4, 6, 10), 32, 1408),
    "v2-b3": ((16, 40, 56, 112, 136, 232), (2, 3, 3, 5, 7, 12), 40, 1536),
    "mobilenetv1": ((64, 128, 256, 512, 1024), (1, 2, 2, 6, 2), 32, 1024),
    "resnet50": ((256, 512, 1024, 2048), (3, 4, 6, 3), 64, 2048),
}


@pytest.mark.parametrize("variant", OFFICIAL)
def test_count_equals_the_official_figures(variant):
    official, counted = OFFICIAL[variant], specs.count(variant)
    assert counted.trainable == official.trainable
    if official.total is None:  # the official README gives no more
        return
    assert counted.total == official.total
    printed = official.madds.removesuffix("B")
    assert f"{counted.madds / 1e9:.{len(printed.partition('.')[2])}f}" == printed


def test_every_variant_has_official_figures():
    assert specs.list_variants() == list(OFFICIAL)


@pytest.mark.parametrize("variant", STAGES)
def test_stages_equal_the_official_tables(variant):
    widths, repeats, stem, head = STAGES[variant]
    architecture = specs.spec(variant)
    blocks = list(architecture.expand())
    last_of_stage = {block.name[5]: block.filters_out for block in blocks}
    assert tuple(last_of_stage.values()) == widths
    assert architecture.repeats == repeats
    assert (architecture.stem_filters, architecture.head_filters) == (stem, head)


def test_blocks_of_b0():
    blocks = list(specs.spec("b0").expand())
    assert [block.name for block in blocks[:4]] == ["block1a_", "block2a_", "block2b_", "block3a_"]
    assert [block.strides for block in blocks] == [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
    # The squeeze is a quarter of what enters the block, not of the expanded width.
    assert (blocks[1].filters_in, blocks[1].filters_expanded, blocks[1].filters_squeezed) == (16, 96, 4)
    assert [block.has_skip for block in blocks[:4]] == [False, False, True, False]
    survival = [block.survival_probability for block in blocks]
    assert survival[0] == 1.0
    assert survival[15] == pytest.approx(1 - 0.2 * 15 / 16, abs=1e-12)


def test_stages_longer_than_the_alphabet_have_names_of_their_own():
    import dataclasses

    deep = dataclasses.replace(specs.spec("b0"), depth=30.0)
    names = [block.name for block in deep.expand()]
    assert len(set(names)) == len(names) == sum(deep.repeats)


def test_rounding_never_falls_below_ninety_percent():
    assert round_filters(10, 1.15) == 16  # 11.5 rounds to 8, which is less than 90 % of it


def test_classes_and_image_size_change_the_count():
    b0 = specs.count("b0")
    small = specs.count("b0", classes=5, image_size=112)
    assert b0.trainable - small.trainable == 1281 * 995
    assert 3.5 < b0.madds / small.madds < 4.5


def test_mixing_kernels_is_counted():
    four, eight = specs.count("condconv-4e"), specs.count("condconv-8e")
    # The official README counts 402 and 413 million with some operations more: their difference is the mixing.
    assert (eight.madds - four.madds) / 1e6 == pytest.approx(413 - 402, abs=0.5)


def test_narrow_networks_keep_the_head_of_mobilenetv2():
    narrow = {"width": 0.5}
    assert specs.spec("mobilenetv2").replace(**narrow).head_filters == 1280
    assert specs.spec("b0").replace(**narrow).head_filters == 640
    assert specs.spec("mobilenetv2").replace(width=2.0).head_filters == 2560


@pytest.mark.parametrize(("field", "value"), [("width", 0.0), ("depth", -1.0), ("width", float("nan"))])
def test_impossible_coefficients(field, value):
    with pytest.raises(UsageError, match=rf"^{field} must be above 0, got {value}\.$"):
        specs.spec("b0").replace(**{field: value})


def test_tiny_is_there_and_not_shown():
    assert "tiny" not in specs.list_variants()
    assert specs.count("tiny").trainable < 20_000


@pytest.mark.parametrize(
    ("alias", "variant"),
    [
        ("EfficientNetV2B0", "v2-b0"),
        ("tf_efficientnetv2_s", "v2-s"),
        ("efficientnet_v2_l", "v2-l"),
        ("tf_efficientnet_es", "edgetpu-s"),
        ("efficientnet-edgetpu-M", "edgetpu-m"),
        ("efficientnet-condconv-b0-8e-depth", "condconv-8e-depth"),
        ("tf_efficientnet_cc_b1_8e", "condconv-8e-depth"),
        ("MobileNet", "mobilenetv1"),
        ("mobilenet_v2", "mobilenetv2"),
        ("ResNet50", "resnet50"),
    ],
)
def test_names_of_other_projects(alias, variant):
    assert specs.spec(alias) is specs.spec(variant)


@pytest.mark.parametrize(
    "alias", ["efficientnet-lite0", "tf_efficientnet_lite0", "EfficientNetLite0", "LITE0", "lite0"]
)
def test_aliases(alias):
    assert specs.spec(alias) is specs.spec("lite0")


def test_unknown_variant_names_the_closest():
    allowed = ", ".join(OFFICIAL)
    assert "b8, l2, lite0" in allowed
    message = f"Unknown variant 'lit0'. Did you mean 'lite0'? Allowed: {allowed}."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        specs.spec("lit0")


def test_preprocessing_of_the_families():
    b0 = specs.preprocessing_for("b0")
    red = 255 * b0.scale[0] + b0.offset[0]
    assert red == pytest.approx((1 - 0.485) / 0.229, abs=1e-9)
    assert [specs.preprocessing_for(f"v2-{size}").crop for size in ("b3", "s")] == ["center", "none"]
    assert specs.preprocessing_for("v2-s", 300).crop == "center"
    lite = specs.preprocessing_for("lite1", image_size=(256, 192))
    assert (lite.image_size, lite.scale, lite.offset) == ((256, 192), (1 / 128,) * 3, (-127 / 128,) * 3)
    assert specs.Preprocessing.from_json(lite.to_json()) == lite


def test_preprocessing_errors():
    with pytest.raises(UsageError, match=r"^image_size must be at least 32 pixels, got 8\.$"):
        specs.preprocessing_for("b0", 8)
    with pytest.raises(UsageError, match=r"^Unknown interpolation 'cubic'\. Did you mean 'bicubic'\? Allowed: "):
        specs.Preprocessing(image_size=(224, 224), interpolation="cubic")
    with pytest.raises(UsageError, match=r"^Unknown preprocessing field 'sizes'\."):
        specs.Preprocessing.from_json({"sizes": [1, 2]})


def test_specs_need_no_tensorflow():
    code = "import sys, efficientnet_tf.specs; print([m for m in ('tensorflow', 'keras', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
