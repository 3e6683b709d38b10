"""Cross-validate the fine-tuning of Lite0 on the bundled photographs: each of them is validated exactly once.

    .venv/bin/python benchmarks/cross_validation.py results/cross_validation.csv [--folds=5]

Within each class the photographs are ordered by the SHA-256 of their name, as in data/splits.py, and dealt out to the
folds in turn. For each fold, the command trains with the recipe `finetune` on all others. The recipe keeps the epoch
with the lowest loss on the photographs of validation, so the figures are a little better than on new photographs;
--minival=N holds out N training photographs of each fold for that choice instead.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from efficientnet_tf.data.splits import name_hash

VARIANT, RECIPE = "lite0", "finetune"


def main(words: list[str] | None = None) -> None:
    """Train for each fold, and write a row for each and one for all photographs."""
    options, flags = _parser().parse_known_args(words)
    # Not above: --help needs no TensorFlow.
    from efficientnet_tf.benchmarking.machine import COMMON_PACKAGES, machine
    from efficientnet_tf.benchmarking.tables import write_csv

    photographs = bundled()
    fold_of = folds(list(photographs), options.folds)
    rows = []
    for fold in range(options.folds):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data"
            divide(photographs, fold_of, fold, data)
            rows.append({"fold": fold + 1, **_train(data, Path(folder) / "run", options, flags)})
        _report(", ".join(f"{name} {value}" for name, value in rows[-1].items()))
    rows.append(total(rows))
    _report(f"top-1 over all {rows[-1]['validated']} photographs: {rows[-1]['top1']:.4f}")
    about = {
        "variant": VARIANT,
        "recipe": RECIPE,
        "minival": options.minival,
        "seed": options.seed,
        "flags": " ".join(flags),
    }
    columns = {**about, **machine(COMMON_PACKAGES)}
    write_csv(options.target, [{**row, **columns} for row in rows])


def bundled() -> dict[str, Path]:
    """Return the bundled photographs: the file of each name, `class/file.jpg`."""
    from efficientnet_tf.data.sources import SAMPLE, read_source

    sides = [read_source("sample", split) for split in ("train", "validation")]
    return {Path(path).relative_to(SAMPLE).as_posix(): Path(path) for side in sides for path in side.paths}


def folds(names: Sequence[str], count: int) -> dict[str, int]:
    """Return the fold of each photograph, from 0.

    The folds of a class differ by one photograph at most, and so do the folds as a whole: each class begins where the
    one before has ended.

    Args:
        names: relative names, `class/file.jpg`, each once.
        count: of folds, 2 or more.

    >>> names = [f"{name}/{number}.jpg" for name in ("roses", "tulips") for number in range(4)]
    >>> sorted(folds(names, 3).values())
    [0, 0, 0, 1, 1, 1, 2, 2]
    """
    ordered = sorted(names, key=lambda name: (name.split("/")[0], name_hash(name)))
    return {name: position % count for position, name in enumerate(ordered)}


def divide(photographs: Mapping[str, Path], fold_of: Mapping[str, int], fold: int, folder: Path) -> None:
    """Copy photographs into `val` if they are of a fold, else into `train`, in a folder for each class.

    They are copies, since a link that leads out of a folder of data is not followed.
    """
    for name, path in photographs.items():
        target = folder / ("val" if fold_of[name] == fold else "train") / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def total(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the row of all photographs together, each of which counts once."""
    validated, right = (sum(row[name] for row in rows) for name in ("validated", "right"))
    return {
        "fold": "all",
        "validated": validated,
        "right": right,
        "top1": right / validated,
        "seconds": sum(row["seconds"] for row in rows),
    }


def _train(data: Path, run: Path, options: argparse.Namespace, others: Sequence[str]) -> dict[str, Any]:
    program = str(Path(sys.executable).with_name("efficientnet-train"))
    flags = {"recipe": RECIPE, "variant": VARIANT, "data": data, "model_dir": run, "seed": options.seed}
    if options.minival:
        flags["minival"] = options.minival
    words = [*(f"--{name}={value}" for name, value in flags.items()), *others]
    begin = time.perf_counter()
    done = subprocess.run([program, "--json", *words], capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(f"The training failed:\n{done.stderr}")
    top1 = float(json.loads(done.stdout)["metrics"]["top1"])
    trained, validated = (sum(path.is_file() for path in (data / side).rglob("*")) for side in ("train", "val"))
    return {
        "trained": trained,
        "validated": validated,
        "right": round(top1 * validated),
        "top1": top1,
        "seconds": seconds,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Other flags go to efficientnet-train.",
        allow_abbrev=False,
    )
    parser.add_argument("target", type=Path, help="the table to write, results/cross_validation.csv")
    parser.add_argument("--folds", type=int, default=5, help="%(default)s")
    parser.add_argument("--minival", type=int, default=0, help="photographs that choose the best epoch; %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the trainings; %(default)s")
    return parser


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
