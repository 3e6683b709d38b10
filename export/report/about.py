"""What is known of a network besides its artifacts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from efficientnet_tf.config import ExportConfig, TrainConfig, network_of
from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.exporting.source import Source
from efficientnet_tf.run import Run
from efficientnet_tf.specs import Spec


@dataclasses.dataclass(frozen=True, kw_only=True)
class About:
    """A network and what is known of it; what nobody knows is None.

    Attributes:
        name: for people.
        spec: its architecture.
        parameters: how many numbers its layers have.
        config: settings of the run that trained it, as in config.json.
        metrics: what that run measured, as in metrics.json.
        weights: of a network of the zoo, the name of its published weights.
    """

    name: str
    spec: Spec | None = None
    parameters: int | None = None
    config: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None
    weights: str | None = None


def about_of(source: Source, config: ExportConfig) -> About:
    """Return what is known of a network that is exported.

    Args:
        source: the network, and its run if it has one.
        config: as what it is exported.
    """
    settings = source.settings
    spec = None
    if config.variant is not None:
        spec = network_of(config)
    elif settings:
        # A run of an earlier release may have what this one does not know.
        try:
            spec = network_of(TrainConfig(**settings))
        except (EfficientNetError, TypeError):
            spec = None
    published = config.weights or "imagenet"
    return About(
        name=source.run.path.name if source.run else source.name,
        spec=spec,
        parameters=int(source.model.count_params()),
        config=settings,
        metrics=_metrics(source.run),
        weights=published if config.variant is not None and published != "none" else None,
    )


def _metrics(run: Run | None) -> dict[str, Any] | None:
    """Return the figures of a run; None where it has none that can be read."""
    if run is None or not run.metrics_file.is_file():
        return None
    try:
        values = json.loads(run.metrics_file.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return values if isinstance(values, dict) else None
