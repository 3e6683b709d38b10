"""Which operations of a network become integer ones, in the words of ai-edge-quantizer."""

from __future__ import annotations

import dataclasses
import importlib
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError
from efficientnet_tf.exporting.quantization.graph import Graph
from efficientnet_tf.exporting.quantization.pixels import CENTRED
from efficientnet_tf.exporting.quantization.ranges import choose_ranges
from efficientnet_tf.exporting.quantization.statistics import Statistics
from efficientnet_tf.native_output import held_back

Ranges = dict[str, dict[str, Any]]

#: Bits of the maps in each kind; kernels have 8.
BITS = {"int8": 8, "mixed": 8, "int16x8": 16}

#: How many times what was seen 16 bits reach to: three of them for pictures unlike those of the calibration leave
#: more than the kernels of 8 bits do.
ROOM = 8.0
#: Up to which pixel the integers of an int16 picture reach: they are 128 times the pixels.
INT16_PIXELS = 32767 / 128

#: What computes in float32 in `mixed`, as (pattern of the layer's name, operation): what works on one vector for each
#: picture, where it costs next to nothing. Kernels are stored in int8 even there.
ISLANDS = ((r".*_se_(reduce|expand)", "LOGISTIC"), (r".*_se_reduce", "MUL"))
ISLANDS_WITH_KERNELS = ((r".*_se_", "CONV_2D"), (r".*", "FULLY_CONNECTED"))
#: The picture in float32, and what remains of its preprocessing.
FLOAT_IMAGE = ((r".*", "INPUT"), (CENTRED, "ADD"))
#: The answers in float32, and what makes probabilities of them: LiteRT's integer softmax loses more than all before.
FLOAT_ANSWERS = ((r".*", "SOFTMAX"), (r".*", "OUTPUT"))

NO_QUANTIZER = "ai-edge-quantizer is not installed. Run: pip install 'efficientnet_tf[quantizer]'"


def require_quantizer() -> None:
    """Raise one clear line where ai-edge-quantizer is not installed.

    Raises:
        MissingDependencyError: with what to run.
    """
    _module("quantizer")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(f"ai_edge_quantizer.{name}")
    except ImportError as error:
        raise MissingDependencyError(NO_QUANTIZER) from error


def weights_only(content: bytes) -> bytes:
    """Return a network whose kernels are stored in int8, and dequantised before they are used."""
    return _quantised(content, _module("recipe").weight_only_wi8_afp32(), None)


@dataclasses.dataclass(frozen=True)
class Floats:
    """Which ends of a network of integers stay in float32."""

    image: bool
    answers: bool


def integers(content: bytes, statistics: Mapping[int, Statistics], *, kind: str, centre: int, floats: Floats) -> bytes:
    """Return a network whose maps are integers too.

    Args:
        content: a `.tflite` file in float32, of which `centre_pixels` has made the input the pixels themselves.
        statistics: of its tensors.
        kind: a key of `BITS`.
        centre: what of 0...255 its input calls zero.
        floats: what is left in float32; of `mixed` more is.
    """
    manager = _module("recipe_manager").RecipeManager()
    manager.add_static_config(regex=".*", operation_name="*", activation_num_bits=BITS[kind], weight_num_bits=8)
    islands = {ISLANDS: kind == "mixed", FLOAT_IMAGE: floats.image, FLOAT_ANSWERS: floats.answers}
    for pattern, operation in (each for island, left in islands.items() if left for each in island):
        manager.add_quantization_config(pattern, operation, algorithm_key="no_quantize")
    for pattern, operation in ISLANDS_WITH_KERNELS if kind == "mixed" else ():
        manager.add_weight_only_config(pattern, operation, num_bits=8)
    return _quantised(content, manager.get_quantization_recipe(), _ranges(content, statistics, BITS[kind], centre))


def _ranges(content: bytes, statistics: Mapping[int, Statistics], bits: int, centre: int) -> Ranges:
    """Return the range that each tensor's integers stand for, by its name."""
    graph = Graph(content)
    inputs, _ = graph.signature()
    if bits == 8:
        bounds = choose_ranges(content, statistics)
        # A scale of 1, whatever the pictures hold.
        bounds[inputs["image"]] = (-centre, 255 - centre)
    else:
        bounds = {
            tensor: (ROOM * min(0.0, float(seen.lowest.min())), ROOM * max(0.0, float(seen.highest.max())))
            for tensor, seen in statistics.items()
        }
        bounds[inputs["image"]] = (-INT16_PIXELS, INT16_PIXELS)
    return {
        graph.name(tensor): {
            name: np.full((1,) * len(graph.shape(tensor)), bound, np.float32)
            for name, bound in zip(("min", "max"), pair, strict=True)
        }
        for tensor, pair in bounds.items()
    }


def _quantised(content: bytes, recipe: Any, ranges: Ranges | None) -> bytes:
    quantizer = _module("quantizer").Quantizer(bytearray(content), recipe)
    try:
        # It opens the file in a mode that warns of the memory that it takes.
        with held_back(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = quantizer.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    # It raises errors of many classes, without a common one.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise EfficientNetError(f"ai-edge-quantizer cannot quantise this network: {reason}") from error
    return _signed_as(Graph(content), Graph(bytes(result.quantized_model))).content()


def _signed_as(original: Graph, made: Graph) -> Graph:
    """Let a signature name the outputs of a graph where the quantiser has put others in their place."""
    _, outputs = original.signature()
    places = list(original.subgraph.outputs)
    for entry in made.model.signatureDefs[0].outputs:
        entry.tensorIndex = made.subgraph.outputs[places.index(outputs[entry.name.decode()])]
    return made
