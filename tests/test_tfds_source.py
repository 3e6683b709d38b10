"""Sets of TensorFlow Datasets: one that is prepared here, and the fake data of others, without any network."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from efficientnet_tf.config import TrainConfig
from efficientnet_tf.data.pipeline import load_data, make_dataset
from efficientnet_tf.data.sources import Part, Records, read_source
from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.specs import Preprocessing
from efficientnet_tf.training import train

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tensorflow_datasets as tfds

RECORD = Preprocessing(image_size=(16, 16), crop="none")


def picture(number: int) -> np.ndarray:
    """Return a picture whose shade tells its number."""
    return np.full((12, 14, 3), number, np.uint8)


class Shades(tfds.core.GeneratorBasedBuilder):
    """Shades of grey, in two classes; nothing is downloaded."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS: ClassVar[list[Any]] = [
        tfds.core.BuilderConfig(name="three", description="train, validation, test"),
        tfds.core.BuilderConfig(name="one", description="train alone"),
        tfds.core.BuilderConfig(name="two", description="train, test"),
        tfds.core.BuilderConfig(name="masks", description="an image more"),
    ]
    SPLITS: ClassVar[dict[str, dict[str, int]]] = {
        "three": {"train": 20, "validation": 6, "test": 4},
        "one": {"train": 20},
        "two": {"train": 20, "test": 4},
    }

    def _info(self) -> Any:
        features = {
            "photo": tfds.features.Image(shape=(None, None, 3)),
            "kind": tfds.features.ClassLabel(names=["dark", "light"]),
            "number": np.int64,
        }
        if self.builder_config.name == "masks":
            features["mask"] = tfds.features.Image(shape=(None, None, 1))
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager: Any) -> Any:
        first = 0
        generators = {}
        for name, count in self.SPLITS.get(self.builder_config.name, {"train": 4}).items():
            generators[name] = self._generate_examples(range(first, first + count))
            first += 100
        return generators

    def _generate_examples(self, numbers: range) -> Iterator[tuple[int, dict[str, Any]]]:
        for number in numbers:
            example = {"photo": picture(number), "kind": number % 2, "number": number}
            if self.builder_config.name == "masks":
                example["mask"] = picture(number)[..., :1]
            yield number, example


@pytest.fixture(autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path_factory.getbasetemp() / "tfds"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read(text: str, split: str = "train", **options: float) -> Records:
    records = read_source(f"tfds:{text}", split, **options)
    assert isinstance(records, Records)
    return records


def shades(records: Records) -> list[int]:
    dataset = make_dataset(records, RECORD, batch_size=8, training=False)
    rows = [
        (int(image[0, 0, 0]), int(label.argmax()))
        for images, labels in dataset
        for image, label in zip(images.numpy(), labels.numpy(), strict=True)
    ]
    assert all(number % 2 == label for number, label in rows)
    return [number for number, _ in rows]


def message(text: str, split: str = "train", kind: type[Exception] = UsageError) -> str:
    with pytest.raises(EfficientNetError) as caught:
        read(text, split)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_splits_of_the_set() -> None:
    found = {split: read("shades/three", split) for split in ("train", "validation", "test")}
    assert {split: len(records) for split, records in found.items()} == {"train": 20, "validation": 6, "test": 4}
    assert found["train"].class_names == ("dark", "light")
    assert found["train"].name == "shades"
    assert sorted(shades(found["validation"])) == list(range(100, 106))


def test_validation_is_the_test_split_or_held_out() -> None:
    assert len(read("shades/two", "validation")) == len(read("shades/two", "test")) == 4
    assert len(read("shades/two")) == 20
    sides = [read("shades/one", split, validation_fraction=0.25) for split in ("train", "validation")]
    assert [len(side) for side in sides] == [15, 5]
    assert sorted(shades(sides[0]) + shades(sides[1])) == list(range(20))
    assert message("shades/one", "test", EfficientNetError) == (
        "tfds:shades/one has no images for 'test'. Allowed: train, validation."
    )


def test_expressions_of_splits() -> None:
    assert len(read("shades/three:1.0.0:train[:50%]")) == 10
    assert len(read("shades/three:train[5:]+test")) == 19
    # What is trained on does not validate.
    sides = [read("shades/two:test", split) for split in ("train", "validation")]
    assert [len(side) for side in sides] == [3, 1]
    assert message("shades/two:trian").startswith("tfds:shades has no split 'trian' (")


def test_each_epoch_has_every_example() -> None:
    dataset = load_data("tfds:shades/one", image_size=16, batch_size=4, cache="none", shuffle_buffer=8)
    assert dataset.cardinality() == 4
    for _ in range(2):
        assert sorted(int(image[8, 8, 0]) for images, _ in dataset for image in images) == sorted(
            shades(dataset.examples)
        )


@contextlib.contextmanager
def fake(count: int) -> Iterator[None]:
    """Give random pictures in place of every set's."""
    with tfds.testing.mock_data(num_examples=count):
        yield


@pytest.mark.slow
def test_a_set_trains(tmp_path: Path) -> None:
    with fake(20):
        config = TrainConfig(
            variant="tiny",
            weights="none",
            data="tfds:mnist",
            image_size=32,
            epochs=2,
            batch_size=4,
            model_dir=str(tmp_path / "run"),
        )
        result = train(config)
    assert result.epochs == 2
    assert result.metrics["examples"] == 4
    assert (result.run.path / "labels.txt").read_text().split() == list("0123456789")


def test_wrong_texts() -> None:
    assert message("mnits") == "TensorFlow Datasets has no 'mnits'. Did you mean 'mnist'?"
    assert message("mnist:") == "tfds:mnist: is not of the form tfds:NAME[:SPLIT], such as tfds:mnist:train[:50%]."
    assert message("shades/four").startswith("TensorFlow Datasets cannot open 'shades/four': ")


def test_not_one_image_and_one_label() -> None:
    assert message("shades/masks", kind=EfficientNetError) == (
        "tfds:shades has 2 features of the kind Image, and one is needed. "
        "Found: photo (Image), kind (ClassLabel), number (Tensor), mask (Image)."
    )


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tensorflow_datasets" else name)
    assert message("mnist", kind=MissingDependencyError) == (
        "tfds: needs TensorFlow Datasets, which is not installed. Run: pip install 'efficientnet_tf[tfds]'."
    )


def test_parts_are_those_of_the_files() -> None:
    (part,) = read("shades/three").parts
    assert (part.skip, part.take) == (0, 20)
    assert Path(part.file).name == "shades-train.tfrecord-00000-of-00001"
    with fake(7):
        assert read("tf_flowers").parts == (Part("tf_flowers/train", 0, 6),)


def test_a_set_of_all_splits_holds_out_a_part_of_itself() -> None:
    sides = [read("shades/two:all", split, validation_fraction=0.25) for split in ("train", "validation")]
    assert [len(side) for side in sides] == [18, 6]
    assert not set(shades(sides[0])) & set(shades(sides[1]))
