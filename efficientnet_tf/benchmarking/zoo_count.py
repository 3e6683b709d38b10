"""The size of every variant beside the official one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficientnet_tf.benchmarking.official import OFFICIAL, UNKNOWN, Official
from efficientnet_tf.benchmarking.paper import as_printed
from efficientnet_tf.specs import Count, count, variant_name

Row = dict[str, Any]


def zoo_rows(variants: Sequence[str], *, build: bool = False) -> list[Row]:
    """Return a row for each variant: our counts, the official ones, and whether they are equal.

    Args:
        variants: names that `spec` knows; for those without official figures `equal` is None.
        build: whether to build each network in Keras as well, and count its layers. This takes memory for its
            parameters, 3 GB for L2.

    >>> row = zoo_rows(["b0"])[0]
    >>> row["trainable"], row["official_trainable"], row["madds"], row["official_madds"], row["equal"]
    (5288548, 5288548, 385814752, '0.386B', True)
    """
    return [_row(name, build) for name in variants]


def differences(counted: Count, official: Official) -> list[str]:
    """Return which of the official figures are not ours; those that are not known cannot differ.

    >>> differences(Count(1, 3, 4_930_000_000), Official(2, 3, "4.94B"))
    ['trainable', 'madds']
    """
    equal = {
        "trainable": official.trainable in (None, counted.trainable),
        "total": official.total in (None, counted.total),
        "madds": official.madds in (None, official.madds and as_printed(counted.madds, official.madds)),
    }
    return [name for name, is_equal in equal.items() if not is_equal]


def _row(name: str, build: bool) -> Row:
    counted, official = count(name), OFFICIAL.get(name, UNKNOWN)
    row: Row = {
        "network": variant_name(name),
        "trainable": counted.trainable,
        "official_trainable": official.trainable,
        "total": counted.total,
        "official_total": official.total,
        "madds": counted.madds,
        "official_madds": official.madds,
        "printed_madds": official.printed,
        "equal": None if official is UNKNOWN else not differences(counted, official),
    }
    if build:
        built, versions = _built(name)
        row |= {"keras_trainable": built.trainable, "keras_total": built.total, "keras_madds": built.madds, **versions}
        row["equal"] = row["equal"] is not False and built == counted
    return row


def _built(name: str) -> tuple[Count, dict[str, str]]:
    from efficientnet_tf.benchmarking.keras_count import count_built, versions
    from efficientnet_tf.pretrained import EfficientNet

    return count_built(lambda: EfficientNet(name, weights=None)), versions()
