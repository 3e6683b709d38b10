"""Figures of merit against numbers worked out by hand, and every photograph asked about once."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
from source_files import noise, number_of, write_shards

from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.sources import Examples, read_source
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.evaluation import answer, evaluate_probabilities, looks
from efficientnet_tf.evaluation.measuring import averaged
from efficientnet_tf.evaluation.photographs import Batch, Reader, ask, call_size, regroup
from efficientnet_tf.evaluation.report import most_confused
from efficientnet_tf.prediction import Predictor
from efficientnet_tf.specs import Preprocessing

RECORD = Preprocessing(image_size=(16, 16), crop="none")


def test_figures_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])
    figures = evaluate_probabilities(probabilities, np.array([0, 2, 0, 2]), ["a", "b", "c"])
    assert (figures["examples"], figures["top1"], figures["top5"]) == (4, 0.75, None)
    assert figures["loss"] == pytest.approx(-np.log([0.7, 0.3, 0.5, 0.8]).mean(), abs=1e-12)
    # Four bins of one example each: gaps 0.3, 0.6, 0.5 and 0.2.
    assert figures["ece"] == pytest.approx((0.3 + 0.6 + 0.5 + 0.2) / 4, abs=1e-12)
    # b has no examples: it counts in neither mean, though one photograph was taken for it.
    assert figures["balanced_accuracy"] == pytest.approx((1 + 0.5) / 2, abs=1e-12)
    assert figures["macro_f1"] == pytest.approx((1 + 2 / 3) / 2, abs=1e-12)
    assert figures["per_class"] == {
        "a": {"examples": 2, "top1": 1.0, "precision": 1.0, "f1": 1.0},
        "b": {"examples": 0, "top1": None, "precision": 0.0, "f1": None},
        "c": {"examples": 2, "top1": 0.5, "precision": 1.0, "f1": pytest.approx(2 / 3, abs=1e-12)},
    }
    assert figures["confusion"] == [[2, 0, 0], [0, 0, 0], [0, 1, 1]]


def test_figures_against_a_model_that_counts_one_by_one():
    generator = np.random.default_rng(5)
    labels, number = list("abcdefgh"), 200
    targets = generator.integers(0, 7, number)  # none of h
    probabilities = generator.dirichlet(np.full(8, 0.4), number)
    probabilities[::2] += np.eye(8)[targets[::2]]
    probabilities = (probabilities / probabilities.sum(-1, keepdims=True)).astype("float32")
    figures = evaluate_probabilities(probabilities, targets, labels)

    confusion = [[0] * 8 for _ in labels]
    losses, among_five, bins = [], 0, [[] for _ in range(15)]
    for row, target in zip(probabilities.tolist(), targets.tolist(), strict=True):
        best = row.index(max(row))
        confusion[target][best] += 1
        losses.append(-np.log(row[target]))
        among_five += sum(value > row[target] for value in row) < 5
        bins[min(int(row[best] * 15), 14)].append((row[best], best == target))
    recalls = [confusion[c][c] / sum(confusion[c]) for c in range(7)]
    precisions = [confusion[c][c] / sum(row[c] for row in confusion) for c in range(7)]
    f1 = [2 * p * r / (p + r) for p, r in zip(precisions, recalls, strict=True)]
    gaps = [abs(sum(c for c, _ in members) - sum(right for _, right in members)) for members in bins]
    assert figures["confusion"] == confusion
    assert figures["top1"] == sum(confusion[c][c] for c in range(8)) / number
    assert figures["top5"] == among_five / number
    for key, value in {
        "loss": sum(losses) / number,
        "balanced_accuracy": sum(recalls) / 7,
        "macro_f1": sum(f1) / 7,
        "ece": sum(gaps) / number,
    }.items():
        assert figures[key] == pytest.approx(value, abs=1e-12), key
    for c, label in enumerate(labels[:7]):
        row = figures["per_class"][label]
        assert (row["top1"], row["precision"]) == (recalls[c], precisions[c])
        assert row["f1"] == pytest.approx(f1[c], abs=1e-12)


def test_calibration_groups_equal_confidence():
    probabilities = np.tile([0.75, 0.25], (4, 1))
    figures = evaluate_probabilities(probabilities, np.array([0, 0, 0, 1]), ["a", "b"])
    assert figures["ece"] == pytest.approx(0.0, abs=1e-12)


def test_top5():
    probabilities = np.array([[0.3, 0.2, 0.15, 0.14, 0.11, 0.1], [0.3, 0.2, 0.15, 0.14, 0.11, 0.1]])
    assert evaluate_probabilities(probabilities, np.array([4, 5]), list("abcdef"))["top5"] == 0.5


def test_arrays_that_do_not_belong_together():
    with pytest.raises(
        UsageError, match=r"^Expected probabilities for 2 examples and 2 classes, got shape \(2, 3\)\.$"
    ):
        evaluate_probabilities(np.ones((2, 3)), np.array([0, 1]), ["a", "b"])
    with pytest.raises(
        UsageError, match=r"^Expected probabilities for 0 examples and 2 classes, got shape \(0, 2\)\.$"
    ):
        evaluate_probabilities(np.ones((0, 2)), np.array([], int), ["a", "b"])


def test_so_many_classes_that_pairs_are_not_counted():
    labels = [str(number) for number in range(2001)]
    figures = evaluate_probabilities(np.eye(2001, dtype="float32")[[3, 5]], np.array([3, 4]), labels)
    assert (figures["confusion"], figures["top1"], figures["macro_f1"]) == (None, 0.5, 0.5)
    assert figures["per_class"]["5"] == {"examples": 0, "top1": None, "precision": 0.0, "f1": None}


def test_most_confused_first():
    confusion = [[5, 2, 0], [1, 0, 2], [0, 0, 4]]
    assert most_confused(list("abc"), confusion) == [("b", "c", 2, 3), ("a", "b", 2, 7), ("b", "a", 1, 3)]


def test_ten_crops_by_hand():
    (look,) = looks(Preprocessing(image_size=(4, 4), crop_padding=3), crops=10)
    assert (look.record.image_size, look.record.crop, look.record.crop_padding) == ((7, 7), "center", 0)
    picture = np.arange(49, dtype=np.uint8).reshape(1, 7, 7, 1).repeat(3, -1)
    views = [cut(picture)[0, :, :, 0] for cut in look.cuts]
    assert [view[0, 0] for view in views[:5]] == [0, 3, 21, 24, 16]
    assert all(view.shape == (4, 4) for view in views)
    for view, mirrored in zip(views[:5], views[5:], strict=True):
        np.testing.assert_array_equal(mirrored, view[:, ::-1])


def test_a_record_without_padding():
    whole = Preprocessing(image_size=(64, 96), crop="none", crop_padding=0)
    (look,) = looks(whole, crops=10)
    assert (look.record.image_size, look.record.crop) == ((96, 144), "none")
    message = "--tta=zoom needs a network whose photographs are cropped; this one takes them whole."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        looks(whole, tta=("zoom",))


def test_views_of_test_time_augmentation():
    record = Preprocessing(image_size=(8, 8), crop_padding=2)
    seen = looks(record, tta=("zoom", "flip"))
    assert [look.record.crop_padding for look in seen] == [2, 0, 4]
    picture = np.arange(3 * 64, dtype=np.uint8).reshape(1, 8, 8, 3)
    for look in seen:
        np.testing.assert_array_equal(look.cuts[0](picture), picture)
        np.testing.assert_array_equal(look.cuts[1](picture), picture[:, :, ::-1])


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1), (5,), (3, 0, 2), (4, 1)])
def test_regrouping_keeps_the_order(sizes):
    begins = np.cumsum((0, *sizes))
    batches = [
        Batch(np.arange(begin, begin + size), np.arange(begin, begin + size) + 10, (np.zeros((size, 1, 1, 3)),))
        for begin, size in zip(begins, sizes, strict=False)
    ]
    grouped = list(regroup(batches, 2))
    assert [batch.numbers.tolist() for batch in grouped] == [[0, 1], [2, 3], [4]]
    assert [batch.targets.tolist() for batch in grouped] == [[10, 11], [12, 13], [14]]
    assert [len(batch.pictures[0]) for batch in grouped] == [2, 2, 1]


def test_a_network_is_always_given_as_many():
    shapes = []

    def probabilities(pictures):
        shapes.append(pictures.shape)
        return pictures.mean((1, 2))

    pictures = np.full((3, 2, 2, 3), 7, np.uint8)
    np.testing.assert_array_equal(ask(probabilities, pictures, 8), np.full((3, 3), 7.0))
    assert shapes == [(8, 2, 2, 3)]


def test_every_record_once_and_damaged_ones_not(tmp_path):
    write_shards(tmp_path, (9, 8), split="validation", damaged=(0, 3, 4, 16))
    records = read_source(f"tfrecord:{tmp_path}", "validation")
    reader = Reader(records, looks(RECORD), batch_size=4, max_bad_files=0.5)
    batches = list(regroup(reader, 5))
    good = [number for number in range(17) if number not in (0, 3, 4, 16)]
    assert [len(batch) for batch in batches] == [5, 5, 3]
    assert [number for batch in batches for number in batch.numbers.tolist()] == good
    assert [target for batch in batches for target in batch.targets.tolist()] == [number % 3 for number in good]
    assert [number_of(picture) for batch in batches for picture in batch.pictures[0]] == good
    files = [tmp_path / f"validation-{shard:05d}-of-00002" for shard in (0, 0, 0, 1)]
    expected = [f"{file}#{number}" for file, number in zip(files, (0, 3, 4, 7), strict=True)]
    assert reader.skipped == tuple((file, "it cannot be decoded") for file in expected)


def noises(count: int, class_names: tuple[str, ...] = ("a", "b", "c")) -> Examples:
    """Return pictures of noise, whose classes take turns."""
    return Examples(
        paths=tuple(f"set#{number}" for number in range(count)),
        labels=tuple(number % len(class_names) for number in range(count)),
        class_names=class_names,
        skipped=(("broken.jpg", "an empty file"),),
        name="noise",
        contents=tuple(map(noise, range(count))),
    )


def test_data_in_another_order_than_the_network():
    """The network has the labels of the data as c, x, a, b, and always answers b."""
    calls = []

    def probabilities(pictures):
        calls.append(len(pictures))
        return np.tile([0.1, 0.2, 0.3, 0.4], (len(pictures), 1))

    answers = answer(Predictor("net", probabilities, ["c", "x", "a", "b"], RECORD), noises(10), looks(RECORD))
    assert answers.scores.targets.tolist() == [2, 3, 0] * 3 + [2]
    assert answers.scores.own.tolist() == [0.3, 0.4, 0.1] * 3 + [0.3]
    assert answers.files == tuple(f"set#{number}" for number in range(10))
    assert answers.skipped == (("broken.jpg", "an empty file"),)
    assert calls == [call_size()] * math.ceil(10 / call_size())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.5, 0.5], "net has 2 outputs, and labels.txt names 3 classes."),
        ([np.nan, 0.5, 0.5], "net gives probabilities that are not numbers."),
    ],
)
def test_answers_that_cannot_be_used(row, message):
    predictor = Predictor("net", lambda pictures: np.tile(row, (len(pictures), 1)), ["a", "b", "c"], RECORD)
    batch = Batch(np.arange(3), np.arange(3), (np.zeros((3, 16, 16, 3), np.uint8),))
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        averaged(predictor, batch, looks(RECORD), 8)


def test_views_are_averaged():
    """A network that tells the first pixel's red and blue, of a picture and of its mirror image."""
    predictor = Predictor("net", lambda pictures: pictures[:, 0, 0, ::2].astype("float32"), ["red", "blue"], RECORD)
    pictures = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    batch = Batch(np.arange(3), np.zeros(3, int), (pictures,))
    expected = (pictures[:, 0, 0, ::2].astype(float) + pictures[:, 0, -1, ::2]) / 2
    np.testing.assert_array_equal(averaged(predictor, batch, looks(RECORD, tta=("flip",)), 8), expected)


def test_pictures_are_those_of_other_rooms():
    """Whoever decodes, a photograph is the same picture; of several looks each has its own."""
    record = Preprocessing((16, 16))
    (batch,) = Reader(noises(2), looks(record, tta=("zoom",)), batch_size=8)
    assert batch.numbers.tolist() == [0, 1]
    for padding, pictures in zip((32, 0, 64), batch.pictures, strict=True):
        own = dataclasses.replace(record, crop_padding=padding)
        np.testing.assert_array_equal(pictures, [decode_and_crop(noise(number), own) for number in range(2)])
