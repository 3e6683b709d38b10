"""The paper's Tables 3 and 7 recounted, and the figures that the notes give."""

from __future__ import annotations

import pytest

from efficientnet_tf.benchmarking.families import compound_rows, published_rows, single_rows
from efficientnet_tf.benchmarking.paper_scaling import COMPOUND, ROWS, recount
from efficientnet_tf.specs import Coefficients, count, scale, spec


def test_paper_tables():
    rows = recount({3, 7})
    assert len(rows) == len(ROWS) == 19
    assert [row["table"] for row in rows] == [3] * 14 + [7] * 5
    assert {row["network"] for row in rows if row["reproduced"]} == {
        "mobilenetv1",
        "mobilenetv1-w2",
        "mobilenetv2",
        "mobilenetv2-d4",
        "mobilenetv2-w2",
        "mobilenetv2-r2",
        "resnet50",
        "resnet50-r2",
        "b0",
        "b0-d1.4-w1.2-r1.3",
    }
    for row in rows:
        assert row["reproduced"] or row["note"], row["network"]
        assert row["difference_percent"] == pytest.approx(100 * (row["gmadds"] / row["paper_gmadds"] - 1), abs=0.2)


def gmadds(base: str, image_size: int | None = None, **factors: float) -> float:
    return count(scale(base, **factors), image_size=image_size).madds / 1e9


def test_figures_of_the_notes():
    found = {
        "0.569 is 2.27": (gmadds("mobilenetv1"), gmadds("mobilenetv1", resolution=2)),
        "2.24 at 288 px, 2.47 at 292": [gmadds("mobilenetv1", size, **COMPOUND) for size in (288, 292)],
        "1.28 at 288 px, 1.44 at 292": [gmadds("mobilenetv2", size, **COMPOUND) for size in (288, 292)],
        "14.6 for d=4 and 16.1 for w=2": (gmadds("resnet50", depth=4), gmadds("resnet50", width=2)),
        "every row gains a block: 1.83": (gmadds("b0", depth=4.001),),
        "0.386 is 1.54": (gmadds("b0"), gmadds("b0", resolution=2)),
    }
    notes = "\n".join(row.note for row in ROWS)
    for words, values in found.items():
        assert words in notes
        for value in values:
            assert any(f"{value:.{digits}f}" in words for digits in (1, 2, 3)), (words, value)
    assert "1.75 would take w=2.19" in notes
    assert gmadds("b0", width=2.18) < 1.75 < gmadds("b0", width=2.19)
    assert "r=1.3 is 291.2 px" in notes
    assert scale("b0", **COMPOUND).image_size == 292


def test_families():
    base, coefficients = spec("b0"), Coefficients()
    rows = compound_rows(base, [-1.0, 0.0, 1.0], coefficients)
    assert [row["network"] for row in rows] == ["b0-phi-1", "b0", "b0-phi1"]
    assert [row["expected_ratio"] for row in rows] == [0.5, 1.0, 2.0]
    assert rows[1]["ratio"] == 1.0
    single = single_rows(base, rows)
    assert [row["way"] for row in single] == ["depth", "width", "resolution"]
    assert all(0.8 * rows[2]["madds"] < row["madds"] <= rows[2]["madds"] for row in single)
    assert [row["network"] for row in published_rows(base, coefficients)] == [f"b{n}" for n in range(1, 8)]
    assert published_rows(spec("lite0"), coefficients) == []
