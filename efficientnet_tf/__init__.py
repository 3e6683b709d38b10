"""EfficientNet for TensorFlow and Keras: networks, training, and export.

Importing this package loads no TensorFlow; the first name that needs it does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import wrapt

from efficientnet_tf.errors import require_tensorflow

if TYPE_CHECKING:
    from efficientnet_tf.augment import augmenter
    from efficientnet_tf.cam import class_activation_map
    from efficientnet_tf.config import EvaluateConfig, ExportConfig, PredictConfig, TrainConfig
    from efficientnet_tf.data import load_data
    from efficientnet_tf.evaluation import evaluate
    from efficientnet_tf.exporting import deploy, export
    from efficientnet_tf.features import endpoints, freeze
    from efficientnet_tf.layers import plain
    from efficientnet_tf.pretrained import EfficientNet
    from efficientnet_tf.recomputation import recompute
    from efficientnet_tf.run import load_model
    from efficientnet_tf.search import search_architecture, search_coefficients, study_scaling
    from efficientnet_tf.specs import count, list_variants, scale, solve_scale, spec, spec_text
    from efficientnet_tf.training import callbacks, recipe, train

__version__ = "0.1.0"

# Where each public name lives. Rooms are nouns and functions are verbs: a submodule with the name of
# a function here would replace it as soon as it is imported.
_WITHOUT_TENSORFLOW = {
    "EvaluateConfig": "config",
    "ExportConfig": "config",
    "PredictConfig": "config",
    "TrainConfig": "config",
    "count": "specs",
    "list_variants": "specs",
    "scale": "specs",
    "search_architecture": "search",
    "search_coefficients": "search",
    "solve_scale": "specs",
    "spec": "specs",
    "spec_text": "specs",
    "study_scaling": "search",
}
_WITH_TENSORFLOW = {
    "EfficientNet": "pretrained",
    "augmenter": "augment",
    "callbacks": "training",
    "class_activation_map": "cam",
    "deploy": "exporting",
    "endpoints": "features",
    "evaluate": "evaluation",
    "export": "exporting",
    "freeze": "features",
    "load_data": "data",
    "load_model": "run",
    "plain": "layers",
    "recipe": "training",
    "recompute": "recomputation",
    "train": "training",
}

__all__ = [
    "EfficientNet",
    "EvaluateConfig",
    "ExportConfig",
    "PredictConfig",
    "TrainConfig",
    "augmenter",
    "callbacks",
    "class_activation_map",
    "count",
    "deploy",
    "endpoints",
    "evaluate",
    "export",
    "freeze",
    "list_variants",
    "load_data",
    "load_model",
    "plain",
    "recipe",
    "recompute",
    "scale",
    "search_architecture",
    "search_coefficients",
    "solve_scale",
    "spec",
    "spec_text",
    "study_scaling",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name in _WITH_TENSORFLOW:
        require_tensorflow()
    room = _WITH_TENSORFLOW.get(name) or _WITHOUT_TENSORFLOW.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# `keras.models.load_model` finds our classes in Keras' own registry. They enter it as soon as Keras is
# there, whichever of the two is imported first.
for _room in ("layers", "training.schedule", "training.optimizer"):
    wrapt.when_imported("keras")(lambda _, room=_room: importlib.import_module(f"{__name__}.{room}"))
