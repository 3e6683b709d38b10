"""Predict a folder of 10,000 photographs, and tell how busy the processor's cores are: results/prediction.csv.

    .venv/bin/python benchmarks/prediction.py results/prediction.csv [--count=10000] [--variant=lite0]

The photographs are copies of the bundled ones under other names. `efficientnet-predict` checks that each can be read,
decodes the next while the network works, and prints what is on them. Beside it, of a tenth of the photographs, what one
would write by hand with Keras alone: `load_img`, one after the other, then `predict` on the batch; both in processes of
their own that take turns, as rates from the difference of two numbers of photographs, so that loading the network does
not count.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BY_HAND = """
import sys, keras, numpy as np
from pathlib import Path
from efficientnet_tf import EfficientNet
model = EfficientNet(sys.argv[1], weights="imagenet")
files = sorted(Path(sys.argv[2]).glob("*.jpg"))
side = model.input_shape[1]
for begin in range(0, len(files), 16):
    images = [keras.utils.load_img(file, target_size=(side, side)) for file in files[begin : begin + 16]]
    for row in model.predict(np.stack([keras.utils.img_to_array(image) for image in images]), verbose=0):
        print(np.argsort(-row)[:5])
"""


def main() -> None:
    """Measure and write."""
    options = _parser().parse_args()
    # Not above: --help needs none of it.
    from efficientnet_tf.benchmarking.machine import machine
    from efficientnet_tf.benchmarking.tables import write_csv

    with tempfile.TemporaryDirectory() as name:
        folders = {count: _folder(Path(name), count) for count in {options.count, *_parts(options.count)}}
        rows = [_whole(options.variant, folders[options.count], options.count)]
        rows += _compared(options, folders)
    columns = {"variant": options.variant, **machine()}
    write_csv(options.target, [{**row, **columns} for row in rows])


def _parts(count: int) -> tuple[int, int]:
    """Return the two numbers of photographs whose difference tells the rate."""
    return max(1, count // 40), max(2, count // 10)


def _folder(parent: Path, count: int) -> Path:
    from efficientnet_tf.data.sources import SAMPLE

    folder = parent / str(count)
    folder.mkdir()
    photographs = sorted(SAMPLE.rglob("*.jpg"))
    for number in range(count):
        shutil.copy(photographs[number % len(photographs)], folder / f"{number:06}.jpg")
    return folder


def _whole(variant: str, folder: Path, count: int) -> dict[str, Any]:
    _report(f"efficientnet-predict on {count} photographs")
    seconds, worked = _run(_ours(variant, folder))
    return {
        "what": "efficientnet-predict, from the beginning",
        "photographs": count,
        "seconds": seconds,
        "photographs_per_second": count / seconds,
        "busy_share_of_cores": worked / seconds / (os.cpu_count() or 1),
    }


def _compared(options: argparse.Namespace, folders: dict[int, Path]) -> list[dict[str, Any]]:
    few, many = _parts(options.count)
    ways = {
        "efficientnet-predict": _ours,
        "by hand": lambda variant, folder: [sys.executable, "-c", BY_HAND, variant, str(folder)],
    }
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for number in range(options.rounds):
        for way, words in ways.items():
            _report(f"round {number + 1} of {options.rounds}: {way}")
            (less, less_work), (more, more_work) = (_run(words(options.variant, folders[size])) for size in (few, many))
            taken[way].append((more - less, more_work - less_work))
    ours = taken["efficientnet-predict"]
    return [
        {
            "what": way,
            "photographs": many - few,
            "seconds": statistics.median(seconds for seconds, _ in found),
            "photographs_per_second": (many - few) / statistics.median(seconds for seconds, _ in found),
            "busy_share_of_cores": statistics.median(work / seconds for seconds, work in found) / (os.cpu_count() or 1),
            "times_slower": statistics.median(one[0] / other[0] for one, other in zip(found, ours, strict=True)),
        }
        for way, found in taken.items()
    ]


def _ours(variant: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "efficientnet_tf.cli.predict", f"--variant={variant}", str(folder)]


def _run(words: Sequence[str]) -> tuple[float, float]:
    """Return the seconds that a command takes, and those that processors work for it."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=environment)
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, help="the table to write, results/prediction.csv")
    parser.add_argument("--count", type=int, default=10_000, help="photographs in the folder; %(default)s")
    parser.add_argument("--variant", default="lite0", help="the network; %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="turns of the comparison; %(default)s")
    return parser


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
