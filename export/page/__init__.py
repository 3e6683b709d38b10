"""The page beside a TensorFlow.js model, on which it classifies pictures in the browser."""

from efficientnet_tf.exporting.page.writing import write_page

__all__ = ["write_page"]
