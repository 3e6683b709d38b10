"""The photographs of a run, and how they become batches."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import tensorflow as tf

from efficientnet_tf.augment import Augmenter
from efficientnet_tf.config import TrainConfig, network_of
from efficientnet_tf.data.batching import Mix
from efficientnet_tf.data.caching import keep
from efficientnet_tf.data.options import Augment
from efficientnet_tf.data.pipeline import make_dataset
from efficientnet_tf.data.sources import FORMS, Examples, Records, read_source
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Preprocessing


@dataclasses.dataclass(frozen=True)
class Data:
    """The photographs of a run.

    Attributes:
        train: those to train on.
        validation: those held out.
        record: how they become pictures.
    """

    train: Examples | Records
    validation: Examples | Records
    record: Preprocessing

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
    train_set, validation = (
        keep(
            read_source(config.data, split, validation_fraction=config.validation_fraction, max_bad_files=limit),
            config.cache,
            max_bad_files=limit,
        )
        for split in ("train", "validation")
    )
    return Data(train_set, validation, network_of(config).preprocessing(config.image_size))


def training_batches(
    config: TrainConfig,
    data: Data,
    *,
    batch_size: int,
    whole_batches: bool,
    augment: Augment | None,
    mix: Mix | None,
) -> tf.data.Dataset:
    """Return the batches of training, in the order and with the seeds of a run."""
    return batches(
        data.train,
        config,
        data,
        batch_size=batch_size,
        training=True,
        drop_remainder=whole_batches,
        augment=augment,
        mix=mix,
        min_crop_area=config.crop_area,
        shuffle_buffer=config.shuffle_buffer,
    )


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
