"""The paper's transfer sets: the table against the sets' own sizes, and which source is which set."""

from __future__ import annotations

import pytest

from efficientnet_tf.config.transfer import TRANSFER_TASKS, transfer_task
from efficientnet_tf.data.sources import parse_source
from efficientnet_tf.specs import list_variants

# All photographs of a set, as its authors give them.
SET_SIZES = {
    "CIFAR-10": 60_000,
    "CIFAR-100": 60_000,
    "Birdsnap": 49_829,
    "Stanford Cars": 16_185,
    "Flowers": 8_189,
    "FGVC Aircraft": 10_000,
    "Oxford-IIIT Pets": 7_349,
    "Food-101": 101_000,
}


def test_the_table_holds_whole_sets():
    assert {task.name: task.train_size + task.test_size for task in TRANSFER_TASKS} == SET_SIZES


def test_targets_are_of_variants_and_rise():
    for task in TRANSFER_TASKS:
        assert set(task.targets) <= set(list_variants())
        first, best = task.targets.values()
        assert 80 < first < best < 100


def test_metrics():
    assert {task.name for task in TRANSFER_TASKS if task.metric == "balanced_accuracy"} == {
        "Flowers",
        "FGVC Aircraft",
        "Oxford-IIIT Pets",
    }
    assert {task.metric for task in TRANSFER_TASKS} == {"balanced_accuracy", "top1"}


@pytest.mark.parametrize("task", [task for task in TRANSFER_TASKS if task.source], ids=lambda task: task.name)
def test_a_source_is_recognised(task):
    assert parse_source(task.source)[0] == "tfds"
    assert transfer_task(task.source) is task
    name, _, split = task.source.removeprefix("tfds:").partition(":")
    assert transfer_task(f"tfds:{name}:1.*.*:{split or 'train'}") is task


def test_sets_without_a_source():
    assert [task.name for task in TRANSFER_TASKS if task.source is None] == ["Birdsnap", "FGVC Aircraft"]


@pytest.mark.parametrize(
    "source",
    [
        None,
        "",
        "sample",
        "flowers",
        "cifar10",
        "csv:cifar10",
        "tfds:cifar10_1",
        "tfds:cifar10:train[:50%]",
        "tfds:cifar10:train+test",
        "tfds:oxford_flowers102",
        "tfds:tf_flowers",
    ],
)
def test_other_sources_are_no_set_of_the_paper(source):
    assert transfer_task(source) is None


def test_summary():
    pets = transfer_task("tfds:oxford_iiit_pet")
    assert pets.summary == "Oxford-IIIT Pets, mean over the classes; the paper (Table 5): b4 94.8, b6 95.4 %"
    cars = transfer_task("tfds:cars196")
    assert cars.summary == "Stanford Cars, top-1; the paper (Table 5): b3 93.6, b7 94.7 %"
