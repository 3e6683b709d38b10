"""A deployed network's `predict`, as one compiled graph that holds the weights."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from efficientnet_tf.exporting.constant_graph import constant_function
from efficientnet_tf.exporting.outputs import PROBABILITIES

#: TensorFlow writes a graph down as one message of 2 GiB at most; a larger network keeps Keras' own function.
MOST_PARAMETERS = 300_000_000


def compile_prediction(model: keras.Model) -> keras.Model:
    """Let a deployed network's `predict` and `predict_on_batch` run one graph in which its weights are constants.

    Knowing the weights, TensorFlow joins additions and activations with the convolutions in front of them, and brings
    kernels into the processor's own order once. The weights are taken up by the first call; what is assigned to
    them later is not seen. Calling the network as a function is not changed.

    Args:
        model: a deployed network, which is returned.
    """
    if model.count_params() < MOST_PARAMETERS:
        model.predict_function = _Prediction(model)
    return model


class _Prediction:
    """What Keras calls with the batches of one execution."""

    def __init__(self, model: keras.Model) -> None:
        self._model, self._function, self._lock = model, None, threading.Lock()

    def __call__(self, batches: Sequence[Any]) -> Any:
        with self._lock:
            if self._function is None:
                self._function = constant_function(self._model)
        given = [keras.utils.unpack_x_y_sample_weight(batch)[0] for batch in batches]
        # Keras takes a dictionary or a list of the one input, too.
        images = [tf.cast(keras.tree.flatten(each)[0], tf.float32) for each in given]
        answers = self._function(images[0] if len(images) == 1 else tf.concat(images, 0))
        return answers if isinstance(self._model.output, Mapping) else answers[PROBABILITIES]
