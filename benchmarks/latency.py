"""Measure TensorFlow Lite files on one picture and one thread, in turn.

    .venv/bin/python benchmarks/latency.py results/latency.csv [--rounds=20] [--calls=25]

Comparisons, each of an older file and a newer one: keras.applications' EfficientNetB0 as `Model.export` writes it with
`format="litert"`, against this package's B0; and this package's Lite0 in float32, against the same in int8, which takes
and gives uint8, and against the same with pixels less 128, int8, as its first layer has them. All five take turns in
one process on one core; every other round goes backwards, so that a drift of the machine falls on all. A time is that
of a single run, without the copying of the picture. A ratio is that of the medians of one round,
between whose turns the machine drifted least. B0's weights are random, which has no part in the time, but both
normalise pixels by ImageNet's mean and variance; Lite0's are the published ones, calibrated on the bundled photographs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

#: Runs of each file before the first round.
WARM_UP = 10
SEED = 20190511
#: Of ImageNet's colours, in units of 255, as keras.applications' weights hold them.
MEAN, VARIANCE = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
#: Each file, and what it is compared with.
COMPARED = {"b0": "keras.applications B0", "lite0 int8": "lite0", "lite0 int8 of int8 pixels": "lite0"}

Rounds = Mapping[str, Sequence[Sequence[float]]]


def main(words: list[str] | None = None) -> None:
    """Measure, and write a row for each file."""
    options = _parser().parse_args(words)
    # Not above: --help needs no TensorFlow.
    from efficientnet_tf.benchmarking.machine import confined, machine
    from efficientnet_tf.benchmarking.tables import write_csv

    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder), options.image_size)
        with confined(1):
            rounds = _take_turns({name: _run(path) for name, path in files.items()}, options)
        about = {name: {"bytes": path.stat().st_size, **_operations(path)} for name, path in files.items()}
    names = ("image_size", "rounds", "calls")
    columns = {
        "threads": 1,
        **{name: getattr(options, name) for name in names},
        **machine(("keras", "numpy", "ai-edge-litert", "ai-edge-quantizer")),
    }
    rows = figures(rounds, about)
    write_csv(options.target, [{**row, **columns} for row in rows])
    for row in rows:
        ratio = f", {row['times_faster']:.2f} x faster" if "times_faster" in row else ""
        _report(f"{row['file']}: {row['median_ms']:.2f} ms{ratio}")


def figures(rounds: Rounds, about: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each file.

    Args:
        rounds: milliseconds of each run of each round, by file.
        about: further columns, by file.
    """
    rows = []
    for name, turns in rounds.items():
        times = [each for turn in turns for each in turn]
        lower, median, upper = statistics.quantiles(times, n=4)
        row = {
            "file": name,
            "median_ms": median,
            "lower_quartile_ms": lower,
            "upper_quartile_ms": upper,
            "lowest_ms": min(times),
        }
        if name in COMPARED:
            pairs = zip(rounds[COMPARED[name]], turns, strict=True)
            ratios = [statistics.median(theirs) / statistics.median(ours) for theirs, ours in pairs]
            row["compared_with"] = COMPARED[name]
            row["times_faster"] = statistics.median(ratios)
            row["times_faster_lowest"], row["times_faster_highest"] = min(ratios), max(ratios)
        rows.append({**row, **about.get(name, {})})
    return rows


def write_files(folder: Path, size: int) -> dict[str, Path]:
    """Write the five files, and return them by name."""
    import keras

    from efficientnet_tf.data.sources import SAMPLE
    from efficientnet_tf.exporting import tflite
    from efficientnet_tf.exporting.calibration import read_calibration
    from efficientnet_tf.exporting.deploy import deploy
    from efficientnet_tf.model import preprocessing_of
    from efficientnet_tf.pretrained import EfficientNet

    keras.utils.set_random_seed(SEED)
    theirs = keras.applications.EfficientNetB0(weights=None, input_shape=(size, size, 3))
    files = {"keras.applications B0": folder / "theirs.tflite"}
    # As the published weights do; the mean and variance of an untrained network would be left out as 0 and 1.
    theirs.get_layer("normalization").load_own_variables({"0": MEAN, "1": VARIANCE, "2": 0})
    theirs.export(str(files["keras.applications B0"]), format="litert", verbose=False)
    b0 = deploy(EfficientNet("b0", weights=None, image_size=size))
    files["b0"] = tflite.write(b0, folder / "b0.tflite")
    network = EfficientNet("lite0", weights="imagenet", image_size=size)
    pictures = read_calibration(str(SAMPLE), preprocessing_of(network), number=32, announce=_report)
    lite0 = deploy(network)
    files["lite0"] = tflite.write(lite0, folder / "lite0.tflite")
    for name, pixels in {"lite0 int8": "uint8", "lite0 int8 of int8 pixels": "int8"}.items():
        target = folder / f"lite0_{pixels}.tflite"
        files[name] = tflite.write(lite0, target, quantize="int8", calibration=pictures, integer_io=pixels)
    return files


def _run(path: Path) -> Callable[[], Any]:
    """Return what runs a file once on a picture that is in place already."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    (detail,) = interpreter.get_input_details()
    pixels = np.random.default_rng(SEED).integers(0, 256, detail["shape"])
    less = 128 if detail["dtype"] == np.int8 else 0
    interpreter.set_tensor(detail["index"], (pixels - less).astype(detail["dtype"]))
    run: Callable[[], Any] = interpreter.invoke
    return run


def _operations(path: Path) -> dict[str, str]:
    import collections

    from ai_edge_litert.interpreter import Interpreter

    # Without a delegate, which would stand among the operations.
    details = Interpreter(model_path=str(path), experimental_op_resolver_type=_plain())._get_ops_details()
    counts = collections.Counter(detail["op_name"] for detail in details)
    return {"operations": " ".join(f"{name}:{count}" for name, count in counts.items())}


def _plain() -> Any:
    from ai_edge_litert.interpreter import OpResolverType

    return OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def _take_turns(runs: Mapping[str, Callable[[], Any]], options: argparse.Namespace) -> dict[str, list[list[float]]]:
    """Run all files in turn, and return the milliseconds of each run of each round."""
    for run in runs.values():
        for _ in range(WARM_UP):
            run()
    rounds: dict[str, list[list[float]]] = {name: [] for name in runs}
    for number in range(options.rounds):
        for name in list(runs)[:: 1 if number % 2 == 0 else -1]:
            times = []
            for _ in range(options.calls):
                start = time.perf_counter()
                runs[name]()
                times.append(1000 * (time.perf_counter() - start))
            rounds[name].append(times)
        medians = ", ".join(f"{statistics.median(rounds[name][-1]):.2f}" for name in rounds)
        _report(f"round {number + 1} of {options.rounds}: {medians}")
    return rounds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, help="the table to write, results/latency.csv")
    parser.add_argument("--image_size", type=int, default=224, help="in pixels; %(default)s")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each; %(default)s")
    parser.add_argument("--calls", type=int, default=25, help="of each turn; %(default)s")
    return parser


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
