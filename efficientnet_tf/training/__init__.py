"""Training: the loop, and its pieces as ordinary Keras objects."""

from efficientnet_tf.training.callbacks import BestModel, HeadFirst
from efficientnet_tf.training.loop import TrainResult, train
from efficientnet_tf.training.schedule import WarmupCosine
from efficientnet_tf.training.settings import callbacks, recipe

__all__ = ["BestModel", "HeadFirst", "TrainResult", "WarmupCosine", "callbacks", "recipe", "train"]
