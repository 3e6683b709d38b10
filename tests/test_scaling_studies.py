"""The studies of scaling: which networks they train, and what comes of it."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from efficientnet_tf.errors import UsageError
from efficientnet_tf.search import study_scaling
from efficientnet_tf.search.plots import plot_study
from efficientnet_tf.search.studies import Points, networks
from efficientnet_tf.specs import Coefficients, count, scale, spec

BASES = ("b0", "mobilenetv1", "mobilenetv2", "resnet50")


def _grows(network) -> float:
    return 1 / (1 + 1e6 / count(network).madds)


def test_figure3_scales_each_dimension_alone():
    found = networks("figure3", spec("b0"), Points(depths=(1, 2), widths=(1, 1.4), resolutions=(1, 1.3)))
    assert [(network.name, about["curve"], about["value"]) for network, about in found] == [
        ("b0", "depth", 1),
        ("b0-d2", "depth", 2),
        ("b0", "width", 1),
        ("b0-w1.4", "width", 1.4),
        ("b0", "resolution", 1),
        ("b0-r1.3", "resolution", 1.3),
    ]


def test_figure4_scales_width_under_other_depths_and_resolutions():
    found = networks("figure4", spec("b0"), Points(depths=(1, 2), widths=(1, 2), resolutions=(1, 1.3)))
    assert len(found) == 8
    curves = {about["curve"] for _, about in found}
    assert curves == {
        "depth 1, resolution 1",
        "depth 2, resolution 1",
        "depth 1, resolution 1.3",
        "depth 2, resolution 1.3",
    }
    assert found[-1][0] == scale("b0", depth=2, width=2, resolution=1.3)


@pytest.mark.parametrize("base", BASES)
def test_figure8_compares_at_the_same_cost(base):
    found = networks("figure8", spec(base), Points(phis=(2, 1)))
    assert [about["curve"] for _, about in found] == ["base", *("compound", "depth", "width", "resolution") * 2]
    for start in (1, 5):
        compound = count(found[start][0]).madds
        for network, about in found[start + 1 : start + 4]:
            share = count(network).madds / compound
            # Of depth, whole blocks are added; a step more would cost more.
            assert 0.8 < share <= 1.0, (network.name, share)
            larger = scale(base, **{about["curve"]: _factor(network, base, about["curve"]) + 0.001})
            assert count(larger).madds > compound or larger.image_size == network.image_size


def _factor(network, base, dimension) -> float:
    own = spec(base)
    return {
        "depth": network.depth / own.depth,
        "width": network.width / own.width,
        "resolution": network.image_size / own.image_size,
    }[dimension]


def test_coefficients_of_ones_own():
    found = networks("figure8", spec("b0"), Points(phis=(1,), coefficients=Coefficients(2, 1, 1)))
    assert found[1][0].depth == 2.0


def test_rows_have_means_and_errors(tmp_path):
    asked = []

    def accuracy(network, seed):
        asked.append((network.name, seed))
        return _grows(network) - 0.01 * seed

    folder = tmp_path / "study"
    rows = study_scaling("figure3", "tiny", accuracy, depths=(1, 2), widths=(1, 2), seeds=(0, 1), folder=folder)
    assert len(asked) == len(set(asked)) == 6, "the base is on both curves, and is trained once a seed"
    assert [(row["curve"], row["value"], row["seeds"]) for row in rows] == [
        ("depth", 1, 2),
        ("depth", 2, 2),
        ("width", 1, 2),
        ("width", 2, 2),
    ]
    for row in rows:
        assert row["accuracy"] == pytest.approx(1 / (1 + 1e6 / row["madds"]) - 0.005, abs=1e-5)
        assert row["standard_error"] == pytest.approx(0.005, abs=1e-5)
    with (folder / "result.csv").open() as file:
        assert [row["network"] for row in csv.DictReader(file)] == [row["network"] for row in rows]


@pytest.mark.parametrize(
    ("figure", "points"),
    [
        ("figure3", {"depths": (1, 2), "widths": (1, 2), "resolutions": (1, 2)}),
        ("figure4", {"depths": (1, 2), "widths": (1, 2), "resolutions": (1, 2)}),
        ("figure8", {"phis": (1, 2)}),
    ],
)
def test_figures_are_drawn(figure, points, tmp_path):
    rows = study_scaling(figure, "tiny", _grows, **points)
    path = plot_study(figure, rows, tmp_path / "figure.png")
    with Image.open(path) as picture:
        assert picture.size[0] > 600
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 100


@pytest.mark.parametrize(
    ("figure", "points", "message"),
    [
        ("figure5", {}, "Unknown study 'figure5'. Did you mean 'figure8'? Allowed: figure3, figure4, figure8."),
        ("figure3", {}, "figure3 has no points to look at."),
        ("figure3", {"phis": (1,)}, "figure3 has no phis; it has depths, widths, resolutions."),
        ("figure8", {"depths": (1,)}, "figure8 has no depths; it has phis, coefficients."),
        ("figure8", {"phis": (0, 1)}, "phi must be above 0 in figure8, got 0."),
        ("figure8", {}, "figure8 has no points to look at."),
        ("figure3", {"widths": (0,)}, "width can be scaled by more than 0 and at most 1000, got 0."),
    ],
)
def test_what_cannot_be_studied(figure, points, message):
    with pytest.raises(UsageError) as error:
        study_scaling(figure, "tiny", _grows, **points)
    assert str(error.value) == message
