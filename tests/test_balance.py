"""Class weights: counting, weighing, and what `fit` makes of them."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from source_files import noise, write_records, write_shards

from efficientnet_tf.augment import augmenter
from efficientnet_tf.data.pipeline import make_dataset
from efficientnet_tf.data.sources import Examples, read_source
from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.specs import Preprocessing
from efficientnet_tf.training.balance import balance, class_weights, count_labels

RECORD = Preprocessing(image_size=(16, 16), crop="none")


def examples(labels: list[int], classes: int = 3) -> Examples:
    return Examples(
        paths=tuple(f"{row}.png" for row in range(len(labels))),
        labels=tuple(labels),
        class_names=tuple("abcdefgh"[:classes]),
        skipped=(),
        name="letters",
        contents=tuple(noise(row) for row in range(len(labels))),
    )


def test_weights_have_mean_one_and_equal_sums():
    counts = [30, 10, 1]
    weights = class_weights(counts, "abc")
    assert weights == pytest.approx([41 / 90, 41 / 30, 41 / 3])
    sums = [count * weight for count, weight in zip(counts, weights, strict=True)]
    assert sums == pytest.approx([41 / 3] * 3)
    assert sum(sums) / 41 == pytest.approx(1)


def test_a_class_without_a_photograph():
    message = "--class_weights=balanced needs training photographs of every class; 2 of 4 have none: roses, tulips."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        class_weights([0, 3, 0, 1], ["roses", "lilies", "tulips", "daisies"])
    with pytest.raises(EfficientNetError, match=r"; 999 of 1000 have none: 1, 2, 3, 4, 5 and 994 more\.$"):
        class_weights([1, *([0] * 999)], [str(number) for number in range(1000)])


def test_counting_examples():
    assert count_labels(examples([0, 0, 2, 0])) == [3, 0, 1]


def test_counting_records_decodes_nothing(tmp_path):
    write_shards(tmp_path, [6, 5], damaged=[2])
    write_shards(tmp_path, [3], split="validation", first=50)
    assert count_labels(read_source(f"tfrecord:{tmp_path}")) == [4, 4, 3]


def test_a_record_of_no_class(tmp_path):
    write_shards(tmp_path, [1], split="validation")
    write_records(tmp_path / "train-00000-of-00001", [(noise(0), 1), (noise(1), 4)])
    message = r"train-00000-of-00001#1' has the label 4\. Allowed: 1 to 3, one for each of the class names\.$"
    with pytest.raises(EfficientNetError, match=message):
        count_labels(read_source(f"tfrecord:{tmp_path}"))


def test_a_damaged_file_of_records(tmp_path):
    write_shards(tmp_path, [3])
    write_shards(tmp_path, [1], split="validation")
    file = tmp_path / "train-00000-of-00001"
    records = read_source(f"tfrecord:{tmp_path}")
    file.write_bytes(file.read_bytes()[:-8] + bytes(8))
    with pytest.raises(
        EfficientNetError, match=r"^A record of '.*' cannot be read, one of 1024 from '.*#0' on; it is "
    ):
        count_labels(records)


def test_batches_have_the_weights_of_their_labels():
    source = examples([0, 0, 0, 1, 1, 2])
    weights = class_weights(count_labels(source), source.class_names)
    dataset = make_dataset(source, RECORD, batch_size=4, training=True)
    (images, labels, given), (_, _, last) = balance(dataset, weights)
    assert images.shape == (4, 16, 16, 3)
    np.testing.assert_array_equal(given, np.asarray(weights, "float32")[labels.numpy().argmax(-1)])
    assert np.concatenate([given, last]).mean() == pytest.approx(1)


def test_mixed_labels_have_the_mean_of_the_weights():
    weights = class_weights([3, 2, 1], "abc")
    images, labels = tf.zeros([6, 8, 8, 3], tf.uint8), tf.one_hot([0, 0, 0, 1, 1, 2], 3)
    mixed = augmenter("mixup:1.0").mixer(images, labels, tf.constant([1, 2]))
    ((_, labels, given),) = balance(tf.data.Dataset.from_tensors(mixed), weights)
    assert 0 < labels.numpy().max(-1).min() < 1
    np.testing.assert_allclose(given, labels.numpy() @ np.asarray(weights), rtol=1e-6)


def test_the_count_of_damage_stays():
    dataset = tf.data.Dataset.from_tensors((tf.zeros([1, 8, 8, 3]), tf.ones([1, 1])))
    assert balance(dataset, [1.0]).damage is None
    dataset.damage = object()
    assert balance(dataset, [1.0]).damage is dataset.damage


def test_fit_takes_the_weighted_loss_with_smoothed_labels():
    images = np.random.default_rng(1).normal(size=(4, 2, 2, 3)).astype("float32")
    labels = np.eye(3, dtype="float32")[[0, 0, 0, 1]]
    weights = [0.5, 2.0, 7.0]
    model = keras.Sequential([keras.Input((2, 2, 3)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
    smoothing = 0.1
    model.compile("sgd", keras.losses.CategoricalCrossentropy(label_smoothing=smoothing))
    probabilities = model.predict(images, verbose=0)
    losses = -((labels * (1 - smoothing) + smoothing / 3) * np.log(probabilities)).sum(-1)
    dataset = balance(tf.data.Dataset.from_tensors((images, labels)), weights)
    history = model.fit(dataset, shuffle=False, verbose=0)
    assert history.history["loss"][0] == pytest.approx(float((losses * [0.5, 0.5, 0.5, 2.0]).mean()), rel=1e-5)
