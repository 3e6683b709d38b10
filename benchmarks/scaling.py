"""Write what `efficientnet-scale` counts: the paper's Tables 3 and 7, and B0's family with its picture.

Run in a clone after `make setup`, in a few seconds:  .venv/bin/python benchmarks/scaling.py results
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RUNS = (
    ("--table=3,7", "--output=table3_and_7.csv"),
    ("--base=b0", "--output=scaling_b0.csv", "--plot=scaling_b0.png"),
)


def main(folder: Path) -> None:
    """Run the command once for each file or pair of files."""
    command = Path(sys.executable).absolute().with_name("efficientnet-scale")
    for flags in RUNS:
        subprocess.run([str(command), *flags], cwd=folder, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
