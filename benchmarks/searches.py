"""The searches and the Figure 8 study on Fashion-MNIST, on two cores: results/search_*.csv and .png.

    .venv/bin/python benchmarks/searches.py [--output_dir=results] [--work=FOLDER] [--only grid architecture figure8]

All begin with the network in fashion_base.json: two stages of five blocks, so that a fifth more depth is one block
more. Trainings are those of the recipe `proxy`, cut to a few hundred steps; accuracy is that on a tenth of the training
pictures. With --work, what is interrupted goes on.

- `grid`: `efficientnet-scale --search`, in steps of 0.1: ten candidates.
- `architecture`: for each of three seeds, `efficientnet-scale --search=architecture` of thirty trials; then random
  architectures whose multiply-adds are within 5 % of the best one's. The best of thirty was also the luckiest: so it is
  trained once more with a seed that chose nothing, as the random ones are.
- `figure8`: `efficientnet-scale --study=figure8`, three points a curve (up to four times the cost), two seeds.
"""

from __future__ import annotations

import argparse
import csv
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BASE = Path(__file__).with_name("fashion_base.json")
#: Where Debian's package dataset-fashion-mnist has the files.
DATA = "/usr/share/datasets/fashion-mnist"
TRAINING = ("--steps=300", "--batch_size=64", "--validation_fraction=0.1", "--workers=2")
SEEDS = (0, 1, 2)
TRIALS, RANDOM = 30, 7
#: Added to a seed for trainings that chose nothing.
FRESH = 1000
SHARE = 0.05
#: Of a random architecture of a given cost: draws until it is given up.
DRAWS = 200_000


def main(words: Sequence[str] | None = None) -> None:
    """Search, and write what was found."""
    options = _parser().parse_args(words)
    with tempfile.TemporaryDirectory() as name:
        work = (options.work or Path(name)).resolve()
        for part in options.only:
            PARTS[part](work, options)


def grid(work: Path, options: argparse.Namespace) -> None:
    """Search for alpha, beta and gamma."""
    folder = work / "grid"
    seconds = _command(options, "--search", "--step=0.1", "--tolerance=0.05", f"--study_dir={folder}")
    _keep(folder, options.output_dir, {"result.csv": "search_grid.csv", "grid.png": "search_grid.png"})
    _report(f"grid: {seconds:.0f} s")


def architecture(work: Path, options: argparse.Namespace) -> None:
    """Search for an architecture with each seed, and compare the best with random ones of its cost."""
    from efficientnet_tf.benchmarking.tables import write_csv

    rows: list[dict[str, Any]] = []
    for seed in options.seeds:
        folder = work / f"architecture{seed}"
        words = ["--search=architecture", f"--trials={options.trials}", f"--seed={seed}", f"--study_dir={folder}"]
        seconds = _command(options, *words)
        found = _rows(folder / "result.csv")
        rows += [{"kind": "trial", "search_seed": seed, **row} for row in found]
        best = max((row for row in found if row["objective"]), key=lambda row: float(row["objective"]))
        others = _compared(work / f"compared{seed}", options, folder / "best.json", seed)
        rows += [{"search_seed": seed, **row} for row in others]
        drawn, (again,) = (_accuracies(rows, kind, seed) for kind in ("random", "best again"))
        _report(
            f"seed {seed}: best {best['accuracy']} with {best['madds']} multiply-adds, again {again:.4f}; random of "
            f"its cost: median {statistics.median(drawn):.4f} of {min(drawn):.4f} to {max(drawn):.4f}; {seconds:.0f} s"
        )
        if seed == options.seeds[0]:
            _keep(folder, options.output_dir, {"front.png": "search_architecture.png"})
            _keep(folder, options.output_dir, {"best.json": "search_architecture_best.json"})
    write_csv(options.output_dir / "search_architecture.csv", rows)
    _draw_compared(rows, options.output_dir / "search_compared.png")


def figure8(work: Path, options: argparse.Namespace) -> None:
    """Compare compound scaling with one dimension alone."""
    folder = work / "figure8"
    seconds = _command(options, "--study=figure8", "--phi=1,1.5,2", "--seeds=2", f"--study_dir={folder}")
    _keep(folder, options.output_dir, {"result.csv": "search_figure8.csv", "figure8.png": "search_figure8.png"})
    _report(f"figure8: {seconds:.0f} s")


def _compared(folder: Path, options: argparse.Namespace, best: Path, seed: int) -> list[dict[str, Any]]:
    """Train the best architecture and random ones of its cost, all with a seed that chose nothing."""
    from efficientnet_tf.benchmarking.machine import machine
    from efficientnet_tf.search import running
    from efficientnet_tf.search.candidates import Candidate
    from efficientnet_tf.search.pool import Pool
    from efficientnet_tf.specs import spec

    networks = [spec(str(best)), *_random_of_cost(spec(str(best)), options.random, seed)]
    candidates = [
        Candidate(network, seed + FRESH, {"kind": "random" if number else "best again"})
        for number, network in enumerate(networks)
    ]
    config = _config(options)
    opened = running.opened(spec(str(BASE)), config.training(), {"compared": seed}, folder, workers=2, seeds=1)
    with opened as (kept, measure), Pool(kept, measure, workers=2, show=lambda row: _report(str(row))) as pool:
        pool.all_of(candidates)
        return [{**row, **machine()} for row in kept.rows]


def _random_of_cost(best: Any, number: int, seed: int) -> list[Any]:
    """Draw architectures until so many have the multiply-adds of the best one, or nearly."""
    from efficientnet_tf.search.architecture import random_architecture
    from efficientnet_tf.search.space import Space
    from efficientnet_tf.specs import count, spec

    draw, space, wanted = random.Random(seed).choice, Space(spec(str(BASE))), count(best).madds
    found: list[Any] = []
    for _ in range(DRAWS):
        network = random_architecture(space, draw, f"random{len(found)}")
        others = [one.blocks for one in (best, *found)]
        if abs(count(network).madds / wanted - 1) <= SHARE and network.blocks not in others:
            found.append(network)
            if len(found) == number:
                return found
    raise SystemExit(f"Of {DRAWS} architectures only {len(found)} have about {wanted} multiply-adds.")


def _draw_compared(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw, for each seed of the search, the best architecture, trained again, among random ones of its cost."""
    from matplotlib.figure import Figure

    from efficientnet_tf.benchmarking.plots import save_figure
    from efficientnet_tf.search.plots import COLOURS

    figure = Figure(figsize=(7.5, 4.0), layout="constrained")
    axes = figure.subplots()
    seeds = list(dict.fromkeys(row["search_seed"] for row in rows))
    places = range(len(seeds))
    drawn = [_accuracies(rows, "random", seed) for seed in seeds]
    best = [_accuracies(rows, "best again", seed)[0] for seed in seeds]
    points = [(place, value) for place in places for value in drawn[place]]
    axes.plot(*zip(*points, strict=True), "o", color="#999999", markersize=5, label="random")
    axes.plot(places, [*map(statistics.median, drawn)], "_", color="#555555", markersize=20, label="their median")
    axes.plot(places, best, "o", color=COLOURS[4], markersize=8, label="the best of the search")
    axes.set_xticks(places, [f"search with seed {seed}" for seed in seeds])
    axes.set(xlim=(-0.5, len(seeds) - 0.5), ylabel="accuracy of the short training")
    axes.set_title("Of equal multiply-adds, all trained with a seed that chose nothing", loc="left", fontsize=10)
    axes.grid(alpha=0.25, axis="y")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    save_figure(figure, path)


def _accuracies(rows: Sequence[dict[str, Any]], kind: str, seed: int) -> list[float]:
    own = [row for row in rows if row["kind"] == kind and row["search_seed"] == seed]
    return [float(row["accuracy"]) for row in own if row["state"] == "done"]


def _config(options: argparse.Namespace) -> Any:
    from efficientnet_tf.config import ScaleConfig
    from efficientnet_tf.flags import parse

    words = ["--search=architecture", f"--base={BASE}", f"--data=idx:{options.data}", *TRAINING, *options.training]
    config = parse("scale", words).config
    assert isinstance(config, ScaleConfig)
    return config


def _command(options: argparse.Namespace, *words: str) -> float:
    """Run `efficientnet-scale`, and return how many seconds it took."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "efficientnet_tf.cli.scale", f"--base={BASE}", f"--data=idx:{options.data}"]
    subprocess.run([*command, *TRAINING, *options.training, *words], check=True)
    return time.perf_counter() - begin


def _keep(folder: Path, target: Path, names: dict[str, str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for source, name in names.items():
        shutil.copyfile(folder / source, target / name)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


PARTS = {"grid": grid, "architecture": architecture, "figure8": figure8}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", type=Path, default=Path("results"), help="%(default)s")
    parser.add_argument("--work", type=Path, help="folder of the searches, kept; by default one that is removed")
    parser.add_argument("--data", default=DATA, help="folder of Fashion-MNIST's files; %(default)s")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="%(default)s")
    parser.add_argument("--trials", type=int, default=TRIALS, help="of a search for an architecture; %(default)s")
    parser.add_argument("--random", type=int, default=RANDOM, help="random architectures beside it; %(default)s")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="of searches for an architecture")
    parser.add_argument("--training", nargs="*", default=(), help="other settings of trainings, as --steps=20")
    return parser


if __name__ == "__main__":
    main()
