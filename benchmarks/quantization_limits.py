"""Where the noise of integers comes from: a network of which only some numbers are rounded to 8 bits.

The operations of the `.tflite` file are computed in float32 by TensorFlow, and what an integer file would hold in 8
bits is rounded after each: the kernels, all maps, or the maps of one kind, with one range for a map or one for each of
its channels. The last is what cross-layer equalisation can give to the linear maps at best, and no `.tflite` file can
give to the others. Ranges of maps, rounding and biases are those that an export chooses, from the same pictures; a
channel's range is that of its numbers in the very pictures that are judged, within the map's: better than anybody could
know it. Each row says how much of the logits' signal is left. The rows for kernels and maps together say how near this
is to the file itself, which is in `results/quantization.csv`.

Run in a clone after `make setup`; the run on Fashion-MNIST is that of `quantization.py`:
    .venv/bin/python benchmarks/quantization_limits.py results/quantization_limits.csv
    .venv/bin/python benchmarks/quantization_limits.py results/quantization_limits.csv --model_dir=RUN --data=idx:FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from quantization import Array, Subject, subject_of, write_rows

from efficientnet_tf.exporting import tflite
from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.exporting.quantization import logit_sqnr
from efficientnet_tf.exporting.quantization.bias import correct_biases
from efficientnet_tf.exporting.quantization.graph import CONVOLUTIONS, Graph, Operation, layer_of
from efficientnet_tf.exporting.quantization.pixels import centre_pixels
from efficientnet_tf.exporting.quantization.ranges import choose_ranges
from efficientnet_tf.exporting.quantization.rounding import InputMoments, round_kernels
from efficientnet_tf.exporting.quantization.statistics import gather

#: Pictures that are computed together.
TOGETHER = 100
#: TensorFlow Lite's integer sigmoid has this range, whatever the pictures are.
SIGMOID = (0.0, 255 / 256)

#: Lower and upper bound of the maps that are rounded, by tensor: numbers, or one for each channel.
Ranges = Mapping[int, tuple[Any, Any]]


def main() -> None:
    """Simulate, and write a row for each way to round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--model_dir", help="a run, in place of lite0")
    parser.add_argument("--data", default="idx:/usr/share/datasets/fashion-mnist", help="the run's data")
    parser.add_argument("--pictures", type=int, default=2000, help="judge on so many; %(default)s")
    arguments = parser.parse_args()
    subject = subject_of(arguments.model_dir, arguments.data, arguments.pictures)
    write_rows(arguments.target, subject.name, list(simulate(subject)))


def simulate(subject: Subject) -> Iterator[dict[str, str]]:
    """Yield a row for each way to round."""
    content, centre = centre_pixels(
        tflite.converted(deploy(subject.source.model, outputs=("logits",))), keep_addition=False
    )
    calibration, judged = (each.astype(np.float32) - centre for each in (subject.calibration, subject.judged))
    moments = InputMoments(content)
    statistics = gather(content, calibration, watch=moments.add)
    kernels = correct_biases(round_kernels(content, moments), statistics, original=content)
    network = Network(content)
    whole = {**choose_ranges(content, statistics), **dict.fromkeys(network.of_kind("gates"), SIGMOID)}
    by_channel = network.ranges_of_channels(judged, whole)
    linear = {tensor: by_channel[tensor] for tensor in network.of_kind("linear")}
    ways: dict[tuple[str, str], tuple[bytes, Ranges]] = {
        ("kernels", ""): (kernels, {}),
        ("maps", "one of a map"): (content, whole),
        ("maps", "one of each channel"): (content, by_channel),
        ("maps", "one of each channel where linear"): (content, {**whole, **linear}),
        ("kernels and maps", "one of a map"): (kernels, whole),
        ("kernels and maps", "one of each channel"): (kernels, by_channel),
        ("kernels and maps", "one of each channel where linear"): (kernels, {**whole, **linear}),
    }
    for kind in KINDS:
        chosen = {tensor: whole[tensor] for tensor in network.of_kind(kind)}
        if chosen:
            ways[f"maps: {kind}", "one of a map"] = (content, chosen)
    expected = network.logits(judged)
    for (rounded, ranges), (rounded_content, bounds) in ways.items():
        found = Network(rounded_content).logits(judged, bounds)
        each = [logit_sqnr(*pair) for pair in zip(expected, found, strict=True)]
        row = {
            "network": subject.name,
            "rounded": rounded,
            "ranges": ranges,
            "maps": str(len(bounds)),
            "pictures": str(len(judged)),
            "agreement": f"{(found.argmax(-1) == expected.argmax(-1)).mean():.4f}",
            "median_logit_sqnr_db": f"{np.median(each):.2f}",
        }
        print(row, flush=True)
        yield row


def _kind(step: Operation, layer: str) -> str:
    """Return which of `KINDS` the map is that an operation answers."""
    if step.kind == "LOGISTIC":
        return "gates"
    if "_se_" in layer and not layer.endswith("_se_excite"):
        return "squeeze-and-excitation"
    if layer.endswith(("project_conv", "_add")):
        return "linear"
    if step.kind in CONVOLUTIONS and not step.activation:
        return "before SiLU" if layer.endswith("conv") else "head"
    return "activated" if layer.endswith(("activation", "conv", "_excite")) else "head"


#: Kinds of maps: sigmoids; the vectors inside of squeeze-and-excitation; what convolutions answer where SiLU follows;
#: what an activation or a gate answers; projections and residual sums; what comes after the last block.
KINDS = ("gates", "squeeze-and-excitation", "before SiLU", "activated", "linear", "head")


class Network:
    """The operations of a `.tflite` file in float32, computed by TensorFlow.

    Args:
        content: a file with one input and one output, of the operations that EfficientNets are made of.
    """

    def __init__(self, content: bytes) -> None:
        self._graph = Graph(content)
        self._steps = list(self._graph.operations())
        inputs, outputs = self._graph.signature()
        (self._image,), (self._output,) = inputs.values(), outputs.values()

    def of_kind(self, kind: str) -> list[int]:
        """Return the tensors of a kind of maps; a picture is none, which int8 holds as it is."""
        layers = {step.outputs[0]: layer_of(self._graph.name(step.outputs[0])) for step in self._steps}
        return [step.outputs[0] for step in self._steps if _kind(step, layers[step.outputs[0]]) == kind]

    def logits(self, pixels: Array, ranges: Ranges | None = None) -> Array:
        """Return the network's answers, float32 [N, classes].

        Args:
            pixels: its input, float32 [N, height, width, 3].
            ranges: what is rounded to 8 bits, and between which bounds.
        """
        parts = np.array_split(pixels, -(-len(pixels) // TOGETHER))
        return np.concatenate([self._maps(part, ranges or {})[self._output].numpy() for part in parts])

    def ranges_of_channels(self, pixels: Array, whole: Ranges) -> Ranges:
        """Return bounds for each channel of each map: of the numbers that it has, within those of the map.

        Args:
            pixels: whose numbers.
            whole: the bounds of maps, which the vectors of squeeze-and-excitation and the gates keep.
        """
        extremes: dict[int, tuple[Array, Array]] = {}
        for part in np.array_split(pixels, -(-len(pixels) // TOGETHER)):
            for tensor, values in self._maps(part, {}).items():
                flat = values.numpy().reshape(-1, values.shape[-1])
                low, high = extremes.get(tensor, (np.float32(0), np.float32(0)))
                extremes[tensor] = np.minimum(low, flat.min(0)), np.maximum(high, flat.max(0))
        kept = {self._image, *self.of_kind("gates"), *self.of_kind("squeeze-and-excitation")}
        found = dict(whole)
        for tensor in whole.keys() - kept:
            lowest, highest = (np.float32(bound) for bound in whole[tensor])
            low, high = extremes[tensor]
            found[tensor] = np.maximum(low, lowest), np.minimum(high, highest)
        return found

    def _maps(self, pixels: Array, ranges: Ranges) -> dict[int, tf.Tensor]:
        maps = {self._image: tf.constant(pixels)}
        for step in self._steps:
            constants = [self._graph.constant(tensor) for tensor in step.inputs]
            values = [
                maps[tensor] if constant is None else tf.constant(constant)
                for tensor, constant in zip(step.inputs, constants, strict=True)
            ]
            options = step.record.builtinOptions
            answer = ACTIVATIONS[step.activation](COMPUTED[step.kind](options, *values))
            (tensor,) = step.outputs
            maps[tensor] = _rounded(answer, *ranges[tensor]) if tensor in ranges else answer
        return maps


def _rounded(values: tf.Tensor, low: Any, high: Any) -> tf.Tensor:
    """Return what int8 makes of numbers; `ranges.rounded` for bounds that may be those of channels."""
    scale = np.maximum(np.asarray(high, np.float32) - np.asarray(low, np.float32), 1e-12) / 255
    zero = np.round(-np.asarray(low, np.float32) / scale)
    return (tf.clip_by_value(tf.round(values / scale) + zero, 0.0, 255.0) - zero) * scale


def _convolution(options: Any, values: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    kernel = tf.transpose(kernel, (1, 2, 3, 0))
    return tf.nn.conv2d(values, kernel, (options.strideH, options.strideW), _padding(options)) + bias


def _depthwise(options: Any, values: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    kernel = tf.transpose(kernel, (1, 2, 3, 0))
    strides = (1, options.strideH, options.strideW, 1)
    return tf.nn.depthwise_conv2d(values, kernel, strides, _padding(options)) + bias


def _padding(options: Any) -> str:
    return "SAME" if options.padding == schema.Padding.SAME else "VALID"


def _reshape(options: Any, values: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    # The file's is that of one picture; where it is a mere list of channels, every picture needs one of its own.
    sizes = shape.numpy().tolist()
    return tf.reshape(values, (len(values), *(sizes[1:] if sizes[0] == 1 else (1, 1, *sizes))))


def _mean(options: Any, values: tf.Tensor, axes: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(values, tuple(axes.numpy().tolist()), keepdims=bool(options.keepDims))


COMPUTED: dict[str, Callable[..., tf.Tensor]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": lambda _, values, kernel, bias: tf.matmul(values, kernel, transpose_b=True) + bias,
    "MEAN": _mean,
    "RESHAPE": _reshape,
    "LOGISTIC": lambda _, values: tf.sigmoid(values),
    "ADD": lambda _, first, second: first + second,
    "MUL": lambda _, first, second: first * second,
}
ACTIVATIONS = {
    schema.ActivationFunctionType.NONE: tf.identity,
    schema.ActivationFunctionType.RELU: tf.nn.relu,
    schema.ActivationFunctionType.RELU6: tf.nn.relu6,
}


if __name__ == "__main__":
    main()
