"""`efficientnet-benchmark --table=2`: the paper's Table 2, counted here."""

from __future__ import annotations

from typing import Any

import keras

# Keras has no public name for DenseNets of other depths.
from keras.src.applications.densenet import DenseNet

from efficientnet_tf.benchmarking.keras_count import count_built, versions
from efficientnet_tf.benchmarking.paper import TABLE2, PaperNetwork, as_printed
from efficientnet_tf.specs import Count, count, list_variants, spec

Row = dict[str, Any]

#: Layers in the four dense blocks (Huang et al., 2017, Table 1); Keras names 121, 169 and 201.
DENSENET_264 = (6, 12, 64, 48)


def table2_rows() -> list[Row]:
    """Return Table 2 row by row: the paper's figures as printed, and ours, which are None where they are quoted.

    Parameters are the trainable ones, as in the paper. Eight networks are built with Keras, which takes half a minute
    and 1 GB of memory.
    """
    counts = {network.name: count_network(network) for network in TABLE2}
    groups = {network.source: counts[network.name] for network in TABLE2}
    return [_row(network, counts[network.name], groups[network.group]) for network in TABLE2]


def count_network(network: PaperNetwork) -> Count | None:
    """Count a network of the table from our architectures or Keras' layers; None where it can only be quoted.

    >>> count_network(TABLE2[0])
    Count(trainable=5288548, total=5330564, madds=385814752)
    """
    if not network.source:
        return None
    if is_ours(network):
        return count(network.source)
    return count_built(lambda: _build(network.source, (network.image_size, network.image_size, 3)))


def is_ours(network: PaperNetwork) -> bool:
    """Return whether a network of the table is a variant of ours.

    >>> [network.name for network in TABLE2 if is_ours(network)][:2]
    ['EfficientNet-B0', 'EfficientNet-B1']
    """
    return network.source in list_variants()


def _build(source: str, shape: tuple[int | None, int | None, int]) -> keras.Model:
    if source == "DenseNet264":
        return DenseNet(list(DENSENET_264), weights=None, input_shape=shape)
    return getattr(keras.applications, source)(weights=None, input_shape=shape)


def _row(network: PaperNetwork, counted: Count | None, reference: Count | None) -> Row:
    """Return a network's figures, and their ratios to those of the EfficientNet of its group."""
    row: Row = {
        "network": network.name,
        "group": network.group,
        "top1": network.top1,
        "top5": network.top5,
        "source": network.source or "quoted",
        "image_size": None,
        "params": None,
        "total_params": None,
        "paper_params": network.params,
        "params_as_printed": None,
        "params_ratio": None,
        "paper_params_ratio": network.params_ratio,
        "madds": None,
        "paper_flops": network.flops,
        "madds_as_printed": None,
        "madds_ratio": None,
        "paper_flops_ratio": network.flops_ratio,
    }
    if counted is None or reference is None:
        return row
    row |= {
        "image_size": network.image_size or spec(network.source).image_size,
        "params": counted.trainable,
        "total_params": counted.total,
        "params_as_printed": as_printed(counted.trainable, network.params) == network.params,
        "params_ratio": counted.trainable / reference.trainable,
        "madds": counted.madds,
        "madds_as_printed": as_printed(counted.madds, network.flops) == network.flops,
        "madds_ratio": counted.madds / reference.madds,
    }
    return row if is_ours(network) else {**row, **versions()}
