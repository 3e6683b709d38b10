"""Where weights come from, and the importers that read them."""

from efficientnet_tf.weights.labels import imagenet_labels, labels_for
from efficientnet_tf.weights.loading import Pretrained, put_into, read_pretrained
from efficientnet_tf.weights.origins import ORIGINS

__all__ = ["ORIGINS", "Pretrained", "imagenet_labels", "labels_for", "put_into", "read_pretrained"]
