"""From labelled images to batches for `fit` and `evaluate`, as a `tf.data.Dataset`."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
from typing import Any

import tensorflow as tf

from efficientnet_tf.augment import Augmenter, augmenter
from efficientnet_tf.data.batching import augmentation_seed, cleared_batches, padded_batches, training_batches
from efficientnet_tf.data.caching import keep
from efficientnet_tf.data.damage import Damage
from efficientnet_tf.data.decoding import CROP_AREA, decode_and_crop, random_resized_crop
from efficientnet_tf.data.indexed import Indexed, Seeded, epoch_seeds
from efficientnet_tf.data.options import Augment, BatchOptions
from efficientnet_tf.data.sharding import Plan, Shard, plan
from efficientnet_tf.data.sources import MAX_BAD_FILES, Examples, Records, read_source
from efficientnet_tf.data.streams import Stream
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Preprocessing, Spec, preprocessing_for

#: The size of pictures for a caller who names no variant, in pixels.
DEFAULT_IMAGE_SIZE = 224

_log = logging.getLogger(__name__)


def make_dataset(source: Examples | Records, record: Preprocessing, **options: Any) -> tf.data.Dataset:
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
        options: the fields of `BatchOptions`, of which `batch_size` and `training` are needed.

    Raises:
        UsageError: a value is out of its range, or there is not one batch.
    """
    chosen = BatchOptions(**options)
    share = _share(source, chosen)
    damage = Damage(source, share.own, chosen.max_bad_files) if isinstance(source, Records) else None
    # Held by the dataset: without this, a machine with a GPU would keep the labels there.
    with tf.device("CPU:0"):
        reader = _reader(source, share, record, chosen, damage)
    if chosen.training:
        dataset = _training_batches(reader, record, chosen)
    else:
        dataset = _evaluation_batches(reader, record, chosen, share)
    dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(_tf_options(chosen.shard))
    dataset.damage = damage
    return dataset


def load_data(
    source: str | os.PathLike[str],
    *,
    split: str = "train",
    variant: str | Spec | None = None,
    image_size: int | tuple[int, int] | None = None,
    record: Preprocessing | None = None,
    validation_fraction: float = 0.2,
    augment: Any = None,
    cache: str = "auto",
    max_bad_files: float = MAX_BAD_FILES,
    **options: Any,
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
        validation_fraction: the part for validation if the source is not divided already.
        augment: what `augmenter` takes: a text such as `"randaugment:n=2,m=15"`, a function of a picture,
            or of a picture and a seed, or a Keras layer.
        cache: `"auto"` keeps up to 256 MB in memory, `"memory"` everything, `"none"` nothing; anything else is a
            folder for copies of records, see `caching.keep`.
        max_bad_files: the share of files or records that may be damaged or empty, of 1.
        options: `batch_size` (32), `training` (by default if `split` is `"train"`), `seed`, and the others of
            `options.BatchOptions`.

    Raises:
        UsageError: an argument is not allowed, or the source does not exist.
        EfficientNetError: the source holds nothing to use, or too many files that cannot be used.

    >>> data = load_data("sample", split="validation", variant="lite0", batch_size=16)
    >>> next(iter(data))[0].shape, data.class_names[0]
    (TensorShape([16, 224, 224, 3]), 'animals')
    """
    record = _choose_record(variant, image_size, record)
    read = read_source(source, split, validation_fraction=validation_fraction, max_bad_files=max_bad_files)
    read = keep(read, cache, max_bad_files=max_bad_files)
    if read.skipped:
        _log.warning("Skipped %d files in %s; the first: %s (%s).", len(read.skipped), source, *read.skipped[0])
    options = _with_defaults(options, split, None if augment is None else augmenter(augment))
    options |= {"cache": "none" if isinstance(read, Records) else cache, "max_bad_files": max_bad_files}
    dataset = make_dataset(read, record, **options)
    dataset.class_names, dataset.examples, dataset.preprocessing = read.class_names, read, record
    dataset.augmenter = options["augment"]
    return dataset


def _with_defaults(options: dict[str, Any], split: str, augmentation: Augmenter | None) -> dict[str, Any]:
    """Return the options of `load_data`, with what it decides where they are silent."""
    defaults = {"batch_size": 32, "training": None, "mix": None}
    filled = {**defaults, **options, "augment": augmentation}
    if filled["training"] is None:
        filled["training"] = split == "train"
    if filled["mix"] is None and augmentation is not None:
        filled["mix"] = augmentation.mixer
    return filled


def _share(source: Examples | Records, chosen: BatchOptions) -> Plan:
    """Return this worker's part of a source, and hold the options against it."""
    # The labels of records are known only when they are read.
    least = len(source.class_names) if isinstance(source, Records) else max(source.labels) + 1
    if chosen.classes is not None and chosen.classes < least:
        raise UsageError(f"classes must be {least} or more for this data, got {chosen.classes}.")
    own = chosen.shard or Shard()
    if isinstance(source, Records):
        share = plan([part.take for part in source.parts], own)
    else:
        share = plan([len(source)], dataclasses.replace(own, by="record"))
    count = share.least if chosen.training else share.own
    if chosen.first_batch * chosen.batch_size >= count:
        raise UsageError(f"first_batch {chosen.first_batch} leaves nothing of an epoch of {count} images.")
    if chosen.drop_remainder and count < chosen.batch_size:
        raise UsageError(f"batch_size {chosen.batch_size} leaves no full batch of the {count} images.")
    return share


def _reader(
    source: Examples | Records, share: Plan, record: Preprocessing, chosen: BatchOptions, damage: Damage | None
) -> Indexed | Stream:
    classes = len(source.class_names) if chosen.classes is None else chosen.classes
    if damage is None:
        limit = {"memory": math.inf, "none": -1}.get(chosen.cache, chosen.cache_bytes)
        return Indexed(source, share, classes, cache_bytes=limit, passed_over=chosen.first_batch * chosen.batch_size)
    size, buffer = record.image_size, chosen.shuffle_buffer
    return Stream(
        source,
        share,
        classes=classes,
        damage=damage,
        size=size,
        shuffle_buffer=buffer,
        passed_over=chosen.first_batch * chosen.batch_size,
    )


def _training_batches(reader: Indexed | Stream, record: Preprocessing, chosen: BatchOptions) -> tf.data.Dataset:
    def crop(image: tf.Tensor, image_seed: tf.Tensor) -> tf.Tensor:
        return random_resized_crop(image, record, image_seed, area=(chosen.min_crop_area, CROP_AREA[1]))

    pictures = reader.training(
        epoch_seeds(chosen.seed, chosen.first_epoch, chosen.epoch), crop, _finish(chosen.augment, record)
    )
    number = (chosen.shard or Shard()).index
    return training_batches(
        pictures,
        chosen.batch_size,
        drop_remainder=chosen.drop_remainder,
        mix=chosen.mix,
        shard=number,
        first_batch=chosen.first_batch,
    )


def _evaluation_batches(
    reader: Indexed | Stream, record: Preprocessing, chosen: BatchOptions, share: Plan
) -> tf.data.Dataset:
    pictures = reader.evaluation(lambda image: decode_and_crop(image, record))
    if chosen.pad_remainder:
        return padded_batches(pictures, chosen.batch_size, -(-share.most // chosen.batch_size) * chosen.batch_size)
    if isinstance(reader, Stream):
        return cleared_batches(pictures, chosen.batch_size)
    pictures = pictures.map(lambda picture, label, _: (picture, label))
    return pictures.batch(chosen.batch_size, drop_remainder=chosen.drop_remainder)


def _finish(augment: Augment | None, record: Preprocessing) -> Seeded:
    """Return what is done to a picture after its crop."""
    if augment is None:
        return lambda picture, seed: picture
    return lambda picture, seed: tf.ensure_shape(augment(picture, augmentation_seed(seed)), [*record.image_size, 3])


def _tf_options(shard: Shard | None) -> tf.data.Options:
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
