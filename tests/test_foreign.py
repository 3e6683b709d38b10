"""Functions, and layers of Keras and KerasCV, as augmentations in `tf.data`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import keras_cv
import numpy as np
import pytest
import tensorflow as tf
from augment_choices import seeds
from augment_pictures import photographs

from efficientnet_tf.augment import Augmenter, augmenter
from efficientnet_tf.errors import UsageError

Array = np.ndarray[Any, Any]

PICTURE = photographs()["hammer3-97x131"]
HOW = "An augmentation must be a function of (image) or (image, seed), or a Keras layer; "


def by_dataset(function: Augmenter, count: int = 4, image: Array = PICTURE) -> Array:
    dataset = tf.data.Dataset.from_tensor_slices(seeds(count))
    dataset = dataset.map(lambda seed: function(image, seed), num_parallel_calls=2)
    assert dataset.element_spec == tf.TensorSpec(image.shape, tf.uint8)
    return np.stack(list(dataset.as_numpy_iterator()))


def by_generator(function: Augmenter, count: int = 4) -> Array:
    """Return pictures whose size the graph does not know."""
    signature = (tf.TensorSpec([None, None, 3], tf.uint8), tf.TensorSpec([2], tf.int64))
    pairs = [(PICTURE, seed) for seed in seeds(count)]
    dataset = tf.data.Dataset.from_generator(lambda: iter(pairs), output_signature=signature).map(function)
    return np.stack(list(dataset.as_numpy_iterator()))


def inverted(image: tf.Tensor) -> tf.Tensor:
    return 255 - image


def noised(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    noise = tf.random.stateless_uniform(tf.shape(image), seed, -20, 20, tf.int32)
    return tf.cast(image, tf.int32) + noise


def inverted_if_dark(image: tf.Tensor) -> tf.Tensor:
    if tf.reduce_mean(tf.cast(image, tf.float32)) < 128:
        return 255 - image
    return image


class Flip:
    def __call__(self, image: tf.Tensor) -> tf.Tensor:
        return image[:, ::-1]


@pytest.mark.parametrize("run", [by_dataset, by_generator])
def test_a_function_of_the_picture(run: Callable[[Augmenter], Array]) -> None:
    np.testing.assert_array_equal(run(augmenter(inverted)), [255 - PICTURE] * 4)
    np.testing.assert_array_equal(augmenter(inverted)(PICTURE, seeds(1)[0]), 255 - PICTURE)


@pytest.mark.parametrize("run", [by_dataset, by_generator])
def test_a_function_of_picture_and_seed_is_given_the_seed(run: Callable[[Augmenter], Array]) -> None:
    expected = [np.clip(noised(tf.constant(PICTURE), seed), 0, 255) for seed in seeds(4)]
    np.testing.assert_array_equal(run(augmenter(noised)), expected)
    np.testing.assert_array_equal(run(augmenter(functools.partial(noised))), expected)


def test_an_object_that_can_be_called() -> None:
    np.testing.assert_array_equal(by_dataset(augmenter(Flip())), [PICTURE[:, ::-1]] * 4)


def test_a_function_may_look_at_the_picture_s_values() -> None:
    dark, light = PICTURE // 4, 255 - PICTURE // 4
    for image, expected in ((dark, 255 - dark), (light, light)):
        np.testing.assert_array_equal(by_dataset(augmenter(inverted_if_dark), 2, image), [expected] * 2)
        batch = augmenter(inverted_if_dark).batch(image[np.newaxis], seeds(1))
        np.testing.assert_array_equal(batch, expected[np.newaxis])


def test_numbers_of_other_types_are_rounded_and_kept_within_a_byte() -> None:
    image = np.array([[[0, 100, 200]]], np.uint8)
    cases = {
        2.0: [0, 200, 255],
        -1.0: [0, 0, 0],
        0.006: [0, 1, 1],
        0.013: [0, 1, 3],
    }
    for factor, expected in cases.items():
        function = augmenter(lambda image, factor=factor: tf.cast(image, tf.float32) * factor)
        assert function(image, seeds(1)[0]).numpy().tolist() == [[expected]]
    assert augmenter(lambda image: tf.cast(image, tf.int32) * 2)(image, seeds(1)[0]).numpy().tolist() == [
        [[0, 200, 255]]
    ]


def test_functions_stand_among_texts() -> None:
    function = augmenter("cutout:fill=grey", inverted, "erasing:p=1,fill=grey")
    assert len(function.steps) == 3
    found = by_dataset(function)
    np.testing.assert_array_equal(found, [function(PICTURE, seed) for seed in seeds(4)])
    words = function.describe(PICTURE, seeds(1)[0]).split(", ")
    assert [word.split()[0] for word in words] == ["Cutout", "inverted", "Erasing"]


LAYERS: dict[str, Callable[[], Any]] = {
    "rand_augment": lambda: keras_cv.layers.RandAugment((0, 255), augmentations_per_image=2, magnitude=0.5, seed=1),
    "grid_mask": lambda: keras_cv.layers.GridMask(seed=1),
    "random_rotation": lambda: keras.layers.RandomRotation(0.2, seed=1),
    "sequential": lambda: keras.Sequential([keras.layers.RandomFlip(seed=1), keras.layers.RandomContrast(0.5, seed=2)]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_change_each_picture_in_another_way(name: str) -> None:
    layer = LAYERS[name]()
    function = augmenter(layer)
    found = by_dataset(function, 6)
    assert found.dtype == np.uint8
    # Values of 0 to 255 went in: they are neither all dark nor all white.
    assert 20 < found.mean() < 235
    assert len({picture.tobytes() for picture in found}) > 2
    eager = function(PICTURE, seeds(1)[0])
    assert (eager.shape, eager.dtype) == (PICTURE.shape, tf.uint8)
    assert function.batch(PICTURE[np.newaxis], seeds(1)).shape == (1, *PICTURE.shape)
    assert function.describe(PICTURE, seeds(1)[0]) == layer.name


def test_a_layer_s_answer_is_the_picture_s() -> None:
    """A layer that draws nothing: what it gives alone, and what it gives as an augmentation."""
    layer = keras_cv.layers.Solarization((0, 255), threshold_factor=(128, 128))
    expected = np.where(PICTURE < 128, PICTURE, 255 - PICTURE)
    np.testing.assert_array_equal(by_dataset(augmenter(layer), 2), [expected] * 2)


def test_layers_that_behave_otherwise_in_training_are_in_training() -> None:
    dropped = by_dataset(augmenter(keras.layers.Dropout(0.5, seed=1)), 1)[0]
    stays = dropped != 0
    assert 0.4 < stays.mean() < 0.6
    np.testing.assert_array_equal(dropped[stays], np.minimum(2 * PICTURE.astype(int), 255)[stays])


def test_a_picture_of_another_size_is_refused() -> None:
    function = augmenter(lambda image: image[:10])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[10,131,3\] is not compatible with expected shape"):
        function(PICTURE, seeds(1)[0])
    with pytest.raises(ValueError, match="Dimension 0 in both shapes must be equal, but are 97 and 10"):
        by_dataset(function)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (3, "An augmentation must be a text, a function or a Keras layer, got 3."),
        (None, "An augmentation must be a text, a function or a Keras layer, got None."),
        (["cutout"], "An augmentation must be a text, a function or a Keras layer, got ['cutout']."),
        (lambda: 1, f"{HOW}got one of 0 arguments."),
        (lambda image, seed, other: image, f"{HOW}got one of 3 arguments."),
        (keras.layers.RandomFlip, "An augmentation must be a function or a Keras layer, got the class RandomFlip."),
        (Flip, "An augmentation must be a function or a Keras layer, got the class Flip."),
    ],
)
def test_what_is_no_augmentation(wrong: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        augmenter(wrong)
    assert str(caught.value) == message
