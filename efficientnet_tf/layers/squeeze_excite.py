"""The two ends of squeeze-and-excite (Hu et al., 2018): the means of a map, and the gate that it is multiplied by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from efficientnet_tf.layers.formulation import compiled_here
from efficientnet_tf.layers.normalised import gated, note_of


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class Squeeze(keras.layers.GlobalAveragePooling2D):
    """Keras' average over the pixels of a map, which takes the means that came with the map, where they did.

    Input: a float tensor [N, height, width, channels]; output: [N, 1, 1, channels] with `keepdims`.

    >>> import numpy as np
    >>> Squeeze(keepdims=True)(np.ones((1, 2, 2, 3), "float32")).shape
    TensorShape([1, 1, 1, 3])
    """

    def call(self, inputs: Any) -> Any:
        """Return the means."""
        note = note_of(inputs)
        if note is None or note.pooled is None or not self.keepdims or self.data_format != "channels_last":
            return super().call(inputs)
        return note.pooled


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class Excite(keras.layers.Multiply):
    """Keras' product of a map and its gate, which does not keep the map where it can be computed again.

    Inputs: a map, float [N, height, width, channels], and a gate, [N, 1, 1, channels]; output: as the map.

    >>> import numpy as np
    >>> excited = Excite()([np.full((1, 2, 2, 1), 3.0, "float32"), np.full((1, 1, 1, 1), 0.5, "float32")])
    >>> float(excited[0, 0, 0, 0])
    1.5
    """

    def call(self, inputs: Sequence[Any]) -> Any:
        """Return the product."""
        note = note_of(inputs[0])
        if note is None or len(inputs) != 2 or not _is_gate_of(*inputs):
            return super().call(inputs)
        return gated(note, *inputs)


def _is_gate_of(y: Any, gate: Any) -> bool:
    """Return whether a tensor has one number for each channel of a map."""
    return compiled_here(gate) and tuple(gate.shape[1:]) == (1, 1, y.shape[-1])
