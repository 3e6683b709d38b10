"""Batches for training and evaluation: their form, their order, and that a seed decides everything."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import efficientnet_tf.data
from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.pipeline import load_data, make_dataset
from efficientnet_tf.data.sources import Examples, read_source
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Preprocessing, preprocessing_for

RECORD = Preprocessing(image_size=(24, 24))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """Twenty-three pictures of noise in three classes, each told from the others by its mean."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    paths = []
    for number in range(23):
        paths.append(str(folder / f"{number}.{'png' if number % 2 else 'jpg'}"))
        pixels = rng.integers(0, 60, (40, 50, 3)) + 8 * number
        Image.fromarray(pixels.astype(np.uint8)).save(paths[-1], quality=95)
    return Examples(tuple(paths), tuple(number % 3 for number in range(23)), ("a", "b", "c"), (), "pictures")


def batches(dataset: tf.data.Dataset) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def images_of(dataset: tf.data.Dataset) -> np.ndarray:
    return np.concatenate([images for images, _ in batches(dataset)])


def numbers_of(images: np.ndarray) -> list[int]:
    """Return which picture each image was cut from."""
    return np.round((images.mean(axis=(1, 2, 3)) - 29.5) / 8).astype(int).tolist()


def training_set(examples: Examples, **options: int | float | bool) -> tf.data.Dataset:
    return make_dataset(examples, RECORD, **({"batch_size": 8, "training": True, "seed": 3} | options))


@pytest.mark.parametrize("training", [True, False])
def test_form_of_the_batches(examples: Examples, training: bool) -> None:
    dataset = make_dataset(examples, RECORD, batch_size=8, training=training, classes=5)
    assert dataset.element_spec == (
        tf.TensorSpec((None, 24, 24, 3), tf.uint8),
        tf.TensorSpec((None, 5), tf.float32),
    )
    assert dataset.cardinality() == 3
    assert [(images.shape, labels.shape) for images, labels in batches(dataset)] == [
        ((8, 24, 24, 3), (8, 5)),
        ((8, 24, 24, 3), (8, 5)),
        ((7, 24, 24, 3), (7, 5)),
    ]


def test_only_full_batches(examples: Examples) -> None:
    dataset = training_set(examples, drop_remainder=True)
    assert dataset.element_spec[0].shape == (8, 24, 24, 3)
    assert dataset.cardinality() == 2
    assert len(batches(dataset)) == 2


@pytest.mark.parametrize("cache_bytes", [0, 2**20])
def test_evaluation_takes_the_centres_in_order(examples: Examples, cache_bytes: int) -> None:
    dataset = make_dataset(examples, RECORD, batch_size=5, training=False, cache_bytes=cache_bytes)
    for _ in range(2):
        found = batches(dataset)
        np.testing.assert_array_equal(
            np.concatenate([images for images, _ in found]),
            np.stack([decode_and_crop(tf.constant(Path(path).read_bytes()), RECORD) for path in examples.paths]),
        )
        np.testing.assert_array_equal(np.concatenate([labels for _, labels in found]), np.eye(3)[list(examples.labels)])


@pytest.mark.parametrize("cache_bytes", [0, 2**20])
def test_training_sees_every_image_once_in_an_epoch(examples: Examples, cache_bytes: int) -> None:
    dataset = training_set(examples, cache_bytes=cache_bytes)
    orders = []
    for _ in range(3):
        found = batches(dataset)
        orders.append(numbers_of(np.concatenate([images for images, _ in found])))
        labels = np.concatenate([labels for _, labels in found]).argmax(axis=1)
        assert labels.tolist() == [examples.labels[number] for number in orders[-1]]
        assert sorted(orders[-1]) == list(range(23))
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert orders[0] != list(range(23))


def test_every_epoch_has_other_crops(examples: Examples) -> None:
    dataset = training_set(examples)
    one, other = (
        dict(zip(numbers_of(found), found, strict=True)) for found in (images_of(dataset), images_of(dataset))
    )
    assert not any(np.array_equal(one[number], other[number]) for number in range(23))


def test_a_seed_decides_everything(examples: Examples) -> None:
    one, again, other = training_set(examples), training_set(examples), training_set(examples, seed=4)
    for _ in range(2):
        first = images_of(one)
        np.testing.assert_array_equal(first, images_of(again))
        assert numbers_of(first) != numbers_of(images_of(other))


def test_pictures_do_not_depend_on_threads_or_batches(examples: Examples) -> None:
    expected = images_of(training_set(examples))
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    np.testing.assert_array_equal(images_of(training_set(examples).with_options(options)), expected)
    np.testing.assert_array_equal(images_of(training_set(examples, batch_size=1)), expected)
    np.testing.assert_array_equal(images_of(training_set(examples, cache_bytes=0)), expected)


@pytest.mark.parametrize("first_epoch", [1, 3])
def test_a_resumed_training_goes_on_where_it_was(examples: Examples, first_epoch: int) -> None:
    whole = training_set(examples)
    epochs = [images_of(whole) for _ in range(first_epoch + 2)]
    resumed = training_set(examples, first_epoch=first_epoch)
    for expected in epochs[first_epoch:]:
        np.testing.assert_array_equal(images_of(resumed), expected)


def test_smallest_crop_reaches_the_pictures(examples: Examples) -> None:
    """No crop is as large as the whole, in place of which the centre is taken."""
    centres = images_of(make_dataset(examples, RECORD, batch_size=8, training=False))
    found = images_of(training_set(examples, min_crop_area=1.0))
    mirrored = 0
    for number, image in zip(numbers_of(found), found, strict=True):
        mirrored += np.array_equal(image[:, ::-1], centres[number])
        assert np.array_equal(image, centres[number]) or np.array_equal(image[:, ::-1], centres[number])
    assert 0 < mirrored < 23


def test_fit_takes_an_epoch_at_a_time(examples: Examples) -> None:
    model = keras.Sequential([keras.Input((24, 24, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    steps: list[int] = []
    counter = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))
    validation = make_dataset(examples, RECORD, batch_size=8, training=False)
    data = {"x": training_set(examples), "validation_data": validation, "shuffle": False}
    history = model.fit(**data, epochs=2, callbacks=[counter], verbose=0)
    assert steps == [0, 1, 2, 0, 1, 2]
    assert len(history.history["val_accuracy"]) == 2


def test_a_strategy_gives_each_device_its_part(tmp_path: Path, examples: Examples) -> None:
    """Two virtual devices see together what one sees alone, in a new order in each epoch."""
    tf.random.set_seed(None)  # as in the new process, whatever another test has set
    np.savez(tmp_path / "expected.npz", *[images_of(data) for data in [training_set(examples)] for _ in range(2)])
    code = f"""
import numpy as np, tensorflow as tf
from efficientnet_tf.data.pipeline import make_dataset
from efficientnet_tf.data.sources import Examples
from efficientnet_tf.specs import Preprocessing
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    dataset = make_dataset({examples!r}, Preprocessing(image_size=(24, 24)), batch_size=8, training=True, seed=3)
distributed = strategy.experimental_distribute_dataset(dataset)
with np.load({str(tmp_path / "expected.npz")!r}) as expected:
    for name in ("arr_0", "arr_1"):
        parts = [part.numpy() for images, _ in distributed for part in strategy.experimental_local_results(images)]
        assert [len(part) for part in parts] == [4, 4, 4, 4, 4, 3], [len(part) for part in parts]
        np.testing.assert_array_equal(np.concatenate(parts), expected[name])
print("equal")
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "equal\n", result.stderr[-2000:]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"batch_size": 0}, "batch_size must be 1 or more, got 0."),
        ({"classes": 2}, "classes must be 3 or more for this data, got 2."),
        ({"min_crop_area": 0.0}, "min_crop_area must lie above 0 and not above 1, got 0.0."),
        ({"min_crop_area": 1.5}, "min_crop_area must lie above 0 and not above 1, got 1.5."),
        ({"batch_size": 24, "drop_remainder": True}, "batch_size 24 leaves no full batch of the 23 images."),
    ],
)
def test_wrong_arguments(examples: Examples, options: dict[str, float], expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        training_set(examples, **options)
    assert str(caught.value) == expected


def test_a_file_name_need_not_be_text(tmp_path: Path, examples: Examples) -> None:
    path = bytes(tmp_path) + b"/caf\xe9 \xff.png"
    Path(path.decode("utf-8", "surrogateescape")).write_bytes(Path(examples.paths[1]).read_bytes())
    odd = dataclasses.replace(examples, paths=(path.decode("utf-8", "surrogateescape"),), labels=(0,))
    for cache_bytes in (0, 2**20):
        dataset = make_dataset(odd, RECORD, batch_size=1, training=False, cache_bytes=cache_bytes)
        assert numbers_of(images_of(dataset)) == [1]


# load_data


def test_load_data_carries_what_it_was_made_of() -> None:
    data = load_data("sample", split="validation", variant="lite2", batch_size=10)
    assert data.class_names == ("animals", "fishes", "monuments", "renewable", "tools")
    assert data.preprocessing == preprocessing_for("lite2")
    assert data.examples == read_source("sample", "validation")
    images, labels = next(iter(data))
    assert images.shape == (10, 260, 260, 3)
    assert labels.numpy().argmax(axis=1).tolist() == list(data.examples.labels[:10])


def test_load_data_trains_on_the_training_split_alone() -> None:
    def first(**options: str | bool) -> np.ndarray:
        return next(iter(load_data("sample", image_size=32, batch_size=4, **options)))[0].numpy()

    assert not np.array_equal(first(), first(training=False))
    np.testing.assert_array_equal(first(split="train"), first(training=True))
    np.testing.assert_array_equal(first(split="validation"), first(split="validation", training=False))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (224, 224)),
        ({"image_size": 40}, (40, 40)),
        ({"image_size": (40, 60)}, (40, 60)),
        ({"variant": "lite0", "image_size": 40}, (40, 40)),
        ({"record": RECORD}, (24, 24)),
    ],
)
def test_size_of_the_pictures(options: dict[str, object], expected: tuple[int, int]) -> None:
    data = load_data("sample", **options)
    assert data.preprocessing.image_size == expected
    assert data.element_spec[0].shape == (None, *expected, 3)


def test_a_record_stands_alone() -> None:
    with pytest.raises(UsageError) as caught:
        load_data("sample", record=RECORD, variant="lite0")
    assert str(caught.value) == (
        "record was given together with variant or image_size. Allowed: record alone, or the others."
    )


def test_skipped_files_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a/0.png", "a/1.png", "b/0.png", "b/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (30, 30)).save(tmp_path / name)
    (tmp_path / "a" / "2.png").touch()
    data = load_data(tmp_path, record=RECORD, max_bad_files=0.2)
    assert [record.getMessage() for record in caplog.records] == [
        f"Skipped 1 files in {tmp_path}; the first: {tmp_path / 'a' / '2.png'} (an empty file)."
    ]
    assert data.examples.skipped == ((str(tmp_path / "a" / "2.png"), "an empty file"),)


def test_public_names_of_the_room() -> None:
    for name in efficientnet_tf.data.__all__:
        assert callable(getattr(efficientnet_tf.data, name))
    with pytest.raises(AttributeError, match=r"^module 'efficientnet_tf\.data' has no attribute 'load_dat'$"):
        _ = efficientnet_tf.data.load_dat
