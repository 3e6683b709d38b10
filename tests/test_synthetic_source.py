"""Pictures that are drawn: the same everywhere, and such that a network can learn them."""

from __future__ import annotations

import hashlib
import io

import keras
import numpy as np
import pytest
from PIL import Image

from efficientnet_tf.data.pipeline import make_dataset
from efficientnet_tf.data.sources import Examples, read_source
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Preprocessing


def test_defaults() -> None:
    training = read_source("synthetic")
    assert isinstance(training, Examples)
    assert len(training) == 256
    assert len(training.class_names) == len(set(training.class_names)) == 10
    assert training.labels[:11] == (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0)
    assert training.name == "synthetic"
    assert Image.open(io.BytesIO(training.read(0))).size == (224, 224)


def test_splits_share_no_picture() -> None:
    splits = [read_source("synthetic:classes=4,count=40,size=16", split) for split in ("train", "validation", "test")]
    assert [len(examples) for examples in splits] == [40, 10, 10]
    pictures = [examples.read(number) for examples in splits for number in range(len(examples))]
    assert len(set(pictures)) == 60


def test_pictures_are_the_same_everywhere() -> None:
    pictures = [
        np.asarray(Image.open(io.BytesIO(content)))
        for content in read_source("synthetic:classes=3,count=6,size=32").contents or ()
    ]
    digest = hashlib.sha256(np.stack(pictures).tobytes()).hexdigest()
    assert digest == "f5c4602b98f5b0cec9c4358c31988034005c3ed5ab50d7d0c98dd65805b64d25"


@pytest.mark.parametrize("classes", [2, 5, 6, 7, 1000])
def test_every_class_has_a_name(classes: int) -> None:
    names = read_source(f"synthetic:classes={classes},count={classes},size=8").class_names
    assert len(set(names)) == classes


def test_a_network_learns_them() -> None:
    keras.utils.set_random_seed(0)
    record = Preprocessing(image_size=(32, 32))
    sides = [read_source("synthetic:classes=3,count=96,size=32", split) for split in ("train", "validation")]
    training, validation = (
        make_dataset(side, record, batch_size=16, training=side is sides[0], min_crop_area=0.9) for side in sides
    )
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, 2, activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(3),
        ]
    )
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss, metrics=["accuracy"])
    model.fit(training, epochs=6, shuffle=False, verbose=0)
    assert model.evaluate(validation, verbose=0)[1] > 0.9


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (
            "clases=3",
            "Unknown setting of synthetic 'clases'. Did you mean 'classes'? Allowed: classes, count, size.",
        ),
        ("classes=1", "classes of synthetic must be a whole number from 2 to 1000, got '1'."),
        ("size=x", "size of synthetic must be a whole number from 8 to 2048, got 'x'."),
        ("count", "count of synthetic must be a whole number from 1 to 1000000, got ''."),
        ("classes=5,count=4", "count of synthetic must be at least classes, got 4 and 5."),
        ("size=2048,count=200", "synthetic pictures are kept in memory: of size 2048 at most 128, got 200."),
    ],
)
def test_wrong_settings(setting: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_source(f"synthetic:{setting}")
    assert str(caught.value) == expected
