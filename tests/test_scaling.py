"""Scaling: Equations 2 and 3, names, limits, and the phi of the published networks."""

from __future__ import annotations

import re

import pytest

import efficientnet_tf as efn
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Coefficients, count, list_variants, phi_of, scale, spec

# One of each family and kind of block.
BASES = ("b0", "lite0", "edgetpu-s", "condconv-4e", "v2-b0", "mobilenetv1", "mobilenetv2", "resnet50")


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("phi", [-1.5, 0.5, 1.0, 3.0])
def test_equation_3(base, phi):
    start, scaled = spec(base), scale(base, phi=phi)
    assert scaled.depth == start.depth * 1.2**phi
    assert scaled.width == start.width * 1.1**phi
    assert abs(scaled.image_size - start.image_size * 1.15**phi) <= 2
    assert scaled.image_size % 4 == 0
    assert scaled == start.replace(
        name=scaled.name, depth=scaled.depth, width=scaled.width, image_size=scaled.image_size
    )


def test_equation_3_by_hand():
    # phi 2: depth 1.44, width 1.21, resolution 1.3225 x 224 = 296.24.
    scaled = scale("b0", phi=2)
    assert scaled.image_size == 296
    assert scaled.repeats == (2, 3, 3, 5, 5, 6, 2)
    assert (scaled.stem_filters, scaled.head_filters) == (40, 1552)
    last = {block.stage: block.filters_out for block in scaled.expand()}
    assert list(last.values()) == [24, 32, 48, 96, 136, 232, 384]


@pytest.mark.parametrize("base", BASES)
def test_multiply_adds_about_double(base):
    ratio = count(scale(base, phi=7)).madds / count(scale(base, phi=3)).madds
    assert ratio == pytest.approx(1.92**4, rel=0.2)


@pytest.mark.parametrize("variant", list_variants())
def test_nothing_to_do_is_the_base_itself(variant):
    base = spec(variant)
    assert scale(variant, phi=0) is base
    assert scale(variant, width=1, depth=1.0, resolution=1) is base
    assert scale(base) is base
    assert scale(variant, width=1.5).image_size == base.image_size  # also where it is no multiple of 4


@pytest.mark.parametrize(
    ("base", "changes", "name"),
    [
        ("b0", {"phi": 1.5}, "b0-phi1.5"),
        ("EfficientNetB0", {"phi": 1}, "b0-phi1"),
        ("b0", {"phi": -0.25}, "b0-phi-0.25"),
        ("b0", {"phi": 2, "alpha": 1.3, "gamma": 1.1}, "b0-phi2-alpha1.3-gamma1.1"),
        ("resnet50", {"width": 2}, "resnet50-w2"),
        ("b0", {"resolution": 1.15, "width": 1.1, "depth": 1.2}, "b0-d1.2-w1.1-r1.15"),
        ("b0", {"width": 1.0, "depth": 2}, "b0-d2"),
        (scale("mobilenetv2", width=2), {"phi": 1}, "mobilenetv2-w2-phi1"),
    ],
)
def test_names(base, changes, name):
    assert scale(base, **changes).name == name
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name)


@pytest.mark.parametrize(
    ("base", "changes", "message"),
    [
        ("lit0", {"phi": 1}, r"Unknown variant 'lit0'\. Did you mean 'lite0'\? Allowed: b0, b1, .*"),
        ("b0", {"phi": float("nan")}, r"phi must be from -10 to 100, got nan\."),
        ("b0", {"phi": float("inf")}, r"phi must be from -10 to 100, got inf\."),
        ("b0", {"phi": -11}, r"phi must be from -10 to 100, got -11\."),
        ("b0", {"phi": 50}, r"depth can be scaled by more than 0 and at most 1000, got 9100\.44\."),
        ("b0", {"width": 0}, r"width can be scaled by more than 0 and at most 1000, got 0\."),
        ("b0", {"depth": -2.0}, r"depth can be scaled by more than 0 and at most 1000, got -2\."),
        ("b0", {"resolution": float("nan")}, r"resolution can be scaled by more than 0 and at most 1000, got nan\."),
        ("b0", {"width": float("inf")}, r"width can be scaled by more than 0 and at most 1000, got inf\."),
        (
            "b0",
            {"phi": 1, "width": 2, "depth": 3},
            r"Give phi, or depth, width and resolution, not both; got phi=1 and depth=3 and width=2\.",
        ),
        ("b0", {"phi": 1, "alpha": 0.9}, r"alpha must be from 1 to 2, got 0\.9\."),
        ("b0", {"phi": 1, "gamma": 2.5}, r"gamma must be from 1 to 2, got 2\.5\."),
        (
            "b0",
            {"phi": 1, "alpha": 1, "beta": 1, "gamma": 1},
            r"alpha, beta and gamma are all 1, with which phi scales nothing\.",
        ),
        (
            "b0",
            {"phi": 20},
            r"b0-phi20 would need 4\.67 TiB to train on a single image; at most 2 TiB are allowed\.",
        ),
        (
            "l2",
            {"width": 1000},
            r"l2-w1000 would need .* TiB to train on a single image; at most 2 TiB are allowed\.",
        ),
        ("b0", {"resolution": 0.1}, r"b0-r0\.1 would take images of 24 pixels; at least 32 are needed\."),
    ],
)
def test_impossible_scales(base, changes, message):
    with pytest.raises(UsageError, match=f"^{message}$"):
        scale(base, **changes)


def test_public_names():
    assert efn.scale("b0", phi=1.0) == scale("b0", phi=1.0)
    assert efn.solve_scale("tiny", target_params=20_000).count.trainable <= 20_000
    assert efn.spec(scale("b0", phi=1)).name == "b0-phi1"


@pytest.mark.parametrize(
    ("variant", "depth", "width", "resolution"),
    [("b0", 0, 0, 0), ("b1", 0.52, 0.00, 0.49), ("b4", 3.2, 3.5, 3.8), ("b7", 6.2, 7.3, 7.05)],
)
def test_phi_of_the_published_networks(variant, depth, width, resolution):
    phi = phi_of(variant)
    assert (phi.depth, phi.width, phi.resolution) == pytest.approx((depth, width, resolution), abs=0.05)


def test_phi_is_found_again():
    phi = phi_of(scale("resnet50", phi=2.5), "resnet50")
    assert (phi.depth, phi.width) == pytest.approx((2.5, 2.5))
    assert phi.resolution == pytest.approx(2.5, abs=0.05)
    assert phi_of("b2", beta=1.0).width is None
    with pytest.raises(UsageError, match=r"^lite0 has other rows than b0: it is no scaling of it\.$"):
        phi_of("lite0")


def test_equation_2():
    assert Coefficients().product == pytest.approx(1.2 * 1.1**2 * 1.15**2)
    assert 1.9 < Coefficients().product < 2
