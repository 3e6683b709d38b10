"""Classes of unequal size that count as much as each other in training."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from efficientnet_tf.data.sources import Examples, Records
from efficientnet_tf.data.sources.checked import watched
from efficientnet_tf.data.streams import all_records
from efficientnet_tf.errors import EfficientNetError

_CHUNK = 1024
_NAMED_CLASSES = 5


def count_labels(source: Examples | Records) -> list[int]:
    """Return how many photographs each class has.

    Records are read once for it, and nothing is decoded; how far this is appears on standard error when it takes long.
    Damaged records count, as nobody knows of them yet.

    Raises:
        EfficientNetError: a record cannot be read, or its label is of no class.

    >>> from efficientnet_tf.data import read_source
    >>> count_labels(read_source("synthetic:classes=3,count=10,size=8"))
    [4, 3, 3]
    """
    if isinstance(source, Examples):
        labels = np.asarray(source.labels)
    else:
        chunks = watched(_chunks(source), len(source), "Counting the classes of records")
        labels = np.fromiter(itertools.chain.from_iterable(chunks), np.int64)
        wrong = np.flatnonzero((labels < 0) | (labels >= len(source.class_names)))
        if wrong.size:
            raise source.label_problem(int(wrong[0]), int(labels[wrong[0]]))
    return [int(count) for count in np.bincount(labels, minlength=len(source.class_names))]


def class_weights(counts: Sequence[int], class_names: Sequence[str]) -> tuple[float, ...]:
    """Return the weight of a photograph of each class, in inverse proportion to the size of the class.

    All classes weigh the same together, and the mean weight of all photographs is 1, so that the learning rate means
    what it did.

    Args:
        counts: photographs of each class.
        class_names: of the classes, for the error.

    Raises:
        EfficientNetError: a class has no photograph.

    >>> class_weights([30, 10], ["cat", "dog"])
    (0.6666666666666666, 2.0)
    """
    empty = [name for name, count in zip(class_names, counts, strict=True) if not count]
    if empty:
        more = f" and {len(empty) - _NAMED_CLASSES} more" if len(empty) > _NAMED_CLASSES else ""
        raise EfficientNetError(
            f"--class_weights=balanced needs training photographs of every class; {len(empty)} of {len(counts)} have "
            f"none: {', '.join(empty[:_NAMED_CLASSES])}{more}."
        )
    total = sum(counts)
    return tuple(total / (len(counts) * count) for count in counts)


def balance(dataset: tf.data.Dataset, weights: Sequence[float]) -> tf.data.Dataset:
    """Return batches of (images, labels, weights) from those of (images, labels), for `fit`.

    The weight of a photograph is that of its class; of one that is mixed of two, the mean of theirs as its label has
    it. Smoothing of labels is part of the loss and does not change it. The attribute `damage` is kept.

    Args:
        dataset: of labels float32 [batch, classes], each of which sums to 1.
        weights: of each class.

    >>> data = tf.data.Dataset.from_tensors((tf.zeros([2, 8, 8, 3]), tf.constant([[1.0, 0.0], [0.25, 0.75]])))
    >>> [batch[2].numpy() for batch in balance(data, [0.5, 2.0])]
    [array([0.5  , 1.625], dtype=float32)]
    """
    # As in the pipeline: a GPU is no place for it.
    with tf.device("CPU:0"):
        table = tf.constant(weights, tf.float32)
    weighted = dataset.map(lambda images, labels: (images, labels, tf.linalg.matvec(labels, table)))
    weighted.damage = getattr(dataset, "damage", None)
    return weighted


def _chunks(records: Records) -> Iterator[list[int]]:
    batches = all_records(records).map(lambda image, label: label).batch(_CHUNK)
    done = 0
    try:
        for labels in batches.as_numpy_iterator():
            yield labels.tolist()
            done += len(labels)
    except tf.errors.OpError as error:
        raise EfficientNetError(
            f"A record of {records.name!r} cannot be read, one of {_CHUNK} from {records.describe(done)!r} on; "
            "it is damaged, or of another schema."
        ) from error
