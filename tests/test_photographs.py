"""The photographs that artifacts are compared on, from every kind of source."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from efficientnet_tf import EfficientNet
from efficientnet_tf.data.sources import FORMS, SAMPLE
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.exporting.deploy import trained
from efficientnet_tf.exporting.photographs import read_photographs
from efficientnet_tf.specs import Preprocessing

LABELS = ["animals", "fishes", "monuments", "renewable", "tools"]
RECORD = Preprocessing((32, 32))


@pytest.fixture(scope="module")
def model():
    return EfficientNet("tiny", weights=None, image_size=32, classes=5)


def test_bundled_photographs_are_spread_evenly(model):
    found = read_photographs(trained(model), RECORD, None, 5, labels=LABELS)
    assert found.names == (
        "animals/bison.jpg",
        "fishes/fish5.jpg",
        "monuments/montStMichel.jpg",
        "renewable/windmill14.jpg",
        "tools/wrench1.jpg",
    )
    assert found.targets.tolist() == [LABELS.index(name.split("/")[0]) for name in found.names]
    assert (found.source, found.part, found.pixels.shape) == ("sample", "all", (5, 32, 32, 3))
    np.testing.assert_allclose(found.expected, model.predict(found.pixels, verbose=0), atol=1e-6)
    assert found.files[0] == (SAMPLE / found.names[0]).read_bytes()


def test_a_run_is_asked_about_what_it_was_not_trained_on(model):
    found = read_photographs(trained(model), RECORD, "sample", 1000, labels=LABELS, trained_on={"data": "sample"})
    assert (len(found), found.part) == (48, "validation")


def test_a_folder_without_classes_is_enough(model, tmp_path):
    for name in ("panda.jpg", "cat.jpg"):
        shutil.copy(SAMPLE / "animals" / name, tmp_path / name)
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    found = read_photographs(trained(model), RECORD, str(tmp_path), 16, labels=LABELS)
    assert found.names == tuple(f"{tmp_path.name}/{name}" for name in ("cat.jpg", "panda.jpg"))
    assert found.targets is None


def test_the_part_for_testing_is_taken_and_other_classes_give_no_accuracy(model, tmp_path):
    for split, kind, name in (
        ("train", "cat", "cat.jpg"),
        ("train", "dog", "panda.jpg"),
        ("test", "cat", "kangaroo.jpg"),
        ("test", "dog", "bison.jpg"),
    ):
        (tmp_path / split / kind).mkdir(parents=True)
        shutil.copy(SAMPLE / "animals" / name, tmp_path / split / kind)
    found = read_photographs(trained(model), RECORD, str(tmp_path), 16, labels=LABELS)
    assert (found.names, found.part, found.targets) == (("cat/kangaroo.jpg", "dog/bison.jpg"), "test", None)
    known = read_photographs(trained(model), RECORD, str(tmp_path), 16, labels=["dog", "cat", "c", "d", "e"])
    assert known.targets.tolist() == [1, 0]


def test_records_of_tfrecord_files(model, tmp_path):
    images = [(SAMPLE / "animals" / name).read_bytes() for name in ("cat.jpg", "panda.jpg", "bison.jpg")]
    with tf.io.TFRecordWriter(str(tmp_path / "validation-00000-of-00001")) as writer:
        for label, data in enumerate([*images, b"\xff\xd8 damaged"], 1):
            feature = {
                "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[data])),
                "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    found = read_photographs(trained(model), RECORD, f"tfrecord:{tmp_path}/validation-*", 16)
    assert found.files == tuple(images)
    assert [name.rsplit("#", 1)[1] for name in found.names] == ["0", "1", "2"]


def test_sources_that_are_none(model, tmp_path):
    message = f"No such data: '{tmp_path / 'absent'}'. Allowed: {FORMS}."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        read_photographs(trained(model), RECORD, str(tmp_path / "absent"), 16)
    with pytest.raises(EfficientNetError, match=rf"^No images in '{re.escape(str(tmp_path))}'; searched for \.jpg"):
        read_photographs(trained(model), RECORD, str(tmp_path), 16)
