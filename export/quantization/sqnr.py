"""How much of each layer's signal is left after quantisation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.exporting.deploy import LOGITS
from efficientnet_tf.exporting.outputs import PROBABILITIES
from efficientnet_tf.exporting.quantization.graph import Array, Graph, layer_of
from efficientnet_tf.exporting.quantization.observing import Observer

#: Where more than this is left, nothing was lost.
EXACT = 200.0
#: Operations that change the type of a map alone.
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


@dataclasses.dataclass(frozen=True)
class LayerSQNR:
    """The signal-to-quantisation-noise ratio of what a layer answers, in decibels.

    Attributes:
        name: of the Keras layer.
        sqnr_db: ten times the decimal logarithm of signal power over noise power, of the median picture: over all
            together, the few with the largest numbers would be most of it.
    """

    name: str
    sqnr_db: float


def logit_sqnr(expected: Array, found: Array) -> float:
    """Return the signal-to-quantisation-noise ratio of answers, in decibels, over all of them together.

    Args:
        expected: any shape, from the network in float32.
        found: the same shape, dequantised.

    >>> logit_sqnr(np.array([[3.0, 4.0]]), np.array([[3.0, 4.5]]))
    20.0
    """
    signal = np.square(expected.astype(np.float64)).sum()
    noise = np.square(expected.astype(np.float64) - found).sum()
    return _decibels(float(signal), float(noise))


def layer_sqnr(float_file: Path, quantised_file: Path, images: Array) -> list[LayerSQNR]:
    """Return how well each layer of a quantised file answers, in the order of the network.

    Both run without a delegate and see the same pictures; what a layer inherits from those before it counts too.

    Args:
        float_file: in float32, with the preprocessing inside.
        quantised_file: what was made of it.
        images: uint8 [N, height, width, 3].
    """
    exact, rounded = (_Reading(Path(path).read_bytes()) for path in (float_file, quantised_file))
    layers = {layer: tensor for layer, tensor in exact.layers().items() if tensor in rounded.tensors}
    found: dict[str, list[float]] = {layer: [] for layer in layers}
    for image in images:
        exact.see(image)
        rounded.see(image)
        for layer, tensor in layers.items():
            expected = exact.map(tensor)
            found[layer].append(logit_sqnr(expected, rounded.map(tensor)))
    return [LayerSQNR(layer, float(np.median(ratios))) for layer, ratios in found.items()]


def quantization_report(
    float_file: Path, quantised_file: Path, images: Array, *, choices: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a quantised file loses, and where, as data for a report.

    Args:
        float_file, quantised_file, images: as `layer_sqnr` takes them.
        choices: what was chosen in making the file, and why.

    Returns:
        `logit_sqnr_db`, the last layer's before any softmax, None where the file ends before it; `layers`, the worst
        first, with `name` and `sqnr_db`; `choices`.
    """
    layers = layer_sqnr(float_file, quantised_file, images)
    worst = sorted(layers, key=lambda layer: layer.sqnr_db)
    _, outputs = Graph(quantised_file.read_bytes()).signature()
    ends = {LOGITS, PROBABILITIES} & set(outputs)
    logits = [layer.sqnr_db for layer in layers if layer.name != PROBABILITIES][-1] if ends else None
    return {
        "logit_sqnr_db": None if logits is None else round(logits, 2),
        "layers": [{"name": layer.name, "sqnr_db": round(layer.sqnr_db, 2)} for layer in worst],
        "choices": dict(choices),
    }


class _Reading:
    """A file whose maps can be read by the names that they have in the file in float32."""

    def __init__(self, content: bytes) -> None:
        self._graph = Graph(content)
        self._observer = Observer(content)
        #: The tensors that are computed, by name; a conversion's result stands for what was converted.
        self.tensors = {
            self._graph.name(operation.outputs[0]): operation.outputs[0]
            for operation in self._graph.operations()
            if operation.kind not in CONVERSIONS
        }

    def layers(self) -> dict[str, str]:
        """Return the name of the last tensor of each layer, in the order of the layers."""
        _, outputs = self._graph.signature()
        answers = {self._graph.name(tensor): name for name, tensor in outputs.items()}
        return {answers.get(name, layer_of(name)): name for name in self.tensors}

    def see(self, image: Array) -> None:
        """Run the network on a picture, uint8 [height, width, 3]."""
        self._observer.see(image)

    def map(self, name: str) -> Array:
        """Return what a tensor stands for, float64."""
        tensor = self.tensors[name]
        values = self._observer.map(tensor)
        record = self._graph.subgraph.tensors[tensor].quantization
        if values.dtype == np.float32 or record is None or record.scale is None:
            return values.astype(np.float64)
        return np.asarray(float(record.scale[0]) * (values.astype(np.float64) - float(record.zeroPoint[0])))


def _decibels(signal: float, noise: float) -> float:
    if noise == 0.0:
        return EXACT
    return float(min(EXACT, 10.0 * np.log10(signal / noise))) if signal else 0.0
