"""From labelled files to batches for `fit` and `evaluate`, as a `tf.data.Dataset`."""

from __future__ import annotations

import logging
import os

import tensorflow as tf

from efficientnet_tf.data.decoding import CROP_AREA, decode_and_crop, random_resized_crop
from efficientnet_tf.data.sources import Examples, read_source
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Preprocessing, Spec, preprocessing_for

#: Sets of files up to this size, in bytes, are read once and kept in memory, still encoded.
CACHE_BYTES = 256 * 2**20

#: The size of pictures for a caller who names no variant, in pixels.
DEFAULT_IMAGE_SIZE = 224

_log = logging.getLogger(__name__)


def make_dataset(
    examples: Examples,
    record: Preprocessing,
    *,
    batch_size: int,
    training: bool,
    seed: int = 0,
    classes: int | None = None,
    drop_remainder: bool = False,
    min_crop_area: float = CROP_AREA[0],
    first_epoch: int = 0,
    cache_bytes: int = CACHE_BYTES,
) -> tf.data.Dataset:
    """Return batches of (images, labels): uint8 [batch, height, width, 3] and one-hot float32 [batch, classes].

    For training, every pass over the dataset is another epoch: a new order, and for each image a new crop, which is
    mirrored or not. Both follow from `seed`, the number of the epoch and the number of the example alone (and from
    `tf.random.set_seed`, if it is called), whatever the number of threads. Otherwise the order is that of `examples`
    and every image is its centre crop. A pass ends after one epoch; there is no repetition.

    Args:
        examples: files and labels.
        record: how photographs become pictures; scale and offset are left to the network.
        batch_size: images per batch.
        training: random crops in random order.
        seed: of order and crops.
        classes: the length of a label; by default the number of classes of `examples`.
        drop_remainder: leave out the last batch if it is smaller than the others.
        min_crop_area: the smallest part of a photograph that a training crop covers, of 1.
        first_epoch: the number of epochs to pass over, so that a resumed training sees what the interrupted one would.
        cache_bytes: keep the files in memory if they are no larger than this together.

    Raises:
        UsageError: a value is out of its range, or there is not one batch.
    """
    classes = len(examples.class_names) if classes is None else classes
    _check_arguments(
        examples, classes, batch_size=batch_size, min_crop_area=min_crop_area, drop_remainder=drop_remainder
    )
    # Held by the dataset: without this, a machine with a GPU would keep the labels there.
    with tf.device("CPU:0"):
        source = _Files(examples, classes, cache_bytes)

    def load_random(index: tf.Tensor, image_seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = random_resized_crop(source.read(index), record, image_seed, area=(min_crop_area, CROP_AREA[1]))
        return image, source.label(index)

    def load(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return decode_and_crop(source.read(index), record), source.label(index)

    if training:
        dataset = _shuffled(len(examples), seed, first_epoch).map(load_random, tf.data.AUTOTUNE, deterministic=True)
    else:
        dataset = tf.data.Dataset.range(len(examples)).map(load, tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.batch(batch_size, drop_remainder=drop_remainder).prefetch(tf.data.AUTOTUNE)
    options = tf.data.Options()
    options.deterministic = True
    # There are no files for a strategy to divide among its workers, only numbers of examples.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)


def load_data(
    source: str | os.PathLike[str],
    *,
    split: str = "train",
    variant: str | Spec | None = None,
    image_size: int | tuple[int, int] | None = None,
    record: Preprocessing | None = None,
    batch_size: int = 32,
    seed: int = 0,
    validation_fraction: float = 0.2,
    training: bool | None = None,
    classes: int | None = None,
    drop_remainder: bool = False,
    min_crop_area: float = CROP_AREA[0],
) -> tf.data.Dataset:
    """Return batches of a source of photographs, for `model.fit` and `model.evaluate`.

    The dataset carries `class_names` (a tuple), `examples` (an `Examples`, with the files that were skipped) and
    `preprocessing` (the record). A dataset made from it, by `map` for example, does not.

    Args:
        source: `"sample"`, the bundled photographs, or a folder; see `sources.read_source`.
        split: `"train"`, `"validation"` or `"test"`.
        variant: the network that the pictures are for; it says how they are made.
        image_size: height and width in pixels, or one number for both; by default the variant's, without one 224.
        record: how photographs become pictures, in place of `variant` and `image_size`.
        batch_size: images per batch.
        seed: of order and crops in training.
        validation_fraction: the part for validation if the folder is not divided already.
        training: random crops in random order; by default if `split` is `"train"`.
        classes: see `make_dataset`, as for the remaining arguments.

    Raises:
        UsageError: an argument is not allowed, or the source does not exist.
        EfficientNetError: the source holds nothing to use.

    >>> data = load_data("sample", split="validation", variant="lite0", batch_size=16)
    >>> images, labels = next(iter(data))
    >>> images.shape, labels.shape, data.class_names[0]
    (TensorShape([16, 224, 224, 3]), TensorShape([16, 5]), 'animals')
    """
    record = _choose_record(variant, image_size, record)
    examples = read_source(source, split, validation_fraction=validation_fraction)
    if examples.skipped:
        _log.warning("Skipped %d files in %s; the first: %s (%s).", len(examples.skipped), source, *examples.skipped[0])
    dataset = make_dataset(
        examples,
        record,
        batch_size=batch_size,
        training=split == "train" if training is None else training,
        seed=seed,
        classes=classes,
        drop_remainder=drop_remainder,
        min_crop_area=min_crop_area,
    )
    dataset.class_names = examples.class_names
    dataset.examples = examples
    dataset.preprocessing = record
    return dataset


class _Files:
    """The files of some examples, by number; in memory if they are small."""

    def __init__(self, examples: Examples, classes: int, cache_bytes: int) -> None:
        self._classes = classes
        self._labels = tf.constant(examples.labels, tf.int32)
        self._cached = sum(map(os.path.getsize, examples.paths)) <= cache_bytes
        # fsencode, since a file name need not be valid UTF-8.
        self._strings = tf.constant([_read(path) if self._cached else os.fsencode(path) for path in examples.paths])

    def read(self, index: tf.Tensor) -> tf.Tensor:
        string = self._strings[index]
        return string if self._cached else tf.io.read_file(string)

    def label(self, index: tf.Tensor) -> tf.Tensor:
        return tf.one_hot(self._labels[index], self._classes)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _shuffled(count: int, seed: int, first_epoch: int) -> tf.data.Dataset:
    """Return (number of an example, its seed) for every example, in a new order with new seeds at each pass."""
    # One number for each pass, and every order and seed of the pass from it.
    epochs = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
    for _ in range(first_epoch):
        next(iter(epochs))

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        epoch_seed = tf.stack([tf.cast(seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), epoch_seed)
        numbers = tf.data.Dataset.from_tensor_slices(order)
        return numbers.map(lambda index: (index, tf.random.fold_in(epoch_seed, index)))

    return epochs.flat_map(one_epoch).apply(tf.data.experimental.assert_cardinality(count))


def _choose_record(
    variant: str | Spec | None, image_size: int | tuple[int, int] | None, record: Preprocessing | None
) -> Preprocessing:
    if record is not None:
        if variant is not None or image_size is not None:
            raise UsageError(
                "record was given together with variant or image_size. Allowed: record alone, or the others."
            )
        return record
    if variant is not None:
        return preprocessing_for(variant, image_size)
    size = DEFAULT_IMAGE_SIZE if image_size is None else image_size
    return Preprocessing(image_size=(size, size) if isinstance(size, int) else size)


def _check_arguments(
    examples: Examples, classes: int, *, batch_size: int, min_crop_area: float, drop_remainder: bool
) -> None:
    if batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more, got {batch_size}.")
    if not 0 < min_crop_area <= 1:
        raise UsageError(f"min_crop_area must lie above 0 and not above 1, got {min_crop_area}.")
    if classes <= max(examples.labels):
        raise UsageError(f"classes must be {max(examples.labels) + 1} or more for this data, got {classes}.")
    if drop_remainder and len(examples) < batch_size:
        raise UsageError(f"batch_size {batch_size} leaves no full batch of the {len(examples)} images.")
