"""What is done to batches: augmented and mixed with seeds of their own, filled up without counting anything twice."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from source_files import noise, number_of

from efficientnet_tf.data.batching import augmentation_seed, mixing_seed
from efficientnet_tf.data.pipeline import make_dataset
from efficientnet_tf.data.sources import Examples
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Preprocessing

RECORD = Preprocessing(image_size=(16, 16), crop="none")
EXAMPLES = Examples(
    tuple(map(str, range(11))),
    tuple(number % 3 for number in range(11)),
    ("a", "b", "c"),
    (),
    "noise",
    tuple(map(noise, range(11))),
)


def dataset(**options: object) -> tf.data.Dataset:
    common = {"batch_size": 4, "training": True, "seed": 5, "min_crop_area": 0.9}
    return make_dataset(EXAMPLES, RECORD, **(common | options))


def with_seed(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Write the bytes of the seed into the first pixels."""
    assert seed.dtype == tf.int32
    marks = tf.reshape(tf.bitcast(seed, tf.uint8), [8])
    flat = tf.reshape(image, [-1])
    return tf.reshape(tf.concat([marks, flat[8:]], 0), image.shape)


def seeds(images: np.ndarray) -> list[bytes]:
    return [image.reshape(-1)[:8].tobytes() for image in images]


def test_augmentation_has_a_seed_for_each_picture_and_epoch() -> None:
    plain, augmented = dataset(), dataset(augment=with_seed)
    found = []
    for _ in range(2):
        before, after = (np.concatenate([images for images, _ in data]) for data in (plain, augmented))
        # The crops are those of a training without it.
        np.testing.assert_array_equal(before.reshape(11, -1)[:, 8:], after.reshape(11, -1)[:, 8:])
        found += seeds(after)
    assert len(set(found)) == 22


def test_a_mix_sees_the_batch_and_a_seed_of_its_own() -> None:
    def mix(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.map_fn(lambda image: with_seed(image, seed), images), 0.5 * labels

    data = dataset(mix=mix)
    assert data.element_spec == dataset().element_spec
    assert data.cardinality() == 3
    found = []
    for _ in range(2):
        for (images, labels), (_, plain) in zip(data, dataset(), strict=True):
            assert len(set(seeds(images.numpy()))) == 1
            found.append(seeds(images.numpy())[0])
            assert labels.numpy().sum() == pytest.approx(len(plain) / 2)
    assert len(set(found)) == 6


def test_seeds_of_batches_shards_and_examples_differ() -> None:
    epoch = tf.constant([3, 77], tf.int64)
    examples = [augmentation_seed(tf.random.fold_in(epoch, tf.constant(n, tf.int64))) for n in range(4)]
    batches = [mixing_seed(epoch, tf.constant(batch, tf.int64), shard) for batch in range(4) for shard in range(4)]
    assert len({tuple(seed.numpy().tolist()) for seed in examples + batches}) == 20


def test_padded_evaluation_counts_every_example_once() -> None:
    data = dataset(training=False, pad_remainder=True)
    assert data.element_spec == (
        tf.TensorSpec((4, 16, 16, 3), tf.uint8),
        tf.TensorSpec((4, 3), tf.float32),
        tf.TensorSpec((4,), tf.float32),
    )
    batches = [tuple(part.numpy() for part in batch) for batch in data]
    assert [weights.tolist() for _, _, weights in batches] == [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 0]]
    assert [number_of(image) for images, _, _ in batches for image in images][:11] == list(range(11))
    assert not batches[-1][0][-1].any()
    assert not batches[-1][1][-1].any()
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Rescaling(1 / 99), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    model.compile(
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy", keras.metrics.CategoricalCrossentropy(from_logits=True)],
    )
    figures = model.evaluate(data, verbose=0, return_dict=True)
    images = np.concatenate([images for images, _, _ in batches])[:11]
    answers = model.predict_on_batch(images)
    labels = np.array(EXAMPLES.labels)
    assert figures["accuracy"] == pytest.approx((answers.argmax(-1) == labels).mean(), abs=1e-6)
    shifted = answers - answers.max(-1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(-1)) - shifted[np.arange(11), labels]
    assert figures["categorical_crossentropy"] == pytest.approx(losses.mean(), rel=1e-5)
    # Keras divides its own loss by all rows, those that fill up too.
    assert figures["loss"] == pytest.approx(losses.sum() / 12, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pad_remainder": True}, "pad_remainder is for evaluation, and not together with drop_remainder."),
        (
            {"training": False, "pad_remainder": True, "drop_remainder": True},
            "pad_remainder is for evaluation, and not together with drop_remainder.",
        ),
        (
            {"training": False, "augment": with_seed},
            "augment and mix are for training, and this dataset is for evaluation.",
        ),
        (
            {"cache": "folder"},
            "A cache in a folder is for tfrecord: and tfds: sources, got 'folder'. Allowed here: auto, none, memory.",
        ),
    ],
)
def test_wrong_uses(options: dict[str, object], expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        dataset(**options)
    assert str(caught.value) == expected
