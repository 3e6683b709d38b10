"""How pictures become batches: the settings that `make_dataset` and `load_data` share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from efficientnet_tf.data.batching import Mix
from efficientnet_tf.data.caching import CACHE_BYTES, check_cache
from efficientnet_tf.data.decoding import CROP_AREA
from efficientnet_tf.data.sharding import Shard
from efficientnet_tf.data.sources import MAX_BAD_FILES
from efficientnet_tf.errors import UsageError

#: Records among which the next one is drawn, as in the official pipeline.
SHUFFLE_BUFFER = 1024

#: From a picture, uint8 [height, width, 3], and a seed, int32 [2], to a picture of the same form.
Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """How pictures become batches.

    Attributes:
        batch_size: images per batch.
        training: random crops in random order.
        seed: of order, crops, augmentation and mixing.
        classes: the length of a label; by default the number of classes of the source.
        augment: applied in training to each picture with a seed of its own, which no crop uses.
        mix: applied in training to each batch, with a seed of the epoch, the batch's number and the shard's.
        drop_remainder: leave out the last batch if it is smaller than the others; for static shapes in training.
        pad_remainder: fill the last batch up with black pictures; batches are then (images, labels, weights), with
            weights float32 [batch], 1 or for what fills up 0. For static shapes in evaluation, in which every example
            still counts once: metrics must be `weighted_metrics`.
        min_crop_area: the smallest part of a photograph that a training crop covers, of 1.
        first_epoch: the number of epochs to pass over, so that a resumed training sees what the interrupted one would.
        epoch: holds the number of the epoch, int64, where passes do not count them: Keras begins some that it does not
            use. It is read when the first batch of a pass is asked for.
        first_batch: batches to pass over at the beginning of every pass: for the rest of an epoch that was interrupted.
        shard: this worker's part of the source; by default all of it. Files and pictures are divided one by one.
        cache: `"auto"` keeps files in memory if they are no larger than `cache_bytes` together, `"memory"` always,
            `"none"` never. Records are read as they come; `caching.keep` makes something else of them before.
        cache_bytes: see `cache`.
        shuffle_buffer: of records, among how many the next one is drawn; 1 leaves them as they come.
        max_bad_files: of records, the share that may be damaged before reading stops, of 1.

    Raises:
        UsageError: a value is out of its range, or two contradict each other.
    """

    batch_size: int
    training: bool
    seed: int = 0
    classes: int | None = None
    augment: Augment | None = None
    mix: Mix | None = None
    drop_remainder: bool = False
    pad_remainder: bool = False
    min_crop_area: float = CROP_AREA[0]
    first_epoch: int = 0
    epoch: tf.Variable | None = None
    first_batch: int = 0
    shard: Shard | None = None
    cache: str = "auto"
    cache_bytes: int = CACHE_BYTES
    shuffle_buffer: int = SHUFFLE_BUFFER
    max_bad_files: float = MAX_BAD_FILES

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(f"batch_size must be 1 or more, got {self.batch_size}.")
        if not 0 < self.min_crop_area <= 1:
            raise UsageError(f"min_crop_area must lie above 0 and not above 1, got {self.min_crop_area}.")
        check_cache(self.cache)
        if self.pad_remainder and (self.training or self.drop_remainder):
            raise UsageError("pad_remainder is for evaluation, and not together with drop_remainder.")
        if self.first_batch and not self.training:
            raise UsageError("first_batch is for training, and this dataset is for evaluation.")
        if (self.augment or self.mix) and not self.training:
            raise UsageError("augment and mix are for training, and this dataset is for evaluation.")
