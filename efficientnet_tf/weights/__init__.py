"""Where weights come from, and the importers that read them."""

from efficientnet_tf.weights.labels import imagenet_labels
from efficientnet_tf.weights.loading import load_weights

__all__ = ["imagenet_labels", "load_weights"]
