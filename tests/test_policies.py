"""The policies' tables and what their levels mean, against the official code's figures written down a second time."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from efficientnet_tf.augment.policies.levels import OPERATIONS, SPACES, number_of
from efficientnet_tf.augment.policies.tables import AUGMIX, POLICIES, RANDAUGMENT, TRIVIALAUGMENT
from efficientnet_tf.errors import UsageError

# Sub-policies by `|`, their two operations by `,`: name, probability, level.
EXPECTED = {
    "v0": (
        "Equalize .8 1, ShearY .8 4 | Color .4 9, Equalize .6 3 | Color .4 1, Rotate .6 8 | "
        "Solarize .8 3, Equalize .4 7 | Solarize .4 2, Solarize .6 2 | Color .2 0, Equalize .8 8 | "
        "Equalize .4 8, SolarizeAdd .8 3 | ShearX .2 9, Rotate .6 8 | Color .6 1, Equalize 1.0 2 | "
        "Invert .4 9, Rotate .6 0 | Equalize 1.0 9, ShearY .6 3 | Color .4 7, Equalize .6 0 | "
        "Posterize .4 6, AutoContrast .4 7 | Solarize .6 8, Color .6 9 | Solarize .2 4, Rotate .8 9 | "
        "Rotate 1.0 7, TranslateY .8 9 | ShearX 0 0, Solarize .8 4 | ShearY .8 0, Color .6 4 | "
        "Color 1.0 0, Rotate .6 2 | Equalize .8 4, Equalize 0 8 | Equalize 1.0 4, AutoContrast .6 2 | "
        "ShearY .4 7, SolarizeAdd .6 7 | Posterize .8 2, Solarize .6 10 | Solarize .6 8, Equalize .6 1 | "
        "Color .8 6, Rotate .4 5"
    ),
    "reduced_imagenet": (
        "Posterize .4 8, Rotate .6 9 | Solarize .6 5, AutoContrast .6 5 | Equalize .8 8, Equalize .6 3 | "
        "Posterize .6 7, Posterize .6 6 | Equalize .4 7, Solarize .2 4 | Equalize .4 4, Rotate .8 8 | "
        "Solarize .6 3, Equalize .6 7 | Posterize .8 5, Equalize 1 2 | Rotate .2 3, Solarize .6 8 | "
        "Equalize .6 8, Posterize .4 6 | Rotate .8 8, Color .4 0 | Rotate .4 9, Equalize .6 2 | "
        "Equalize 0 7, Equalize .8 8 | Invert .6 4, Equalize 1 8 | Color .6 4, Contrast 1 8 | "
        "Rotate .8 8, Color 1 2 | Color .8 8, Solarize .8 7 | Sharpness .4 7, Invert .6 8 | "
        "ShearX .6 5, Equalize 1 9 | Color .4 0, Equalize .6 3 | Equalize .4 7, Solarize .2 4 | "
        "Solarize .6 5, AutoContrast .6 5 | Invert .6 4, Equalize 1 8 | Color .6 4, Contrast 1 8 | "
        "Equalize .8 8, Equalize .6 3"
    ),
    "reduced_cifar10": (
        "Invert .1 7, Contrast .2 6 | Rotate .7 2, TranslateX .3 9 | Sharpness .8 1, Sharpness .9 3 | "
        "ShearY .5 8, TranslateY .7 9 | AutoContrast .5 8, Equalize .9 2 | ShearY .2 7, Posterize .3 7 | "
        "Color .4 3, Brightness .6 7 | Sharpness .3 9, Brightness .7 9 | Equalize .6 5, Equalize .5 1 | "
        "Contrast .6 7, Sharpness .6 5 | Color .7 7, TranslateX .5 8 | Equalize .3 7, AutoContrast .4 8 | "
        "TranslateY .4 3, Sharpness .2 6 | Brightness .9 6, Color .2 8 | Solarize .5 2, Invert 0 3 | "
        "Equalize .2 0, AutoContrast .6 0 | Equalize .2 8, Equalize .6 4 | Color .9 9, Equalize .6 6 | "
        "AutoContrast .8 4, Solarize .2 8 | Brightness .1 3, Color .7 0 | Solarize .4 5, AutoContrast .9 3 | "
        "TranslateY .9 9, TranslateY .7 9 | AutoContrast .9 2, Solarize .8 3 | Equalize .8 8, Invert .1 3 | "
        "TranslateY .7 9, AutoContrast .9 1"
    ),
    "svhn": (
        "ShearX .9 4, Invert .2 3 | ShearY .9 8, Invert .7 5 | Equalize .6 5, Solarize .6 6 | "
        "Invert .9 3, Equalize .6 3 | Equalize .6 1, Rotate .9 3 | ShearX .9 4, AutoContrast .8 3 | "
        "ShearY .9 8, Invert .4 5 | ShearY .9 5, Solarize .2 6 | Invert .9 6, AutoContrast .8 1 | "
        "Equalize .6 3, Rotate .9 3 | ShearX .9 4, Solarize .3 3 | ShearY .8 8, Invert .7 4 | "
        "Equalize .9 5, TranslateY .6 6 | Invert .9 4, Equalize .6 7 | Contrast .3 3, Rotate .8 4 | "
        "Invert .8 5, TranslateY 0 2 | ShearY .7 6, Solarize .4 8 | Invert .6 4, Rotate .8 4 | "
        "ShearY .3 7, TranslateX .9 3 | ShearX .1 6, Invert .6 5 | Solarize .7 2, TranslateY .6 7 | "
        "ShearY .8 4, Invert .8 8 | ShearX .7 9, TranslateY .8 3 | ShearY .8 5, AutoContrast .7 3 | "
        "ShearX .7 2, Invert .1 5"
    ),
    "test": "TranslateX 1.0 4, Equalize 1.0 10",
}
ROWS = {"v0": 25, "reduced_imagenet": 25, "reduced_cifar10": 25, "svhn": 25, "test": 1}

WITHOUT_ARGUMENT = ("Identity", "AutoContrast", "Equalize", "Invert")
STRENGTHS = ("Color", "Contrast", "Brightness", "Sharpness")
SIGNED = {"Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"}
OF_SIDE = {"TranslateX", "TranslateY", "Cutout"}

# What levels 0, 1 ... 10 mean: the figures of the official code's comments and constants.
OFFICIAL: dict[str, tuple[float, ...]] = {
    "Posterize": (0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4),
    "Solarize": (0, 25, 51, 76, 102, 128, 153, 179, 204, 230, 256),
    "SolarizeAdd": (0, 11, 22, 33, 44, 55, 66, 77, 88, 99, 110),
    **dict.fromkeys(STRENGTHS, (0.1, 0.28, 0.46, 0.64, 0.82, 1.0, 1.18, 1.36, 1.54, 1.72, 1.9)),
    "Rotate": (0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30),
    **dict.fromkeys(("ShearX", "ShearY"), (0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18, 0.21, 0.24, 0.27, 0.3)),
    **dict.fromkeys(("TranslateX", "TranslateY"), (0, 25, 50, 75, 100, 125, 150, 175, 200, 225, 250)),
    "Cutout": (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100),
}
LEVELS: dict[str, dict[str, tuple[float, ...]]] = {
    "legacy": OFFICIAL,
    "legacy_randaugment": OFFICIAL
    | dict.fromkeys(("TranslateX", "TranslateY"), (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100))
    | {"Cutout": (0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40)},
    "fixed": OFFICIAL
    | {"Posterize": (1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4)}
    | dict.fromkeys(("TranslateX", "TranslateY"), (0, 0.045, 0.09, 0.135, 0.18, 0.225, 0.27, 0.315, 0.36, 0.405, 0.45))
    | {"Cutout": tuple(4 * level / 224 for level in range(11))},
}
LEVELS["increasing"] = (
    LEVELS["fixed"]
    | {
        # timm: 4 - int(0.4 level), but one bit at least; 256 - int(25.6 level).
        "Posterize": (4, 4, 4, 3, 3, 2, 2, 2, 1, 1, 1),
        "Solarize": (256, 231, 205, 180, 154, 128, 103, 77, 52, 26, 0),
    }
    | dict.fromkeys(STRENGTHS, (1, 1.09, 1.18, 1.27, 1.36, 1.45, 1.54, 1.63, 1.72, 1.81, 1.9))
)


def parsed(text: str) -> tuple[tuple[tuple[str, float, int], ...], ...]:
    rows = [[operation.split() for operation in row.split(", ")] for row in text.split(" | ")]
    return tuple(tuple((name, float(share), int(level)) for name, share, level in row) for row in rows)


@pytest.mark.parametrize("name", POLICIES)
def test_policies_are_the_published_ones(name: str) -> None:
    assert len(POLICIES[name]) == ROWS[name]
    assert POLICIES[name] == parsed(EXPECTED[name])


def test_policies_are_all_here() -> None:
    assert tuple(POLICIES) == tuple(EXPECTED)


def test_what_is_drawn_from() -> None:
    assert " ".join(RANDAUGMENT) == (
        "AutoContrast Equalize Invert Rotate Posterize Solarize Color Contrast "
        "Brightness Sharpness ShearX ShearY TranslateX TranslateY Cutout SolarizeAdd"
    )
    assert set(TRIVIALAUGMENT) == set(RANDAUGMENT) - {"Invert", "Cutout", "SolarizeAdd"} | {"Identity"}
    assert len(TRIVIALAUGMENT) == 14
    # Nothing that ImageNet-C has among its corruptions.
    assert set(AUGMIX) == set(TRIVIALAUGMENT) - {"Identity", *STRENGTHS}
    assert len(AUGMIX) == 9


def test_every_space_has_every_operation() -> None:
    assert set(SPACES) == {*LEVELS, "wide", "augmix"}
    for space in SPACES.values():
        assert tuple(space) == OPERATIONS


@pytest.mark.parametrize("space", LEVELS)
@pytest.mark.parametrize("level", range(11))
def test_levels_0_to_10(space: str, level: int) -> None:
    expected = {name: values[level] for name, values in LEVELS[space].items()} | dict.fromkeys(WITHOUT_ARGUMENT, 0.0)
    found = {name: ramp.at(level) for name, ramp in SPACES[space].items()}
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)
    for name in ("Posterize", "Solarize", "SolarizeAdd"):
        assert found[name] == int(found[name])


@pytest.mark.parametrize("space", SPACES)
def test_what_has_two_directions(space: str) -> None:
    around_one = set(STRENGTHS) if space in ("increasing", "wide") else set()
    ramps = SPACES[space]
    assert {name for name, ramp in ramps.items() if ramp.signed} == SIGNED | around_one
    for name in SIGNED:
        assert ramps[name].at(7, -1) == -ramps[name].at(7)
    for name in around_one:
        assert ramps[name].at(7, -1) == pytest.approx(2 - ramps[name].at(7))
    for name in set(OPERATIONS) - SIGNED - around_one:
        assert not ramps[name].signed


@pytest.mark.parametrize("space", SPACES)
def test_what_is_a_share_of_a_side(space: str) -> None:
    expected = set() if space.startswith("legacy") else OF_SIDE
    assert {name for name, ramp in SPACES[space].items() if ramp.of_side} == expected


def test_randaugment_beyond_10_is_kept_inside_unless_legacy() -> None:
    """At 28, the magnitude of the official B7, three arguments leave their ranges."""
    legacy, fixed = SPACES["legacy_randaugment"], SPACES["fixed"]
    of_28 = {"Posterize": (11, 8), "Solarize": (716, 256), "SolarizeAdd": (308, 255)}
    assert {name: (legacy[name].at(28), fixed[name].at(28)) for name in of_28} == of_28
    assert (legacy["TranslateX"].at(28), legacy["Cutout"].at(28)) == (280, 112)
    for space in (legacy, fixed):
        assert space["Color"].at(28) == pytest.approx(5.14)
        assert (space["Rotate"].at(28), space["ShearY"].at(28)) == pytest.approx((84, 0.84))


def test_increasing_keeps_a_tenth_of_the_picture_beyond_10() -> None:
    for name in STRENGTHS:
        ramp = SPACES["increasing"][name]
        assert [ramp.at(level, -1) for level in (0, 5, 10, 11, 30)] == pytest.approx([1, 0.55, 0.1, 0.1, 0.1])
        assert ramp.at(30) == pytest.approx(3.7)
    assert [SPACES["increasing"][name].at(30) for name in ("Posterize", "Solarize")] == [1, 0]


def test_wide_has_the_31_strengths_of_trivialaugment() -> None:
    strengths = np.arange(31)
    expected = {
        **dict.fromkeys(WITHOUT_ARGUMENT, np.zeros(31)),
        **dict.fromkeys(("ShearX", "ShearY"), np.linspace(0, 0.99, 31)),
        **dict.fromkeys(("TranslateX", "TranslateY"), np.linspace(0, 32, 31) / 224),
        "Rotate": np.linspace(0, 135, 31),
        **dict.fromkeys(STRENGTHS, 1 + np.linspace(0, 0.99, 31)),
        "Posterize": 8 - np.round(strengths / 5),
        # The paper's code: 256 - int(256 strength / 30).
        "Solarize": 256 - np.floor(256 * strengths / 30),
    }
    ramps = {name: ramp for name, ramp in SPACES["wide"].items() if name in {*TRIVIALAUGMENT, "Invert"}}
    assert set(ramps) == set(expected)
    for name, values in expected.items():
        found = [ramps[name].at(strength / 3) for strength in strengths]
        np.testing.assert_allclose(found, values, rtol=1e-12, atol=1e-12, err_msg=name)


def test_wide_is_torchvision_s_but_for_a_level_of_grey_in_solarize() -> None:
    theirs = np.linspace(255.0, 0.0, 31)
    ours = np.array([SPACES["wide"]["Solarize"].at(strength / 3) for strength in range(31)])
    # Their thresholds are fractions: a value is inverted from the next whole number on.
    assert np.abs(ours - np.ceil(theirs)).max() <= 1


def test_augmix_ranges() -> None:
    ramps = SPACES["augmix"]
    found = {name: tuple(round(ramps[name].at(level), 6) for level in (0.1, 1, 3, 10)) for name in AUGMIX}
    assert found == {
        **dict.fromkeys(("AutoContrast", "Equalize"), (0, 0, 0, 0)),
        "Posterize": (4, 4, 3, 1),
        "Solarize": (254, 231, 180, 0),
        "Rotate": (0.3, 3, 9, 30),
        **dict.fromkeys(("ShearX", "ShearY"), (0.003, 0.03, 0.09, 0.3)),
        **dict.fromkeys(("TranslateX", "TranslateY"), (0.003333, 0.033333, 0.1, 0.333333)),
    }


def test_fractions_of_levels_are_cut_off() -> None:
    ramp = SPACES["fixed"]["Posterize"]
    assert [ramp.at(level) for level in (2.49, 4.99, 5.0, 7.49, 7.5)] == [1, 1, 2, 2, 3]
    assert SPACES["fixed"]["Rotate"].at(2.5) == 7.5


def test_numbers_of_operations() -> None:
    assert [number_of(name) for name in OPERATIONS] == list(range(17))
    with pytest.raises(UsageError) as caught:
        number_of("Sheer")
    assert str(caught.value) == f"Unknown operation 'Sheer'. Did you mean 'ShearY'? Allowed: {', '.join(OPERATIONS)}."


def test_every_argument_is_a_finite_number() -> None:
    for space in SPACES.values():
        for ramp in space.values():
            assert all(math.isfinite(ramp.at(level, sign)) for level in range(31) for sign in (1, -1))


def test_policies_are_of_the_standard_library_alone() -> None:
    program = (
        "import sys; from efficientnet_tf.augment.policies import grammar, levels, tables; "
        "grammar.Plan.parse('autoaugment:legacy+mixup:0.2'); "
        "print(sorted({'tensorflow', 'keras', 'numpy', 'absl'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout == "[]\n"
