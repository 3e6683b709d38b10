"""Measure a SavedModel on one picture against `tf.function` of the Keras model that it was made from.

    .venv/bin/python benchmarks/saved_model_latency.py results/saved_model_latency.csv [--rounds=10] [--calls=20]

Four contenders take turns in one process for each number of threads: the Keras model, called with `training=False`
inside a `tf.function` for pictures of its one size, and the signature `serving_default` of its SavedModel, which takes
pictures of any size and names the most likely classes besides; of keras.applications' EfficientNetB0 and of this
package's. Every other round goes backwards, so that a drift of the machine falls on all. A round's figure is the median
of its calls. Weights are random, biases and the statistics of batch normalisation too: of zeros, TensorFlow would leave
out the additions.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

#: Calls of each contender before the first round: it is compiled in the first, and buffers are made in the next ones.
WARM_UP = 5
SEED = 20190511
#: The contenders, and for each SavedModel what it is compared with.
KERAS = {"keras.applications": "keras.applications, tf.function", "efficientnet_tf": "efficientnet_tf, tf.function"}
OURS = {"keras.applications": "keras.applications, SavedModel", "efficientnet_tf": "efficientnet_tf, SavedModel"}

Rounds = Mapping[str, Sequence[float]]


def main(words: list[str] | None = None) -> None:
    """Measure with each number of threads, and write a row for each contender."""
    options = _parser().parse_args(words)
    if options.child is not None:
        print(json.dumps(_measure(options)))
        return
    # Not above: --help needs no TensorFlow.
    from efficientnet_tf.benchmarking.machine import machine
    from efficientnet_tf.benchmarking.tables import write_csv

    names = ("image_size", "rounds", "calls")
    columns = {**{name: getattr(options, name) for name in names}, **machine(("keras", "numpy"))}
    rows: list[dict[str, Any]] = []
    for threads in options.threads:
        measured = _in_a_process_of_its_own(options, threads)
        rows += [{"threads": threads, **row} for row in figures(measured["rounds"], measured["about"])]
    write_csv(options.target, [{**row, **columns} for row in rows])
    for row in rows:
        ratio = f", {row['times_faster']:.2f} x faster" if row["times_faster"] else ""
        _report(f"{row['threads']} threads, {row['contender']}: {row['median_ms']:.2f} ms{ratio}")


def figures(rounds: Rounds, about: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Return a row for each contender.

    Args:
        rounds: milliseconds of each round, by contender.
        about: further columns, by contender.
    """
    rows = []
    compared = {OURS[name]: KERAS[name] for name in OURS}
    for contender, times in rounds.items():
        row: dict[str, Any] = {
            "contender": contender,
            "median_ms": statistics.median(times),
            "lowest_ms": min(times),
            "highest_ms": max(times),
            **dict.fromkeys(("times_faster", "times_faster_lowest", "times_faster_highest")),
        }
        if contender in compared:
            # Of turns of the same round, between which the machine drifted least.
            ratios = [theirs / ours for theirs, ours in zip(rounds[compared[contender]], times, strict=True)]
            row["times_faster"] = statistics.median(ratios)
            row["times_faster_lowest"], row["times_faster_highest"] = min(ratios), max(ratios)
        rows.append({**row, **dict.fromkeys(("max_difference", "bytes", "load_seconds")), **about.get(contender, {})})
    return rows


def _in_a_process_of_its_own(options: argparse.Namespace, threads: int) -> dict[str, Any]:
    # TensorFlow's thread pools are made once in a process.
    settings = [f"--{name}={getattr(options, name)}" for name in ("image_size", "rounds", "calls")]
    command = [sys.executable, __file__, str(options.target), *settings, f"--child={threads}"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the milliseconds of each round of each contender, and what else there is to say of it."""
    import tensorflow as tf

    from efficientnet_tf.benchmarking.machine import confined

    with confined(options.child), tempfile.TemporaryDirectory() as folder:
        tf.config.threading.set_intra_op_parallelism_threads(options.child)
        tf.config.threading.set_inter_op_parallelism_threads(options.child)
        contenders, about = _contenders(Path(folder), options.image_size)
        return {"rounds": _take_turns(contenders, options), "about": about}


def _contenders(folder: Path, size: int) -> tuple[dict[str, Callable[[], Any]], dict[str, dict[str, float]]]:
    """Return what is called in each turn, all on the same picture."""
    import keras
    import numpy as np
    import tensorflow as tf

    from efficientnet_tf.exporting import saved_model
    from efficientnet_tf.exporting.deploy import deploy
    from efficientnet_tf.model import preprocessing_of
    from efficientnet_tf.pretrained import EfficientNet

    keras.utils.set_random_seed(SEED)
    networks = {
        "keras.applications": keras.applications.EfficientNetB0(weights=None, input_shape=(size, size, 3)),
        "efficientnet_tf": EfficientNet("b0", weights=None, image_size=size),
    }
    record = preprocessing_of(networks["efficientnet_tf"])
    pixels = tf.constant(np.random.default_rng(SEED).integers(0, 256, (1, size, size, 3), dtype=np.uint8))
    floats = tf.cast(pixels, tf.float32)
    contenders: dict[str, Callable[[], Any]] = {}
    about: dict[str, dict[str, float]] = {}
    for name, network in networks.items():
        _randomise(network)
        alone = tf.function(lambda image, network=network: network(image, training=False), autograph=False)
        contenders[KERAS[name]] = lambda alone=alone: alone(floats).numpy()
        labels = [str(number) for number in range(network.output_shape[1])]
        path = saved_model.write(deploy(network), folder / name, record, labels)
        start = time.perf_counter()
        loaded = tf.saved_model.load(str(path))
        seconds = time.perf_counter() - start
        signature = loaded.signatures["serving_default"]
        contenders[OURS[name]] = lambda signature=signature: signature(image=pixels)["probabilities"].numpy()
        difference = np.abs(contenders[KERAS[name]]() - contenders[OURS[name]]()).max()
        size_of = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        about[OURS[name]] = {"max_difference": float(difference), "bytes": size_of, "load_seconds": seconds}
    return contenders, about


def _randomise(network: Any) -> None:
    import numpy as np

    generator = np.random.default_rng(SEED)
    for variable in network.variables:
        name = variable.path.rsplit("/", 1)[-1]
        if name in ("gamma", "moving_variance"):
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
        elif name in ("beta", "moving_mean", "bias"):
            variable.assign(generator.normal(0, 0.1, variable.shape))


def _take_turns(contenders: Mapping[str, Callable[[], Any]], options: argparse.Namespace) -> dict[str, list[float]]:
    """Call all contenders in turn, and return the median milliseconds of each round."""
    for call in contenders.values():
        for _ in range(WARM_UP):
            call()
    rounds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(options.rounds):
        for name in contenders if number % 2 == 0 else reversed(contenders):
            times = []
            for _ in range(options.calls):
                start = time.perf_counter()
                contenders[name]()
                times.append(1000 * (time.perf_counter() - start))
            rounds[name].append(statistics.median(times))
        _report(f"round {number + 1} of {options.rounds}: " + ", ".join(f"{rounds[name][-1]:.2f}" for name in rounds))
    return rounds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path, help="the table to write, results/saved_model_latency.csv")
    parser.add_argument("--image_size", type=int, default=224, help="in pixels; %(default)s")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each; %(default)s")
    parser.add_argument("--calls", type=int, default=20, help="of each turn; %(default)s")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="%(default)s")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    return parser


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
