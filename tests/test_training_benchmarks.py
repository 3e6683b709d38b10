"""The measurements of training: what they compare, divide and write down."""

from __future__ import annotations

import csv
import importlib
from collections import Counter
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest

from efficientnet_tf.config import read_recipe
from efficientnet_tf.data.sources import read_source
from efficientnet_tf.run import Run
from efficientnet_tf.training.state import Checkpoint, CheckpointFolder

ROOT = Path(__file__).resolve().parents[1]
NAMES = [f"{name}/{number}.jpg" for name, count in (("a", 7), ("b", 12), ("c", 5)) for number in range(count)]


@pytest.fixture(scope="module")
def load():
    """Return a function that imports a script of benchmarks/."""

    def load_script(name: str) -> ModuleType:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(ROOT / "benchmarks")
            return importlib.import_module(name)

    return load_script


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ["kills", "overhead", "cross_validation", "fashion"])
def test_help_says_what_is_written(name, load, capsys):
    with pytest.raises(SystemExit) as ended:
        load(name).main(["--help"])
    assert ended.value.code == 0
    assert f"results/{name}.csv" in capsys.readouterr().out


def finished(path: Path, array: np.ndarray) -> Path:
    """Return the folder of a run that has ended with an array in its checkpoint."""
    run = Run(path)
    run.make_folder()
    folder = CheckpointFolder(run.checkpoints)
    folder.save(3, Checkpoint({"model/00000": array, "optimizer/00000": np.int64(3)}, {}))
    folder.wait()
    run.save_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")]))
    run.history_file.write_text("epoch,loss\n0,1.5\n", encoding="utf-8")
    run.finish({"top1": 0.5})
    return path


def test_one_bit_is_a_difference(load, tmp_path):
    kills, array = load("kills"), np.linspace(0, 1, 5, dtype=np.float32)
    changed = array.copy()
    changed.view(np.uint32)[2] ^= 1
    assert changed[2] == pytest.approx(array[2])
    expected = kills.ending(finished(tmp_path / "expected", array))
    assert list(expected) == [
        *("checkpoint model/00000", "checkpoint optimizer/00000", "model.keras 0", "model.keras 1"),
        *("metrics.csv", "metrics.json"),
    ]
    assert kills.differences(kills.ending(finished(tmp_path / "same", array.copy())), expected) == []
    found = kills.ending(finished(tmp_path / "changed", changed))
    assert kills.differences(found, expected) == ["checkpoint model/00000"]
    (tmp_path / "changed" / "metrics.csv").write_text("epoch,loss\n0,1.25\n", encoding="utf-8")
    found = kills.ending(tmp_path / "changed")
    assert kills.differences(found, expected) == ["checkpoint model/00000", "metrics.csv"]


def test_what_is_missing_or_of_another_kind_is_a_difference(load, tmp_path):
    kills, array = load("kills"), np.zeros(4, np.float32)
    assert kills.differences({"a": b"1"}, {"a": b"1", "b": b"2"}) == ["b"]
    assert kills.differences({"a": b"1", "b": b"2"}, {"a": b"1"}) == ["b"]
    expected = kills.ending(finished(tmp_path / "expected", array))
    for number, other in enumerate((array.reshape(2, 2), array.view(np.int32), -array)):
        found = kills.ending(finished(tmp_path / str(number), other))
        assert kills.differences(found, expected) == ["checkpoint model/00000"]


def test_a_run_without_a_checkpoint_is_refused(load, tmp_path):
    with pytest.raises(SystemExit, match=r"has no checkpoint that can be read"):
        load("kills").ending(tmp_path)


def test_folds_hold_every_photograph_once_and_are_even(load):
    fold_of = load("cross_validation").folds(NAMES, 5)
    assert list(fold_of) != NAMES
    assert sorted(fold_of) == sorted(NAMES)
    sizes = Counter(fold_of.values())
    assert set(sizes) == set(range(5))
    assert max(sizes.values()) - min(sizes.values()) <= 1
    for name in "abc":
        counts = Counter(fold for file, fold in fold_of.items() if file.startswith(name))
        assert max(counts.values()) - min(counts.values()) <= 1
    assert load("cross_validation").folds(NAMES[::-1], 5) == fold_of
    assert [fold_of[f"c/{number}.jpg"] for number in range(5)] == [4, 1, 3, 2, 0]


def test_the_bundled_photographs_are_validated_once(load, tmp_path):
    script = load("cross_validation")
    photographs = script.bundled()
    assert len(photographs) == 189
    fold_of = script.folds(list(photographs), 5)
    assert Counter(fold_of.values()) == {0: 38, 1: 38, 2: 38, 3: 38, 4: 37}
    script.divide(photographs, fold_of, 4, tmp_path)
    sides = {split: read_source(str(tmp_path), split) for split in ("train", "validation")}
    assert {split: len(examples) for split, examples in sides.items()} == {"train": 152, "validation": 37}
    found = {Path(path).relative_to(tmp_path / "val").as_posix() for path in sides["validation"].paths}
    assert found == {name for name, fold in fold_of.items() if fold == 4}


def test_all_photographs_count_alike(load):
    rows = [
        {"validated": 10, "right": 9, "top1": 0.9, "seconds": 1.5},
        {"validated": 30, "right": 15, "top1": 0.5, "seconds": 2.0},
    ]
    assert load("cross_validation").total(rows) == {
        "fold": "all",
        "validated": 40,
        "right": 24,
        "top1": 0.6,
        "seconds": 3.5,
    }


def test_steps_are_compared_within_rounds(load):
    rows = load("overhead").step_figures([[1.0, 1.0, 4.0], [2.0, 2.0, 2.0]], [[1.5, 1.5, 6.0], [2.0, 2.0, 8.0]])
    assert [(row["figure"], row["value"], row["lowest"], row["highest"]) for row in rows] == [
        ("median step, fit alone", 1.5, 1.0, 2.0),
        ("median step, session", 1.75, 1.5, 2.0),
        ("median step, session to fit alone", 1.25, 1.0, 1.5),
        ("mean step, fit alone", 2.0, 2.0, 2.0),
        ("mean step, session", 3.5, 3.0, 4.0),
        ("mean step, session to fit alone", 1.75, 1.5, 2.0),
    ]


def test_too_few_steps_are_refused(load, tmp_path):
    with pytest.raises(SystemExit, match=r"^--steps must be above 2, got 2\.$"):
        load("overhead").main([str(tmp_path / "overhead.csv"), "--steps=2"])


@pytest.mark.slow
def test_overhead_is_written(load, tmp_path):
    target = tmp_path / "overhead.csv"
    small = ("--variant=tiny", "--image_size=32", "--batch_size=4", "--steps=5", "--rounds=1", "--checkpoint_steps=2")
    load("overhead").main([str(target), *small])
    rows = read(target)
    assert list(rows[0])[:11] == [
        *("figure", "unit", "value", "lowest", "highest"),
        *("variant", "image_size", "batch_size", "steps", "rounds", "checkpoint_steps"),
    ]
    assert {"processor", "cores", "python", "keras"} <= set(rows[0])
    assert [row["figure"] for row in rows[6:]] == [
        "checkpoint, copied while the training waits",
        "checkpoint, written beside the training",
        "checkpoint, size",
    ]
    assert all(float(row["value"]) > 0 for row in rows)


def write_idx(folder: Path, kind: str, count: int) -> None:
    generator = np.random.default_rng(count)
    labels = np.arange(count, dtype=np.uint8) % 10
    pixels = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    for name, values in ((f"{kind}-images-idx3-ubyte", pixels), (f"{kind}-labels-idx1-ubyte", labels)):
        header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
        (folder / name).write_bytes(header + values.tobytes())


@pytest.mark.slow
def test_fashion_writes_the_whole_curve(load, tmp_path, monkeypatch):
    script = load("fashion")
    monkeypatch.setattr(script, "NETWORK", ("--variant=tiny",))
    for kind, count in (("train", 40), ("t10k", 20)):
        write_idx(tmp_path, kind, count)
    script.main([str(tmp_path / "fashion.csv"), f"--data={tmp_path}", "--epochs=2"])
    first, second, test = read(tmp_path / "fashion.csv")
    assert [(row["split"], row["epoch"]) for row in (first, second, test)] == [
        *(("train", "1"), ("train", "2")),
        ("test", ""),
    ]
    figures = ("seconds", "learning_rate", "loss", "top1", "top5", "val_loss", "val_top1", "val_top5")
    assert all(float(row[name]) >= 0 for row in (first, second) for name in figures)
    assert (test["pictures"], test["val_loss"]) == ("20", "")
    assert 0 <= float(test["top1"]) <= float(test["top5"]) <= 1
    assert float(test["seconds"]) > float(first["seconds"]) + float(second["seconds"])
    assert first["network"] == f"tiny at {read_recipe('fashion')['image_size']} pixels"
    assert {"processor", "cores", "python", "keras"} <= set(first)


@pytest.mark.slow
def test_fashion_ends_with_a_training_that_fails(load, tmp_path):
    with pytest.raises(SystemExit, match=r"efficientnet-train ended with 2\.$"):
        load("fashion").main([str(tmp_path / "fashion.csv"), "--data="])
