"""Weights of other projects into a `.keras` file, with what belongs to them beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from efficientnet_tf.config import ConvertConfig, network_of
from efficientnet_tf.errors import UsageError
from efficientnet_tf.pretrained import build_network
from efficientnet_tf.run import LABELS, PREPROCESSING, make_writable, save_whole, write_json, write_labels


def convert(config: ConvertConfig) -> dict[str, Any]:
    """Write the network of a weight file as a `.keras` file, its labels.txt and its preprocessing.json.

    Returns:
        `output`, `variant`, `classes`, `parameters`, and the preprocessing record.

    Raises:
        UsageError: no source or variant, a file that is there already, or a source without a classifier.
        EfficientNetError: weights of another architecture, or a damaged file.
    """
    for name in ("source", "variant"):
        if getattr(config, name) is None:
            raise UsageError(f"--{name} is missing. For example: --source=efficientnet-b4.pth --variant=b4")
    target = Path(config.output_file)
    beside = [target.parent / name for name in (target.name, LABELS, PREPROCESSING)]
    taken = [str(path) for path in beside if path.exists()]
    if taken:
        raise UsageError(f"{taken[0]} exists already. Give --output in another folder.")
    network = build_network(
        network_of(config), weights=config.source, origin=config.origin, image_size=config.image_size
    )
    if not network.has_classifier:
        raise UsageError(f"{config.source} holds no classifier, so that what it converts to would know nothing.")
    make_writable(target.parent)
    save_whole(network.model, target)
    write_labels(target.parent / LABELS, network.labels)
    write_json(target.parent / PREPROCESSING, network.record.to_json())
    return {
        "output": str(target),
        "variant": network.spec.name,
        "classes": len(network.labels),
        "parameters": network.model.count_params(),
        "preprocessing": network.record.to_json(),
    }
