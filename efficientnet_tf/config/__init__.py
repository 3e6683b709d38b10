"""What each command does, as frozen dataclasses: the names, defaults, limits and help of every flag."""

from efficientnet_tf.config.benchmark import BenchmarkConfig
from efficientnet_tf.config.convert import ConvertConfig
from efficientnet_tf.config.evaluate import EvaluateConfig
from efficientnet_tf.config.export import QUANTIZATIONS, ExportConfig
from efficientnet_tf.config.network import network_of
from efficientnet_tf.config.predict import PredictConfig
from efficientnet_tf.config.recipes import RECIPES_FOLDER, list_recipes
from efficientnet_tf.config.search import ScaleConfig
from efficientnet_tf.config.source import SourceOptions
from efficientnet_tf.config.training import TrainConfig, read_config, read_recipe

__all__ = [
    "QUANTIZATIONS",
    "RECIPES_FOLDER",
    "BenchmarkConfig",
    "ConvertConfig",
    "EvaluateConfig",
    "ExportConfig",
    "PredictConfig",
    "ScaleConfig",
    "SourceOptions",
    "TrainConfig",
    "list_recipes",
    "network_of",
    "read_config",
    "read_recipe",
]
