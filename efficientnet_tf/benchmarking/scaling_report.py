"""Scaled networks as tables on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from efficientnet_tf.benchmarking.tables import Columns, Row, print_table, shorten
from efficientnet_tf.specs import Coefficients, Solution

NETWORK: Columns = {
    "network": lambda row: row["network"],
    "depth": lambda row: f"{row['depth']:.3g}",
    "width": lambda row: f"{row['width']:.3g}",
    "pixels": lambda row: str(row["image_size"]),
    "params": lambda row: shorten(row["params"]),
    "MAdds": lambda row: shorten(row["madds"]),
    "x base": lambda row: f"{row['ratio']:.3g}",
}
FAMILY: Columns = {
    "phi": lambda row: f"{row['phi']:g}",
    **NETWORK,
    "2^phi": lambda row: f"{row['expected_ratio']:.3g}",
}
SINGLE: Columns = {"phi": lambda row: f"{row['phi']:g}", "alone": lambda row: row["way"], **NETWORK}
PUBLISHED: Columns = {
    **{heading: NETWORK[heading] for heading in ("network", "depth", "width", "pixels", "MAdds")},
    "phi by depth": lambda row: _exponent(row["phi_by_depth"]),
    "by width": lambda row: _exponent(row["phi_by_width"]),
    "by pixels": lambda row: _exponent(row["phi_by_resolution"]),
}
PAPER: Columns = {
    "table": lambda row: str(row["table"]),
    "base": lambda row: row["base"],
    "scaling": lambda row: row["scaling"],
    "paper": lambda row: f"{row['paper_gmadds']:.1f} B",
    "counted": lambda row: f"{row['gmadds']:.3f} B",
    "%": lambda row: f"{row['difference_percent']:+.1f}",
    "as printed": lambda row: "yes" if row["reproduced"] else "no",
}


def print_family(
    rows: Sequence[Row], single: Sequence[Row], published: Sequence[Row], coefficients: Coefficients
) -> None:
    """Print compound networks, those of one dimension at the same cost, and the phi of B1 to B7."""
    print(
        f"alpha {coefficients.alpha:g}, beta {coefficients.beta:g}, gamma {coefficients.gamma:g}: "
        f"alpha x beta^2 x gamma^2 = {coefficients.product:.3f}; Equation 3 wants about 2."
    )
    print_table("Compound scaling", FAMILY, rows)
    if single:
        print_table("One dimension alone, within the multiply-adds of the same phi", SINGLE, single)
    if published:
        print_table("The published networks, and which phi each dimension was scaled by", PUBLISHED, published)
        print("B1 to B7 are rows that the authors rounded by hand: they lie on no single ray, so no phi gives them.")


def print_solution(base: str, solution: Solution, batch_size: int) -> None:
    """Print a network within a budget, and how much of it it uses."""
    counted, memory = solution.count, solution.memory
    print(f"{base}: the largest phi is {solution.phi:g}, the network {solution.spec.name}.")
    print(f"  depth {solution.spec.depth:.3f}, width {solution.spec.width:.3f}, {solution.spec.image_size} pixels")
    print(f"  {counted.trainable:,} parameters, {counted.madds:,} multiply-adds")
    images = "one image" if batch_size == 1 else f"{batch_size} images"
    print(f"  {memory.total / 2**20:,.0f} MiB to train on {images} in float32")
    for name, share in solution.shares.items():
        print(f"  {share:.1%} of {name}")


def print_paper(rows: Sequence[Row]) -> None:
    """Print the paper's tables recounted, with a note for each row that is not as printed."""
    print_table("The paper's multiply-adds, and ours by plain counting", PAPER, rows)
    for row in rows:
        if not row["reproduced"]:
            print(f"{row['base']} {row['scaling']}: {row['note']}.")
    print(
        f"{sum(row['reproduced'] for row in rows)} of {len(rows)} rows are as printed; nothing is fitted to the others."
    )


def _exponent(phi: float | None) -> str:
    return "-" if phi is None else f"{phi:.2f}"
