"""Batch normalisation that leaves one map for the gradient."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from efficientnet_tf.layers.formulation import compiled_here
from efficientnet_tf.layers.kernels import moments
from efficientnet_tf.layers.normalised import normalised


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch normalisation, with the same arguments, weights and results, faster in training on processors.

    In training Keras 3 computes it as a dozen operations that each read and write the map. Here statistics, output and
    gradient take one or two passes each (`kernels`), and an activation behind it is computed together with it
    (`normalised`). That is so for maps of known height and width in float32, in `fit` and other graphs, on machines
    without a GPU or TPU; in every other case this is Keras' own layer: at inference, on GPUs and TPUs, where XLA fuses
    the same operations, in mixed precision, with `synchronized` statistics, `renorm` or a mask, and eagerly.

    Each new batch size is compiled once, which takes some seconds for a whole network.

    Input and output: a float tensor [N, height, width, channels], of equal shape.

    >>> layer = BatchNormalization(momentum=0.5, epsilon=0.0)
    >>> step = tf.function(lambda x: layer(x, training=True))
    >>> step(tf.constant([[[[1.0]], [[3.0]]]])).numpy().ravel().tolist()
    [-1.0, 1.0]
    >>> float(layer.moving_mean[0]), float(layer.moving_variance[0])
    (1.0, 1.0)
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised map, and update the moving statistics when training."""
        if not training or mask is not None or not self._fuses(inputs):
            return super().call(inputs, training=training, mask=mask)
        weights = (self.gamma.value, self.beta.value)
        if not self.trainable:
            statistics = tf.convert_to_tensor(self.moving_mean.value), tf.convert_to_tensor(self.moving_variance.value)
            return normalised(inputs, weights, statistics, epsilon=self.epsilon, frozen=True)
        mean, variance = moments(tf.stop_gradient(inputs))
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + now * (1.0 - self.momentum))
        return normalised(inputs, weights, (mean, variance), epsilon=self.epsilon, frozen=False)

    def _fuses(self, inputs: Any) -> bool:
        ordinary = self.scale and self.center and not self.renorm and not self.synchronized
        last = self.axis in (-1, 3)
        return ordinary and last and self.compute_dtype == "float32" and compiled_here(inputs)
