"""The photographs of a run, and how they become batches."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from efficientnet_tf.augment import Augmenter
from efficientnet_tf.config import TrainConfig, network_of
from efficientnet_tf.data.caching import keep
from efficientnet_tf.data.minival import hold_out
from efficientnet_tf.data.pipeline import make_dataset
from efficientnet_tf.data.sharding import Shard
from efficientnet_tf.data.sources import FORMS, Examples, Records, read_source
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Preprocessing
from efficientnet_tf.training.balance import balance


@dataclasses.dataclass(frozen=True)
class Data:
    """The photographs of a run.

    Attributes:
        train: those to train on.
        validation: those held out.
        record: how they become pictures.
        final: those that the best network is measured on once, where others chose it; else None.
    """

    train: Examples | Records
    validation: Examples | Records
    record: Preprocessing
    final: Examples | Records | None = None

    @property
    def measured(self) -> Examples | Records:
        """Those that the figures of the run are of."""
        return self.validation if self.final is None else self.final

    def seen_as(self, record: Preprocessing, config: TrainConfig) -> Data:
        """Return the same photographs as a network's weights want them, but for what the configuration says."""
        if config.crop is not None:
            record = dataclasses.replace(record, crop=config.crop)
        return dataclasses.replace(self, record=record)

    @property
    def sources(self) -> tuple[Examples | Records, ...]:
        """All of them."""
        return (self.train, self.validation, *(() if self.final is None else (self.final,)))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.train.class_names

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Files that cannot be used, each with the reason."""
        # One folder that was divided names its files on both sides.
        return tuple(dict.fromkeys(self.train.skipped + self.validation.skipped))


def read(config: TrainConfig) -> Data:
    """Return the photographs that a resolved configuration names.

    Raises:
        UsageError: there is no such source.
        EfficientNetError: it holds nothing to use.
    """
    if not config.data:
        raise UsageError(f"--data is missing. Allowed: {FORMS}.")
    limit = config.max_bad_files
    sides = [
        read_source(config.data, split, validation_fraction=config.validation_fraction, max_bad_files=limit)
        for split in ("train", "validation")
    ]
    if config.minival:
        sides = [*hold_out(sides[0], config.minival), sides[1]]
    kept = [keep(side, config.cache, max_bad_files=limit) for side in sides]
    return Data(kept[0], kept[1], network_of(config).preprocessing(config.image_size), *kept[2:])


def training_batches(
    config: TrainConfig,
    data: Data,
    *,
    batch_size: int,
    whole_batches: bool,
    image_size: int | None = None,
    class_weights: Sequence[float] | None = None,
    steps: int | None = None,
    **options: Any,
) -> tf.data.Dataset:
    """Return the batches of training, in the order and with the seeds of a run.

    Args:
        config: resolved.
        data: whose training side is used.
        batch_size: examples of a batch.
        whole_batches: whether a smaller last batch is left out.
        image_size: side of the pictures in pixels, where it is not that of `data`.
        class_weights: how much a picture of each class counts; the batches then have weights.
        steps: batches of a pass at most.
        options: `augment` and `mix`; `epoch`, which holds the epoch's number, by default that of the first; where a
            run was interrupted, `first_batch`; and of several workers the `shard`.
    """
    if image_size is not None:
        data = dataclasses.replace(data, record=dataclasses.replace(data.record, image_size=(image_size, image_size)))
    dataset = batches(
        data.train,
        config,
        data,
        batch_size=batch_size,
        training=True,
        drop_remainder=whole_batches,
        min_crop_area=config.crop_area,
        shuffle_buffer=config.shuffle_buffer,
        **{"epoch": tf.Variable(0, dtype=tf.int64, trainable=False), **options},
    )
    damage = dataset.damage
    dataset = dataset if class_weights is None else balance(dataset, class_weights)
    dataset = dataset if steps is None else dataset.take(steps)
    dataset.damage = damage
    return dataset


def validation_batches(
    config: TrainConfig, data: Data, *, batch_size: int, whole_batches: bool, shard: Shard | None = None
) -> tf.data.Dataset:
    """Return the batches of validation as `fit` must be given them: if all must be whole, with weights."""
    dataset = batches(
        data.validation, config, data, batch_size=batch_size, training=False, pad_remainder=whole_batches, shard=shard
    )
    if not whole_batches:
        return dataset
    weighted = evenly_weighted(dataset, len(data.validation), batch_size * (shard.count if shard else 1))
    weighted.damage = dataset.damage
    return weighted


def changes(augmenter: Augmenter) -> dict[str, Any]:
    """Return what an augmenter does to pictures and to batches, as `training_batches` takes it."""
    return {"augment": augmenter if augmenter.steps else None, "mix": augmenter.mixer}


def batches(source: Examples | Records, config: TrainConfig, data: Data, **options: Any) -> tf.data.Dataset:
    """Return the batches of one side of a run; options are those of `make_dataset`."""
    in_files = isinstance(source, Examples) and source.contents is None
    return make_dataset(
        source,
        data.record,
        seed=config.seed,
        classes=len(data.labels),
        cache=config.cache if in_files else "auto",
        max_bad_files=config.max_bad_files,
        **options,
    )


def evenly_weighted(dataset: tf.data.Dataset, examples: int, batch_size: int) -> tf.data.Dataset:
    """Scale the weights of padded batches so that Keras' loss is the mean over the examples.

    Keras divides by the pictures of all batches, those that fill up the last one among them.
    """
    scale = math.ceil(examples / batch_size) * batch_size / examples
    return dataset.map(lambda images, labels, weights: (images, labels, weights * scale))
