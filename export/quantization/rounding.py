"""Kernels in int8 whose rounding errors make up for each other.

Rounded to the nearest, every weight of a kernel is off by itself, and what the convolution answers is off by the sum.
Rounded one after the other, each passes its error on to those that are not rounded yet, as far as what they read is
alike on the pictures of the calibration: what is small in the end is the error of the answers, not of the weights
(Frantar et al. 2022, GPTQ, arXiv 2210.17323, section 3, here by back-substitution in the Cholesky factor of the
covariance, without its inverse). The mean of what they read is left to the bias.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from efficientnet_tf.exporting.quantization.graph import CONVOLUTIONS, Array, Graph, Operation

#: Kernels are symmetric in int8: -127...127, with a scale for each channel that comes out.
LARGEST = 127
#: Places of each map that a picture gives; for each channel of a depthwise kernel there are few weights to learn about.
PLACES = {"CONV_2D": 16, "DEPTHWISE_CONV_2D": 8}
#: What is added to the variance of every input, as a part of their mean: it keeps inputs apart that were alike on the
#: pictures that were seen.
DAMPING = 0.05
TINY = float(np.finfo(np.float32).tiny)
#: So many columns are rounded before their errors are passed on to those beyond.
BLOCK = 64
#: Pictures whose products are summed in one multiplication.
TOGETHER = 8


class Moments:
    """Sums over what the weights of a convolution are multiplied with; each row of its kernel may have its own.

    Each picture counts relative to its own signal: else those with the largest numbers would be most of it.
    """

    def __init__(self) -> None:
        self._weight = 0.0
        #: What is subtracted first: of numbers that hardly vary, the squares would drown the variance.
        self._usual: Array | None = None
        self._first: Array = np.zeros(())
        self._second: Array = np.zeros((), np.float32)
        self._waiting: list[Array] = []

    def add(self, seen: Array) -> None:
        """Add a picture, float32 [groups, places, weights of a row]."""
        signal = float(np.square(seen).mean()) * seen.shape[1]
        if not signal:
            return
        if self._usual is None:
            self._usual = seen.mean(1, keepdims=True)
        seen = seen - self._usual
        self._weight += seen.shape[1] / signal
        self._first = self._first + seen.sum(1, dtype=np.float64) / signal
        self._waiting.append(seen * np.float32(signal**-0.5))
        if len(self._waiting) == TOGETHER:
            self._flush()

    def covariance(self) -> Array | None:
        """Return float64 [groups, weights of a row, weights of a row], positive definite; None where all was zero."""
        self._flush()
        if not self._weight:
            return None
        mean, second = self._first / self._weight, np.asarray(self._second / self._weight, np.float64)
        damping = DAMPING * np.einsum("gii->gi", second).mean(1) + TINY
        return np.asarray(
            second - mean[:, :, None] * mean[:, None, :] + damping[:, None, None] * np.eye(second.shape[1])
        )

    def _flush(self) -> None:
        if self._waiting:
            seen = np.concatenate(self._waiting, 1)
            self._second = self._second + seen.transpose(0, 2, 1) @ seen
            self._waiting.clear()


def rounded_kernel(kernel: Array, axis: int) -> Array:
    """Return a kernel as int8 holds it, each weight rounded to the nearest, float64.

    >>> rounded_kernel(np.array([[127.0, 2.4], [1.0, 0.5]]), 0)
    array([[127.        ,   2.        ],
           [  1.        ,   0.50393701]])
    """
    others = tuple(place for place in range(kernel.ndim) if place != axis)
    scale = np.abs(kernel.astype(np.float64)).max(others, keepdims=True) / LARGEST
    scale[scale == 0.0] = 1.0
    return np.asarray(np.round(kernel / scale) * scale)


class InputMoments:
    """The moments of what each convolution of a network reads, over the pictures that it is shown.

    Args:
        content: a `.tflite` file in float32.
    """

    def __init__(self, content: bytes) -> None:
        self._graph = Graph(content)
        self.convolutions = [each for each in self._graph.operations() if _is_rounded(self._graph, each)]
        self._moments = [Moments() for _ in self.convolutions]
        self._generator = np.random.default_rng(0)

    def add(self, maps: Mapping[int, Array]) -> None:
        """Add a picture's maps, by the numbers of their tensors."""
        for moments, operation in zip(self._moments, self.convolutions, strict=True):
            moments.add(_seen(self._graph, operation, maps[operation.inputs[0]], self._generator))

    def covariances(self) -> Iterator[Array | None]:
        """Yield what `Moments.covariance` returns for each convolution."""
        for moments in self._moments:
            yield moments.covariance()


def round_kernels(content: bytes, moments: InputMoments) -> bytes:
    """Return a network whose kernels are what int8 holds.

    Args:
        content: a `.tflite` file in float32.
        moments: of the same file.
    """
    graph = Graph(content)
    producers = graph.producers()
    for seen, covariance in zip(moments.convolutions, moments.covariances(), strict=True):
        operation = producers[seen.outputs[0]]
        kernel = graph.constant(operation.inputs[1])
        if kernel is None or covariance is None:
            continue
        depthwise = operation.kind == "DEPTHWISE_CONV_2D"  # [1, height, width, channels]; else [channels out, ...]
        rows = kernel.reshape(-1, kernel.shape[-1]).T if depthwise else kernel.reshape(len(kernel), -1)
        found = round_rows(rows, covariance).astype(np.float32)
        graph.replace_input(operation, 1, (found.T if depthwise else found).reshape(kernel.shape))
    return graph.content()


def round_rows(rows: Array, covariance: Array) -> Array:
    """Return the rows of a kernel as int8 holds them, float64, with least error for what is multiplied with them.

    Args:
        rows: [channels out, weights].
        covariance: of what they are multiplied with, [1, weights, weights] or [channels out, weights, weights],
            positive definite.

    Two inputs that are nearly always the same: what one weight loses, the other makes up for.

    >>> round_rows(np.array([[127.0, 2.4, 3.4]]), np.array([[[1.0, 0, 0], [0, 1, 0.9], [0, 0.9, 1]]])).round(3)
    array([[127.,   3.,   3.]])
    """
    weights = rows.astype(np.float64)
    largest = np.abs(weights).argmax(1)
    bound = weights[np.arange(len(weights)), largest]
    scale = np.where(bound == 0.0, 1.0, np.abs(bound)) / LARGEST
    variance = np.einsum("gii->gi", covariance)
    order = np.argsort(variance.sum(0), kind="stable")
    # The error of an answer is the length of `factor @ errors`: its last row holds the last weight's error alone, that
    # before it those of the last two, and so on.
    factor = np.linalg.cholesky(covariance[:, order][:, :, order]).transpose(0, 2, 1)
    weights, place = weights[:, order], np.argsort(order)[largest]
    errors = np.zeros_like(weights)
    block = BLOCK if len(factor) == 1 else len(order)
    for stop in range(len(order), 0, -block):
        start = max(0, stop - block)
        inherited = errors[:, stop:] @ factor[0, start:stop, stop:].T
        for column in reversed(range(start, stop)):
            passed = inherited[:, column - start]
            passed = passed + (errors[:, column + 1 : stop] * factor[:, column, column + 1 : stop]).sum(1)
            wanted = weights[:, column] + passed / factor[:, column, column]
            levels = np.clip(np.round(wanted / scale), -LARGEST, LARGEST)
            # A quantiser learns the scale from the largest weight, which therefore stays what it is.
            levels = np.where(place == column, np.sign(bound) * LARGEST, levels)
            errors[:, column] = weights[:, column] - levels * scale
    return np.asarray((weights - errors)[:, np.argsort(order)])


def _is_rounded(graph: Graph, operation: Operation) -> bool:
    """Return whether an operation is a convolution of a map with a kernel whose weights are next to each other."""
    if operation.kind not in CONVOLUTIONS or graph.constant(operation.inputs[1]) is None:
        return False
    if graph.constant(operation.inputs[0]) is not None:
        return False
    options = operation.record.builtinOptions
    if operation.kind == "FULLY_CONNECTED":
        return True
    if (options.dilationHFactor, options.dilationWFactor) != (1, 1):
        return False
    if operation.kind == "DEPTHWISE_CONV_2D":
        return bool(options.depthMultiplier == 1)
    return graph.shape(operation.inputs[1])[3] == graph.shape(operation.inputs[0])[3]  # else it is in groups


def _seen(graph: Graph, operation: Operation, values: Array, generator: np.random.Generator) -> Array:
    """Return what the weights of a convolution are multiplied with at some places, [groups, places, weights]."""
    if operation.kind == "FULLY_CONNECTED":
        return values.reshape(1, -1, graph.shape(operation.inputs[1])[1])
    values, options = values[0], operation.record.builtinOptions
    height, width = graph.shape(operation.inputs[1])[1:3]
    _, rows, columns, _ = graph.shape(operation.outputs[0])
    zeros = [graph.padding(operation, axis) for axis in (1, 2)]
    values = np.pad(values, [*((each // 2, each - each // 2) for each in zeros), (0, 0)])
    chosen = generator.permutation(rows * columns)[: PLACES[operation.kind]]
    top, left = (chosen // columns) * options.strideH, (chosen % columns) * options.strideW
    # [places, height, width, channels]
    patches = values[top[:, None, None] + np.arange(height)[:, None], left[:, None, None] + np.arange(width)]
    if operation.kind == "DEPTHWISE_CONV_2D":
        return np.asarray(patches.reshape(len(chosen), height * width, -1).transpose(2, 0, 1))
    return np.asarray(patches.reshape(1, len(chosen), -1))
