"""Measure the training input: decoding, augmentation, all of it; ours beside others'.

    .venv/bin/python benchmarks/input.py results/input.csv results/input_profile.csv [SOURCE]

Everything takes turns in one run, on two cores. Peers that are not installed are named in the table: timm is measured
if it is there (PyTorch is not needed), and so is tf-models-official. The last rows say how long a fresh process takes,
TensorFlow loaded, until it has the first picture.
"""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROUNDS = 7
START_ROUNDS = 3
POLICIES = ("autoaugment", "autoaugment:legacy", "randaugment", "trivialaugment")


def main(target: Path, profile: Path, source: str) -> None:
    """Measure, print and write both tables."""
    # Not above: the processes of the comparison import this file too, and need no TensorFlow.
    from efficientnet_tf.benchmarking.input_profile import profile_rows
    from efficientnet_tf.benchmarking.input_report import print_input, print_profile
    from efficientnet_tf.benchmarking.input_speed import input_rows
    from efficientnet_tf.benchmarking.tables import write_csv

    rows = input_rows(source, rounds=ROUNDS, report=_report)
    print_input(rows)
    columns = {name: rows[0][name] for name in list(rows[0])[list(rows[0]).index("threads") :]}
    write_csv(target, [*rows, *({**row, **columns} for row in _starts())])
    stages = profile_rows(source, rounds=ROUNDS, report=_report)
    print_profile(stages)
    write_csv(profile, stages)


def _starts() -> list[dict[str, Any]]:
    rows = []
    for policy in POLICIES:
        seconds = sorted(_fresh(policy) for _ in range(START_ROUNDS))[START_ROUNDS // 2]
        print(f"{policy}: first picture {seconds:.2f} s after TensorFlow is loaded")
        rows.append({"task": "first picture", "candidate": f"efficientnet_tf, {policy}", "start_seconds": seconds})
    return rows


def _fresh(policy: str) -> float:
    # One at a time, each in a process of its own, which has compiled nothing yet.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(first_picture_seconds, policy).result()


def first_picture_seconds(policy: str) -> float:
    """Return how long it takes from nothing but TensorFlow to the first augmented picture of a dataset."""
    import time

    import numpy as np
    import tensorflow as tf

    pixels = np.zeros([1, 224, 224, 3], np.uint8)
    # TensorFlow's own first steps are not ours.
    next(iter(tf.data.Dataset.range(1).map(lambda number: number + 1)))
    begin = time.perf_counter()
    from efficientnet_tf.augment import augmenter
    from efficientnet_tf.benchmarking.passes import augmented

    next(iter(augmented(pixels, augmenter(policy), 1, 1)))
    return time.perf_counter() - begin


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "sample")
