"""The picture of what a network will see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from efficientnet_tf.augment import Augmenter, augmenter
from efficientnet_tf.config import TrainConfig
from efficientnet_tf.data.pipeline import make_dataset
from efficientnet_tf.data.sources import read_source
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Preprocessing
from efficientnet_tf.training import feeding, preview, train, write_preview
from efficientnet_tf.training.preview import Pair, draw, look

EXAMPLES = read_source("sample")
RECORD = Preprocessing(image_size=(48, 64))


def batches(augment: Callable | None = None, mix: Callable | None = None) -> tf.data.Dataset:
    return make_dataset(EXAMPLES, RECORD, batch_size=8, training=True, seed=3, augment=augment, mix=mix)


def seen(augmentation: Augmenter, **options: int) -> list[Pair]:
    return look(batches, augmentation, EXAMPLES.class_names, **options)


def test_pictures_are_those_of_the_first_batch() -> None:
    f = augmenter("randaugment:n=3")
    pairs = seen(f)
    plain, labels = next(iter(batches()))
    trained_on, _ = next(iter(batches(augment=f)))
    np.testing.assert_array_equal([pair.before for pair in pairs], plain)
    np.testing.assert_array_equal([pair.after for pair in pairs], trained_on)
    assert [pair.label for pair in pairs] == [EXAMPLES.class_names[int(np.argmax(row))] for row in labels]
    assert {pair.mixed for pair in pairs} == {""}


def test_words_say_what_was_done() -> None:
    for pair in seen(augmenter("autoaugment:policy=test"), count=3):
        # The policy's only row: always both operations, at levels 4 and 10, to the left or to the right.
        assert pair.done in (
            f"TranslateX {0.45 * 64 * 0.4:.3g}, Equalize",
            f"TranslateX -{0.45 * 64 * 0.4:.3g}, Equalize",
        )
    assert [pair.done for pair in seen(augmenter("none"), count=2)] == ["unchanged", "unchanged"]


def test_mixed_pictures_name_both_classes() -> None:
    f = augmenter("mixup:1.0")
    pairs = seen(f)
    images, labels = next(iter(batches(augment=f, mix=f.mixer)))
    np.testing.assert_array_equal([pair.after for pair in pairs], images)
    row = next(row for row, label in enumerate(labels.numpy()) if np.count_nonzero(label) == 2)
    first = sorted(((share, name) for share, name in zip(labels[row].numpy(), EXAMPLES.class_names, strict=True)))[::-1]
    assert pairs[row].mixed == ", ".join(f"{share:.2f} {name}" for share, name in first if share > 0)
    assert pairs[row].label in pairs[row].mixed
    alone = [pair for pair, label in zip(pairs, labels.numpy(), strict=True) if np.count_nonzero(label) == 1]
    assert all(pair.mixed == pair.label for pair in alone)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (3, 3), (5, 3)])
def test_the_grid_is_a_whole_png_file(tmp_path: Path, count: int, columns: int) -> None:
    target = tmp_path / "preview.png"
    draw(seen(augmenter("autoaugment"), count=count), "a $title", target)
    with Image.open(target) as drawn:
        drawn.load()
        assert drawn.format == "PNG"
        pixels = np.asarray(drawn.convert("RGB")).astype(int)
    assert list(tmp_path.iterdir()) == [target]
    # Pairs stand side by side, three in a row: the width is that of the columns.
    assert pixels.shape[1] == pytest.approx(400 * columns, rel=0.1)
    assert (pixels.std(axis=(0, 1)) > 20).all()


def test_the_command_shows_the_run_s_first_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr(preview, "draw", lambda pairs, title, path: shown.extend(pairs))
    settings = {"variant": "tiny", "weights": "none", "data": "sample", "batch_size": 8, "augment": "autoaugment"}
    result = write_preview(TrainConfig(**settings, seed=4, preview=str(tmp_path / "look.png")))
    assert result == {"preview": str(tmp_path / "look.png"), "photographs": 8}
    config = TrainConfig(**settings, seed=4).resolve()
    keras.utils.set_random_seed(4)
    dataset = feeding.training_batches(
        config, feeding.read(config), batch_size=8, whole_batches=False, **feeding.changes(augmenter("autoaugment"))
    )
    np.testing.assert_array_equal([pair.after for pair in shown], next(iter(dataset))[0])


def test_a_picture_is_no_training() -> None:
    with pytest.raises(UsageError, match=r"^preview is for a picture instead of a training;"):
        train(TrainConfig(data="sample", preview="look.png"))
