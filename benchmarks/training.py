"""How fast training steps are, and how much memory they take, beside others: results/training.csv, training_memory.csv.

Everything is trained as the commands would, with oneDNN's kernels; memory is that of B0.

    pip install timm torch    # to have them in the comparison
    python benchmarks/training.py [--output_dir=results]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from efficientnet_tf.benchmarking.tables import write_csv
from efficientnet_tf.benchmarking.training_report import print_memory, print_train
from efficientnet_tf.benchmarking.training_speed import memory_rows, train_rows

#: Architectures with the batch that two cores train in a reasonable time.
NETWORKS = {"b0": 16, "lite0": 16, "v2-b0": 16, "b3": 8}
MEMORY_BATCH = 64


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output_dir", type=Path, default=Path("results"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--variant", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    rows = []
    for variant in arguments.variant:
        rows += train_rows([variant], batch_size=NETWORKS[variant], rounds=arguments.rounds, report=_progress)
        print_train(rows)
        write_csv(arguments.output_dir / "training.csv", rows)
    if arguments.memory:
        memory = memory_rows(["b0"], batch_size=MEMORY_BATCH, report=_progress)
        print_memory(memory)
        write_csv(arguments.output_dir / "training_memory.csv", memory)


def _progress(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
