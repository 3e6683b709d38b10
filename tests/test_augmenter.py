"""The same seed gives the same picture however it is asked for, and that picture is what the operations make of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from augment_choices import chosen_step, drawn_by, seeds
from augment_models import PILLOW, cutout
from augment_pictures import photographs

from efficientnet_tf.augment import Augmenter, augmenter, ops
from efficientnet_tf.augment.choosing import picture_sides
from efficientnet_tf.augment.ops.compiled import uncompiled
from efficientnet_tf.augment.policies.grammar import MixUp, Plan
from efficientnet_tf.augment.stages import words_for
from efficientnet_tf.errors import UsageError

Array = np.ndarray[Any, Any]

QUICK = ("autoaugment", "trivialaugment+erasing:p=0.5+cutout:size=0.1,fill=grey")
QUICK_COMPILED = (*QUICK, "randaugment:m=9,std=1,increasing", "augmix:width=2,depth=1")
OTHERS = (
    "autoaugment:legacy",
    "randaugment:n=3,m=15",
    "randaugment:legacy,m=28",
    "randaugment:m=15,start=5",
    "trivialaugment",
    "augmix",
    "cutout",
    "erasing:p=0.7",
)
EVERY = (*QUICK_COMPILED, *OTHERS)


def quickly(*quick: str) -> list[Any]:
    """Return every text; building the graphs of all but a few takes long."""
    return [text if text in quick else pytest.param(text, marks=pytest.mark.slow) for text in EVERY]


SEEDS = 12
PICTURE = photographs()["fish16-97x131"]
UNKNOWN = tf.TensorSpec([None, None, 3], tf.uint8)

# What the seeds (0, 0), (1, 0), (2, 0) and (3, 0) mean: whoever repeats a run with a later version relies on it.
DESCRIPTIONS = {
    "autoaugment": ("unchanged", "unchanged", "Equalize", "Solarize 51"),
    "randaugment:n=2,m=15": (
        "ShearY 0.45, TranslateX -65.5",
        "Contrast 2.8, Sharpness 2.8",
        "ShearY 0.45, ShearY -0.45",
        "SolarizeAdd 165, Brightness 2.8",
    ),
    "randaugment:m=9,std=1,increasing": (
        "ShearY 0.25, TranslateX -49.1",
        "Contrast 0.102, Sharpness 0.102",
        "ShearY 0.295, ShearY -0.295",
        "SolarizeAdd 94, Brightness 0.228",
    ),
    "trivialaugment+erasing:p=0.5+cutout:size=0.1,fill=grey": (
        "Brightness 1.53, Erasing 40 x 27 px, Cutout 10 px",
        "ShearX -0.726, Cutout 10 px",
        "Brightness 0.439, Erasing 33 x 32 px, Cutout 10 px",
        "Contrast 1.66, Cutout 10 px",
    ),
}


@cache
def eagerly(text: str) -> Array:
    """Return the picture of each seed: uint8 [seeds, height, width, 3]."""
    function = augmenter(text)
    return np.stack([function(PICTURE, seed) for seed in seeds(SEEDS)])


def by_dataset(function: Augmenter, calls: int | None = None, dtype: tf.DType = tf.int64) -> Array:
    """Return the same from tf.data, which knows the picture's shape: there operations are compiled."""
    dataset = tf.data.Dataset.from_tensor_slices(tf.cast(seeds(SEEDS), dtype))
    dataset = dataset.map(lambda seed: function(PICTURE, seed), num_parallel_calls=calls)
    assert dataset.element_spec == tf.TensorSpec(PICTURE.shape, tf.uint8)
    return np.stack(list(dataset.as_numpy_iterator()))


@pytest.mark.parametrize("text", quickly(*QUICK))
def test_a_seed_s_picture_is_the_same_in_a_graph_without_shapes(text: str) -> None:
    function = tf.function(augmenter(text), input_signature=[UNKNOWN, tf.TensorSpec([2], tf.int64)])
    found = [function(PICTURE, seed) for seed in seeds(SEEDS)]
    np.testing.assert_array_equal(found, eagerly(text))


@pytest.mark.parametrize("text", quickly(*QUICK_COMPILED))
def test_a_seed_s_picture_is_the_same_compiled(text: str) -> None:
    np.testing.assert_array_equal(by_dataset(augmenter(text), 2), eagerly(text))


@pytest.mark.parametrize("text", quickly(*QUICK))
def test_a_seed_s_picture_is_the_same_uncompiled(text: str) -> None:
    with uncompiled():
        found = by_dataset(augmenter(text), 2)
    np.testing.assert_array_equal(found, eagerly(text))


@pytest.mark.parametrize("calls", [None, 1, 2, 8])
def test_parallel_calls_change_nothing(calls: int | None) -> None:
    text = "trivialaugment+erasing:p=0.5+cutout:size=0.1,fill=grey"
    np.testing.assert_array_equal(by_dataset(augmenter(text), calls), eagerly(text))


@pytest.mark.parametrize("text", quickly(*QUICK))
def test_a_batch_holds_the_same_pictures(text: str) -> None:
    function = augmenter(text)
    found = function.batch(np.stack([PICTURE] * SEEDS), seeds(SEEDS))
    np.testing.assert_array_equal(found, eagerly(text))
    # A batch of another size, as the last of an epoch may be.
    np.testing.assert_array_equal(function.batch(PICTURE[np.newaxis], seeds(1)), eagerly(text)[:1])


def test_a_batch_in_tf_data_holds_the_same_pictures() -> None:
    dataset = tf.data.Dataset.from_tensors((np.stack([PICTURE] * SEEDS), seeds(SEEDS)))
    (found,) = dataset.map(augmenter("autoaugment").batch).as_numpy_iterator()
    np.testing.assert_array_equal(found, eagerly("autoaugment"))


@pytest.mark.parametrize("text", EVERY)
def test_seeds_of_32_bits_are_those_of_64(text: str) -> None:
    function = augmenter(text)
    found = [function(PICTURE, seed) for seed in tf.cast(seeds(3), tf.int32)]
    np.testing.assert_array_equal(found, eagerly(text)[:3])


def test_both_halves_of_a_seed_count_and_all_of_its_bits() -> None:
    function = augmenter("cutout")
    those = [(1, 2), (2, 1), (1, 3), (-1, 2), (1, -2), (1 + 2**40, 2), (1, 2 + 2**40)]
    pictures = {function(PICTURE, tf.constant(seed, tf.int64)).numpy().tobytes() for seed in those}
    assert len(pictures) == len(those)


@pytest.mark.parametrize("text", EVERY)
def test_other_seeds_give_other_pictures(text: str) -> None:
    pictures = eagerly(text)
    assert pictures.shape == (SEEDS, *PICTURE.shape)
    assert pictures.dtype == np.uint8
    assert len({picture.tobytes() for picture in pictures}) > SEEDS / 2


@pytest.mark.parametrize("text", DESCRIPTIONS)
def test_seeds_mean_what_they_always_meant(text: str) -> None:
    function = augmenter(text)
    assert tuple(function.describe(PICTURE, seed) for seed in seeds(4)) == DESCRIPTIONS[text]


@pytest.mark.parametrize(
    "text", ["autoaugment", "randaugment:n=3,m=15", "randaugment:increasing,m=25", "trivialaugment"]
)
def test_pictures_are_pillow_s_of_the_chosen_operations(text: str) -> None:
    step, function = chosen_step(text), augmenter(text)
    for seed in seeds(40, second=3):
        expected = PICTURE
        for number, argument, place in zip(*drawn_by(step, seed, picture_sides(PICTURE)), strict=True):
            expected = by_pillow(expected, step.names[number], float(argument), place.numpy())
        np.testing.assert_array_equal(function(PICTURE, seed), expected, err_msg=function.describe(PICTURE, seed))


def test_words_have_no_negative_nothing() -> None:
    assert [words_for("Rotate", number) for number in (-0.0, 0.0, -24.0)] == ["Rotate 0", "Rotate 0", "Rotate -24"]
    assert [words_for(name, 0.0) for name in ("Identity", "Invert")] == ["", "Invert"]


def by_pillow(image: Array, name: str, argument: float, place: Array) -> Array:
    """Return an operation's result by Pillow, or NumPy."""
    if name == "Identity":
        return image
    if name == "Cutout":
        center = [int(share * side) for share, side in zip(place, image.shape, strict=False)]
        return cutout(image, (center[0], center[1]), int(argument))
    operation = PILLOW[snake(name)]
    if name in ("AutoContrast", "Equalize", "Invert"):
        return operation(image)
    return operation(image, int(argument) if name in ("Posterize", "Solarize", "SolarizeAdd") else argument)


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


@pytest.mark.parametrize("text", ["autoaugment:legacy", "randaugment:legacy,m=28"])
def test_legacy_pictures_are_those_of_legacy_operations(text: str) -> None:
    step, function = chosen_step(text), augmenter(text)
    keeping = ("AutoContrast", "Equalize", "Invert", "SolarizeAdd", "Brightness")
    for seed in seeds(30, second=4):
        expected = tf.constant(PICTURE)
        for number, argument, place in zip(*drawn_by(step, seed, picture_sides(PICTURE)), strict=True):
            name = step.names[number]
            if name == "Cutout":
                center = (int(place[0] * PICTURE.shape[0]), int(place[1] * PICTURE.shape[1]))
                expected = ops.cutout(expected, center, int(argument))
            elif name != "Identity":
                arguments = [] if name in ("AutoContrast", "Equalize", "Invert") else [argument]
                settings = {} if name in keeping else {"legacy": True}
                expected = getattr(ops, snake(name))(expected, *arguments, **settings)
        np.testing.assert_array_equal(function(PICTURE, seed), expected, err_msg=function.describe(PICTURE, seed))


def test_steps_follow_each_other() -> None:
    """Several steps have seeds of their own, and one augmenter's steps can be taken over by another."""
    first, second = augmenter("cutout:fill=grey"), augmenter("erasing:p=1")
    both = augmenter(first, second)
    assert both.steps == (*first.steps, *second.steps)
    one, other = tf.unstack(tf.random.split(seeds(1)[0], 2))
    np.testing.assert_array_equal(both(PICTURE, seeds(1)[0]), second(first(PICTURE, one), other))


@pytest.mark.parametrize("text", ["none", "", "mixup", "mixup:0.2+cutmix"])
def test_nothing_leaves_the_picture(text: str) -> None:
    function = augmenter(text)
    np.testing.assert_array_equal(function(PICTURE, seeds(1)[0]), PICTURE)
    np.testing.assert_array_equal(by_dataset(function), [PICTURE] * SEEDS)
    assert function.describe(PICTURE, seeds(1)[0]) == "unchanged"


def test_mixes_are_kept_for_batches() -> None:
    assert augmenter("autoaugment").mixer is None
    for function in (augmenter("mixup:0.3+cutout"), augmenter("cutout", Plan((), (MixUp(alpha=0.3),)))):
        assert function.mixer is not None
        assert function.mixer.mixes == (MixUp(alpha=0.3),)
        assert len(function.steps) == 1
    with pytest.raises(UsageError) as caught:
        augmenter("mixup", "cutmix")
    assert str(caught.value) == "Give mixup and cutmix in one text, as in 'mixup:0.2+cutmix:1.0'."


def test_a_text_that_is_wrong_says_so_at_once() -> None:
    with pytest.raises(
        UsageError, match=r"^Unknown augmentation 'randaugmet'\. Did you mean 'randaugment'\? Allowed: "
    ):
        augmenter("randaugmet")


@pytest.mark.parametrize("height_and_width", [(1, 1), (1, 5), (5, 1), (2, 2)])
@pytest.mark.parametrize("text", EVERY)
def test_the_smallest_pictures(text: str, height_and_width: tuple[int, int]) -> None:
    function, image = augmenter(text), PICTURE[: height_and_width[0], : height_and_width[1]]
    assert all(function(image, seed).shape == image.shape for seed in seeds(4))


@pytest.mark.parametrize("decode", [tf.io.decode_image, tf.io.decode_png])
@pytest.mark.parametrize("text", ["autoaugment", "augmix", "cutout"])
def test_pictures_of_a_decoder_need_no_shape(text: str, decode: Callable[[tf.Tensor], tf.Tensor]) -> None:
    data = tf.io.encode_png(PICTURE)
    function = augmenter(text)
    dataset = tf.data.Dataset.range(2).map(lambda number: function(decode(data), tf.stack([number, number])))
    for number, picture in enumerate(dataset):
        np.testing.assert_array_equal(picture, function(PICTURE, tf.constant([number, number])))


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros([8, 8, 3], np.float32), "Pictures must be uint8 [height, width, 3], of 0 to 255, got float32."),
        (np.zeros([8, 8, 1], np.uint8), "Pictures must be uint8 [height, width, 3], got the shape [8, 8, 1]."),
        (np.zeros([2, 8, 8, 3], np.uint8), "Pictures must be uint8 [height, width, 3], got the shape [2, 8, 8, 3]."),
    ],
)
def test_other_pictures_are_refused(picture: np.ndarray, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        augmenter("autoaugment")(picture, tf.constant([1, 2]))
    assert str(caught.value) == message
