"""Tables 3 and 7 of the paper (arXiv 1905.11946v5), and what plain counting gives for their rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from efficientnet_tf.specs import count, scale


@dataclasses.dataclass(frozen=True)
class PaperRow:
    """A row of a table.

    Attributes:
        table: its number.
        base: the variant that is scaled.
        factors: of depth, width and resolution, as printed; where `note` says so, assumed.
        flops: billions of multiply-adds, as printed.
        top1: accuracy in per cent, as printed.
        note: why plain counting gives another figure, or that nobody knows.
    """

    table: int
    base: str
    factors: dict[str, float]
    flops: str
    top1: float
    note: str = ""

    @property
    def label(self) -> str:
        """The factors as the paper writes them."""
        return " ".join(f"{name[0]}={value:g}" for name, value in self.factors.items()) or "baseline"


COMPOUND = {"depth": 1.4, "width": 1.2, "resolution": 1.3}
ASSUMED = "no coefficients are printed, MobileNetV1's are taken"
EXCHANGED = "plain counting gives 14.6 for d=4 and 16.1 for w=2: the two printed figures look exchanged"

# The notes' figures are tested: tests/test_paper_scaling.py.
ROWS = (
    PaperRow(3, "mobilenetv1", {}, "0.6", 70.6),
    PaperRow(3, "mobilenetv1", {"width": 2.0}, "2.2", 74.2),
    PaperRow(3, "mobilenetv1", {"resolution": 2.0}, "2.2", 72.7, "4 times the base's 0.569 is 2.27"),
    PaperRow(3, "mobilenetv1", COMPOUND, "2.3", 75.6, "r=1.3 is 291.2 px: 2.24 at 288 px, 2.47 at 292"),
    PaperRow(3, "mobilenetv2", {}, "0.3", 72.0),
    PaperRow(3, "mobilenetv2", {"depth": 4.0}, "1.2", 76.8),
    PaperRow(3, "mobilenetv2", {"width": 2.0}, "1.1", 76.4),
    PaperRow(3, "mobilenetv2", {"resolution": 2.0}, "1.2", 74.8),
    PaperRow(3, "mobilenetv2", COMPOUND, "1.3", 77.4, f"{ASSUMED}; 1.28 at 288 px, 1.44 at 292"),
    PaperRow(3, "resnet50", {}, "4.1", 76.0),
    PaperRow(3, "resnet50", {"depth": 4.0}, "16.2", 78.1, EXCHANGED),
    PaperRow(3, "resnet50", {"width": 2.0}, "14.7", 77.7, EXCHANGED),
    PaperRow(3, "resnet50", {"resolution": 2.0}, "16.4", 77.5),
    PaperRow(3, "resnet50", COMPOUND, "16.7", 78.8, ASSUMED),
    PaperRow(7, "b0", {}, "0.4", 77.3),
    PaperRow(7, "b0", {"depth": 4.0}, "1.8", 79.0, "just above d=4 every row gains a block: 1.83"),
    PaperRow(7, "b0", {"width": 2.0}, "1.8", 78.9, "not explained: 1.75 would take w=2.19"),
    PaperRow(7, "b0", {"resolution": 2.0}, "1.9", 79.1, "not explained: 4 times the base's 0.386 is 1.54"),
    PaperRow(7, "b0", COMPOUND, "1.8", 81.1),
)


def recount(tables: Collection[int]) -> list[dict[str, Any]]:
    """Return the rows of the paper's tables beside what `scale` and `count` give for them.

    Nothing is fitted: filters, repeats and pixels are rounded as everywhere. A row is `reproduced` if our figure,
    rounded to the digits that are printed, is the printed one; every other row has a note.

    >>> row = recount([7])[-1]
    >>> row["network"], row["paper_gmadds"], row["gmadds"], row["reproduced"]
    ('b0-d1.4-w1.2-r1.3', 1.8, 1.8, True)
    """
    return [_recount(row) for row in ROWS if row.table in tables]


def _recount(row: PaperRow) -> dict[str, Any]:
    network = scale(row.base, **row.factors)
    counted = count(network)
    madds, printed = counted.madds / 1e9, float(row.flops)
    decimals = len(row.flops.partition(".")[2])
    return {
        "table": row.table,
        "base": row.base,
        "scaling": row.label,
        "network": network.name,
        "image_size": network.image_size,
        "params": counted.trainable,
        "paper_gmadds": printed,
        "gmadds": round(madds, 3),
        "difference_percent": round(100 * (madds / printed - 1), 1),
        "reproduced": f"{madds:.{decimals}f}" == row.flops,
        "paper_top1": row.top1,
        "note": row.note,
    }
