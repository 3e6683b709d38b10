"""Training: the loop, and its pieces as ordinary Keras objects."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from efficientnet_tf.training.ema import MovingAverage
    from efficientnet_tf.training.keeping import KeepBest, KeepLatest, MetricsTable
    from efficientnet_tf.training.loop import TrainResult, train
    from efficientnet_tf.training.optimizer import RMSpropTF1
    from efficientnet_tf.training.phases import HeadFirst
    from efficientnet_tf.training.preview import write_preview
    from efficientnet_tf.training.progress import FollowProgress
    from efficientnet_tf.training.schedule import PhasedSchedule, WarmupConstant, WarmupCosine, WarmupExponential
    from efficientnet_tf.training.settings import callbacks, recipe
    from efficientnet_tf.training.watching import WatchLoss

_HOMES = {
    "FollowProgress": "progress",
    "HeadFirst": "phases",
    "KeepBest": "keeping",
    "KeepLatest": "keeping",
    "MetricsTable": "keeping",
    "MovingAverage": "ema",
    "PhasedSchedule": "schedule",
    "RMSpropTF1": "optimizer",
    "TrainResult": "loop",
    "WarmupConstant": "schedule",
    "WarmupCosine": "schedule",
    "WarmupExponential": "schedule",
    "WatchLoss": "watching",
    "callbacks": "settings",
    "recipe": "settings",
    "train": "loop",
    "write_preview": "preview",
}

__all__ = [
    "FollowProgress",
    "HeadFirst",
    "KeepBest",
    "KeepLatest",
    "MetricsTable",
    "MovingAverage",
    "PhasedSchedule",
    "RMSpropTF1",
    "TrainResult",
    "WarmupConstant",
    "WarmupCosine",
    "WarmupExponential",
    "WatchLoss",
    "callbacks",
    "recipe",
    "train",
    "write_preview",
]


def __getattr__(name: str) -> Any:
    """Import a name on first use: Keras is told of the schedule at start, and that must not load the loop."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
