"""From labelled images to batches for `fit` and `evaluate`, as a `tf.data.Dataset`."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from efficientnet_tf.augment import augmenter
from efficientnet_tf.data.batching import Mix, augmentation_seed, cleared_batches, padded_batches, training_batches
from efficientnet_tf.data.caching import CACHE_BYTES, check_cache, keep
from efficientnet_tf.data.damage import Damage
from efficientnet_tf.data.decoding import CROP_AREA, decode_and_crop, random_resized_crop
from efficientnet_tf.data.indexed import Indexed, Seeded, epoch_seeds
from efficientnet_tf.data.sharding import Plan, Shard, plan
from efficientnet_tf.data.sources import MAX_BAD_FILES, Examples, Records, read_source
from efficientnet_tf.data.streams import Stream
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Preprocessing, Spec, preprocessing_for

#: The size of pictures for a caller who names no variant, in pixels.
DEFAULT_IMAGE_SIZE = 224

#: Records among which the next one is drawn, as in the official pipeline.
SHUFFLE_BUFFER = 1024

#: From a picture, uint8 [height, width, 3], and a seed, int32 [2], to a picture of the same form.
Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_log = logging.getLogger(__name__)


def make_dataset(
    source: Examples | Records,
    record: Preprocessing,
    *,
    batch_size: int,
    training: bool,
    seed: int = 0,
    classes: int | None = None,
    augment: Augment | None = None,
    mix: Mix | None = None,
    drop_remainder: bool = False,
    pad_remainder: bool = False,
    min_crop_area: float = CROP_AREA[0],
    first_epoch: int = 0,
    shard: Shard | None = None,
    cache: str = "auto",
    cache_bytes: int = CACHE_BYTES,
    shuffle_buffer: int = SHUFFLE_BUFFER,
    max_bad_files: float = MAX_BAD_FILES,
) -> tf.data.Dataset:
    """Return batches of (images, labels): uint8 [batch, height, width, 3] and one-hot float32 [batch, classes].

    For training, every pass over the dataset is another epoch: a new order, and for each image a new crop, which is
    mirrored or not. Both follow from `seed`, the number of the epoch and the number of the example alone (and from
    `tf.random.set_seed`, if it is called), whatever the number of threads. Otherwise the order is that of `source`
    and every image is its centre crop. A pass ends after one epoch; there is no repetition.

    A record that cannot be decoded is logged and left out: in training another one takes its place, in evaluation its
    batch is smaller, or its weight is 0. The attribute `damage` of the dataset counts them; it is None for examples.

    Args:
        source: examples, or records.
        record: how photographs become pictures; scale and offset are left to the network.
        batch_size: images per batch.
        training: random crops in random order.
        seed: of order, crops, augmentation and mixing.
        classes: the length of a label; by default the number of classes of `source`.
        augment: applied in training to each picture with a seed of its own, which no crop uses.
        mix: applied in training to each batch, with a seed of the epoch, the batch's number and the shard's.
        drop_remainder: leave out the last batch if it is smaller than the others; for static shapes in training.
        pad_remainder: fill the last batch up with black pictures; batches are then (images, labels, weights), with
            weights float32 [batch], 1 or for what fills up 0. For static shapes in evaluation, in which every example
            still counts once: metrics must be `weighted_metrics`.
        min_crop_area: the smallest part of a photograph that a training crop covers, of 1.
        first_epoch: the number of epochs to pass over, so that a resumed training sees what the interrupted one would.
        shard: this worker's part of the source; by default all of it.
        cache: `"auto"` keeps files in memory if they are no larger than `cache_bytes` together, `"memory"` always,
            `"none"` never. Records are read as they come; `caching.keep` makes something else of them before.
        cache_bytes: see `cache`.
        shuffle_buffer: of records, among how many the next one is drawn; 1 leaves them as they come.
        max_bad_files: of records, the share that may be damaged before reading stops, of 1.

    Raises:
        UsageError: a value is out of its range, or there is not one batch.
    """
    classes = len(source.class_names) if classes is None else classes
    own = shard or Shard()
    if isinstance(source, Examples):
        own = dataclasses.replace(own, by="record")
    share = plan([part.take for part in source.parts] if isinstance(source, Records) else [len(source)], own)
    _check_arguments(source, classes, batch_size=batch_size, min_crop_area=min_crop_area, cache=cache)
    _check_use(share, batch_size, training, drop=drop_remainder, pad=pad_remainder, change=bool(augment or mix))
    damage = Damage(source, share.own, max_bad_files) if isinstance(source, Records) else None
    # Held by the dataset: without this, a machine with a GPU would keep the labels there.
    with tf.device("CPU:0"):
        reader: Indexed | Stream
        if damage is None:
            limit = {"memory": math.inf, "none": -1}.get(cache, cache_bytes)
            reader = Indexed(source, share, classes, limit)
        else:
            size, buffer = record.image_size, shuffle_buffer
            reader = Stream(source, share, classes=classes, damage=damage, size=size, shuffle_buffer=buffer)
    if training:

        def crop(image: tf.Tensor, image_seed: tf.Tensor) -> tf.Tensor:
            return random_resized_crop(image, record, image_seed, area=(min_crop_area, CROP_AREA[1]))

        pictures = reader.training(epoch_seeds(seed, first_epoch), crop, _finish(augment, record))
        dataset = training_batches(pictures, batch_size, drop_remainder=drop_remainder, mix=mix, shard=own.index)
    else:
        pictures = reader.evaluation(lambda image: decode_and_crop(image, record))
        if pad_remainder:
            dataset = padded_batches(pictures, batch_size, -(-share.most // batch_size) * batch_size)
        elif damage is None:
            dataset = pictures.map(lambda picture, label, _: (picture, label))
            dataset = dataset.batch(batch_size, drop_remainder=drop_remainder)
        else:
            dataset = cleared_batches(pictures, batch_size)
    dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(_options(shard))
    dataset.damage = damage
    return dataset


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
    augment: Any = None,
    mix: Mix | None = None,
    drop_remainder: bool = False,
    pad_remainder: bool = False,
    min_crop_area: float = CROP_AREA[0],
    shard: Shard | None = None,
    cache: str = "auto",
    shuffle_buffer: int = SHUFFLE_BUFFER,
    max_bad_files: float = MAX_BAD_FILES,
) -> tf.data.Dataset:
    """Return batches of a source of photographs, for `model.fit` and `model.evaluate`.

    The dataset carries `class_names` (a tuple), `examples` (`Examples`, with the files that were skipped, or
    `Records`), `preprocessing` (the record) and `augmenter` (an `Augmenter`, or None). A dataset made from it, by `map`
    for example, does not.

    Args:
        source: `"sample"`, the bundled photographs, a folder, or another form; see `sources.read_source`.
        split: `"train"`, `"validation"` or `"test"`.
        variant: the network that the pictures are for; it says how they are made.
        image_size: height and width in pixels, or one number for both; by default the variant's, without one 224.
        record: how photographs become pictures, in place of `variant` and `image_size`.
        batch_size: images per batch.
        seed: of order and crops in training.
        validation_fraction: the part for validation if the source is not divided already.
        training: random crops in random order; by default if `split` is `"train"`.
        classes: see `make_dataset`, as for `mix`, the remainder, `min_crop_area`, `shard` and `shuffle_buffer`.
        augment: what `augmenter` takes: a text such as `"randaugment:n=2,m=15"`, a function of a picture,
            or of a picture and a seed, or a Keras layer.
        cache: `"auto"` keeps up to 256 MB in memory, `"memory"` everything, `"none"` nothing; anything else is a
            folder for copies of records, see `caching.keep`.
        max_bad_files: the share of files or records that may be damaged or empty, of 1.

    Raises:
        UsageError: an argument is not allowed, or the source does not exist.
        EfficientNetError: the source holds nothing to use, or too many files that cannot be used.

    >>> data = load_data("sample", split="validation", variant="lite0", batch_size=16)
    >>> images, labels = next(iter(data))
    >>> images.shape, labels.shape, data.class_names[0]
    (TensorShape([16, 224, 224, 3]), TensorShape([16, 5]), 'animals')
    """
    record = _choose_record(variant, image_size, record)
    read = read_source(source, split, validation_fraction=validation_fraction, max_bad_files=max_bad_files)
    read = keep(read, cache, max_bad_files=max_bad_files)
    augmentation = None if augment is None else augmenter(augment)
    if augmentation is not None and mix is None:
        mix = augmentation.mixer
    if read.skipped:
        _log.warning("Skipped %d files in %s; the first: %s (%s).", len(read.skipped), source, *read.skipped[0])
    dataset = make_dataset(
        read,
        record,
        batch_size=batch_size,
        training=split == "train" if training is None else training,
        seed=seed,
        classes=classes,
        augment=augmentation,
        mix=mix,
        drop_remainder=drop_remainder,
        pad_remainder=pad_remainder,
        min_crop_area=min_crop_area,
        shard=shard,
        cache="none" if isinstance(read, Records) else cache,
        shuffle_buffer=shuffle_buffer,
        max_bad_files=max_bad_files,
    )
    dataset.class_names = read.class_names
    dataset.examples = read
    dataset.preprocessing = record
    dataset.augmenter = augmentation
    return dataset


def _finish(augment: Augment | None, record: Preprocessing) -> Seeded:
    """Return what is done to a picture after its crop."""
    if augment is None:
        return lambda picture, seed: picture
    return lambda picture, seed: tf.ensure_shape(augment(picture, augmentation_seed(seed)), [*record.image_size, 3])


def _options(shard: Shard | None) -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = True
    # A strategy that is given a part has nothing to divide; of the whole, there are no files for it to divide among
    # its workers, only numbers of examples.
    policies = tf.data.experimental.AutoShardPolicy
    options.experimental_distribute.auto_shard_policy = policies.DATA if shard is None else policies.OFF
    return options


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
    source: Examples | Records, classes: int, *, batch_size: int, min_crop_area: float, cache: str
) -> None:
    if batch_size < 1:
        raise UsageError(f"batch_size must be 1 or more, got {batch_size}.")
    if not 0 < min_crop_area <= 1:
        raise UsageError(f"min_crop_area must lie above 0 and not above 1, got {min_crop_area}.")
    # The labels of records are known only when they are read.
    least = len(source.class_names) if isinstance(source, Records) else max(source.labels) + 1
    if classes < least:
        raise UsageError(f"classes must be {least} or more for this data, got {classes}.")
    check_cache(cache)


def _check_use(share: Plan, batch_size: int, training: bool, *, drop: bool, pad: bool, change: bool) -> None:
    """Hold what is asked for against what the dataset is for."""
    if pad and (training or drop):
        raise UsageError("pad_remainder is for evaluation, and not together with drop_remainder.")
    if change and not training:
        raise UsageError("augment and mix are for training, and this dataset is for evaluation.")
    count = share.least if training else share.own
    if drop and count < batch_size:
        raise UsageError(f"batch_size {batch_size} leaves no full batch of the {count} images.")
