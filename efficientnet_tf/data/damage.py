"""Records that cannot be decoded, met while they are read: named, counted, left out, and in the end too many."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from efficientnet_tf.data.sources import Records
from efficientnet_tf.data.sources.checked import list_some
from efficientnet_tf.errors import EfficientNetError

_REASON = "it cannot be decoded"

# So many damaged records in a row are a damaged file.
_NAMED_IN_A_ROW = 64

_UNREADABLE = {
    tf.errors.DataLossError: "is damaged",
    tf.errors.NotFoundError: "cannot be read",
    tf.errors.PermissionDeniedError: "cannot be read",
}

#: A picture, uint8 [height, width, 3], and its label, int32.
Loaded = tuple[tf.Tensor, tf.Tensor]

_log = logging.getLogger(__name__)


class Damage:
    """The damaged records of one source, however often they are met.

    Args:
        records: the source.
        total: how many of its records are read here.
        max_bad_files: the share of them that may be damaged, of 1.
    """

    def __init__(self, records: Records, total: int, max_bad_files: float) -> None:
        self._records, self._total, self._max_bad_files = records, total, max_bad_files
        self._numbers: set[int] = set()
        self._lock = threading.Lock()
        #: What stopped the reading, if anything did.
        self.error: EfficientNetError | None = None

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """The damaged records so far, each with the reason."""
        return tuple((self._records.describe(number), _REASON) for number in sorted(self._numbers))

    def fail(self, error: EfficientNetError) -> EfficientNetError:
        """Remember what stopped the reading, and return it; what follows from it says less."""
        self.error = self.error or error
        return self.error

    def note(self, numbers: Sequence[int], row: int) -> None:
        """Count records that were lost in a row, of which so many are named.

        Raises:
            EfficientNetError: too many records are damaged.
        """
        with self._lock:
            if self.error:
                # The scan that asks stands where it was when reading stopped: what follows only looks lost to it.
                raise self.error
            new = [number for number in numbers if number not in self._numbers]
            self._numbers.update(new)
            count = len(self._numbers)
        for number in new:
            _log.warning("Skipped the record %s: %s.", self._records.describe(number), _REASON)
        if row > len(numbers):
            last = self._records.describe(numbers[-1])
            raise self.fail(EfficientNetError(f"{row} records in a row cannot be decoded, the last of them {last!r}."))
        if count > self._max_bad_files * self._total or count == self._total:
            raise self.fail(
                EfficientNetError(
                    f"{count} of the {self._total} records of {self._records.name!r} cannot be decoded, more than "
                    f"max_bad_files={self._max_bad_files:g} allows: {list_some(self.skipped)}."
                )
            )

    def check(self, number: tf.Tensor, label: tf.Tensor, lost: tf.Tensor, recent: tf.Tensor) -> tf.Operation:
        """Return the operation that tells Python of lost records before this one, or of a label out of range.

        Raises:
            tf.errors.OpError: reading must stop; `error` then says why.
        """

        def tell(number: Any, label: Any, lost: Any, recent: Any) -> Any:
            if lost:
                self.note([int(one) for one in recent[-int(lost) :]], int(lost))
            if not 0 <= label < len(self._records.class_names):
                raise self.fail(self._records.label_problem(int(number), int(label)))
            return np.bool_(True)

        in_range = (label >= 0) & (label < len(self._records.class_names))
        good = tf.cond(
            (lost == 0) & in_range,
            lambda: tf.constant(True),
            lambda: tf.ensure_shape(tf.numpy_function(tell, [number, label, lost, recent], tf.bool), []),
        )
        return good.op


def surviving(
    dataset: tf.data.Dataset, load: Callable[[tf.Tensor, Any], Loaded], nothing: Loaded, damage: Damage
) -> tf.data.Dataset:
    """Load records in parallel and leave out those that cannot be, telling `damage` which.

    TensorFlow's graphs have no way to go on after an error but a dataset that passes over it. What it passed over is
    told by the positions that are missing, and named by the numbers that each record carries of those before it.

    Args:
        dataset: (number, record).
        load: from these to (picture, label).
        nothing: a picture and a label for what comes after the last record.
        damage: is told.

    Returns:
        (number, picture, label, lost) of the others in their order, where `lost` counts the records that were lost just
        before; and after them `nothing` with a number of -1.
    """
    spec = dataset.element_spec[1]
    end = (tf.constant(-1, tf.int64), tf.nest.map_structure(lambda part: tf.zeros(part.shape, part.dtype), spec))
    dataset = dataset.concatenate(tf.data.Dataset.from_tensors(end))

    def place(state: tuple[tf.Tensor, ...], element: tuple[Any, ...]) -> tuple[Any, Any]:
        position, recent = state
        number, record = element
        after = tf.concat([recent[1:], number[tf.newaxis]], 0)
        return (position + 1, after), (position, recent, number, record)

    def loaded(number: tf.Tensor, record: Any) -> tuple[Any, ...]:
        return *tf.cond(number < 0, lambda: nothing, lambda: load(number, record)), True

    def try_to_load(position: tf.Tensor, recent: tf.Tensor, number: tf.Tensor, record: Any) -> tuple[Any, ...]:
        # One record by itself: what fails in reading it from its file must not be passed over.
        one = tf.data.Dataset.from_tensors((number, record)).map(loaded).ignore_errors()
        one = one.concatenate(tf.data.Dataset.from_tensors((*nothing, False))).take(1)
        picture, label, usable = one.get_single_element()
        return position, recent, number, picture, label, usable

    def is_usable(*element: tf.Tensor) -> tf.Tensor:
        return element[-1]

    def without_mark(*element: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return element[:-1]

    def find_lost(expected: tf.Tensor, element: tuple[tf.Tensor, ...]) -> tuple[Any, Any]:
        position, recent, number, picture, label = element
        lost = position - expected
        with tf.control_dependencies([damage.check(number, label, lost, recent)]):
            return position + 1, (tf.identity(number), picture, label, lost)

    zero = tf.constant(0, tf.int64)
    dataset = dataset.scan((zero, tf.fill([_NAMED_IN_A_ROW], tf.constant(-1, tf.int64))), place)
    dataset = dataset.map(try_to_load, tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.filter(is_usable).map(without_mark)
    return dataset.scan(zero, find_lost)


@contextlib.contextmanager
def named_errors(*datasets: tf.data.Dataset) -> Iterator[None]:
    """Raise what stopped the reading of one of these datasets as the error that it is, in one line.

    Raises:
        EfficientNetError: in place of the TensorFlow error that it came out as.
    """
    try:
        yield
    except tf.errors.OpError as error:
        for dataset in datasets:
            damage = getattr(dataset, "damage", None)
            if damage is not None and damage.error is not None:
                raise damage.error from error
        for kind, what in _UNREADABLE.items():
            if isinstance(error, kind):
                # Without the name of TensorFlow's node.
                reason = re.sub(r"\{\{[^}]*\}\}\s*", "", error.message.splitlines()[0]).split(" [Op:")[0]
                raise EfficientNetError(f"A file of records {what}: {reason}.") from error
        raise
