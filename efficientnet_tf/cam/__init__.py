"""Where on a photograph a network finds a class: maps, and in `cam.pictures` drawings of them."""

from efficientnet_tf.cam.maps import class_activation_map, raw_class_activation_map

__all__ = ["class_activation_map", "raw_class_activation_map"]
