"""Small compiled functions that go through a map, [N, height, width, channels], once.

As separate TensorFlow kernels, batch normalisation, SiLU and their gradients read and write maps some twenty times;
these read what they need and write one result. Names as in the paper of batch normalisation (Ioffe & Szegedy, 2015,
section 3): x is what comes in, normalised = scale * x + shift with scale = gamma / sqrt(variance + epsilon) and
shift = beta - mean * scale, and z is the normalised map. All vectors have one number for each channel.

XLA's own sums are slow on processors, so sums over pixels are begun here, by adding up whole slices of a map, and
finished by TensorFlow. Two sums are begun together as one complex number: with two results, XLA would write all that
they have in common to memory.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

#: Slices that are added up at once. With twice as many, processors run out of registers: two to four times slower.
MOST_SLICES = 8

#: Activations by their Keras names: z -> (activated, derivative).
_ACTIVATIONS: dict[str, Callable[[tf.Tensor], tuple[tf.Tensor, Any]]] = {
    "linear": lambda z: (z, 1.0),
    "silu": lambda z: (lambda s: (z * s, s * (1.0 + z * (1.0 - s))))(tf.sigmoid(z)),
    "relu": lambda z: (tf.nn.relu(z), tf.cast(z > 0.0, z.dtype)),
    "relu6": lambda z: (tf.clip_by_value(z, 0.0, 6.0), tf.cast((z > 0.0) & (z < 6.0), z.dtype)),
}
ACTIVATIONS = frozenset(_ACTIVATIONS)


def with_derivative(activation: str, z: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """Return an activated map and the activation's derivative, for one of `ACTIVATIONS`.

    >>> activated, derivative = with_derivative("relu", tf.constant([-1.0, 2.0]))
    >>> activated.numpy().tolist(), derivative.numpy().tolist()
    ([0.0, 2.0], [0.0, 1.0])
    """
    return _ACTIVATIONS[activation](z)


def compiled(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Return a function compiled by XLA, once for each form of its arguments."""
    return tf.function(function, jit_compile=True, autograph=False)


@dataclasses.dataclass(frozen=True)
class Kernels:
    """What is computed from an activated, normalised map and the gradient that comes to it.

    `d` is the gradient with respect to the activated map, plus `spread`, [N, 1, 1, channels], for every pixel where
    it is not None: what pooling sends back.

    Attributes:
        activate: (x, scale, shift) -> the activated map.
        excite: (x, scale, shift, gate) -> the activated map times a gate, [N, 1, 1, channels].
        pool: (x, scale, shift) -> slices of the activated map.
        sums: (d, spread, x, scale, shift, mean) -> slices of dz, and of dz * (x - mean), as complex numbers.
        gradient: (d, spread, x, scale, shift, constant, slope) -> scale * dz + constant - slope * x.
        frozen_gradient: (d, spread, x, scale, shift) -> scale * dz.
        gate_sums: (d, x, scale, shift) -> slices of d times the activated map.
    """

    activate: Callable[..., tf.Tensor]
    excite: Callable[..., tf.Tensor]
    pool: Callable[..., tf.Tensor]
    sums: Callable[..., tf.Tensor]
    gradient: Callable[..., tf.Tensor]
    frozen_gradient: Callable[..., tf.Tensor]
    gate_sums: Callable[..., tf.Tensor]


@functools.cache
def kernels(activation: str) -> Kernels:
    """Return the functions for an activation, one of `ACTIVATIONS`."""
    both = _ACTIVATIONS[activation]

    def activated(x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
        return both(scale * x + shift)[0]

    def dz(d: tf.Tensor, spread: tf.Tensor | None, *normalised: tf.Tensor) -> tf.Tensor:
        x, scale, shift = normalised
        d = d if spread is None else d + spread
        return d * both(scale * x + shift)[1]

    def sums(d: tf.Tensor, spread: Any, *rest: tf.Tensor) -> tf.Tensor:
        x, scale, shift, mean = rest
        z = dz(d, spread, x, scale, shift)
        return slices(tf.complex(z, z * (x - mean)))

    def gradient(d: tf.Tensor, spread: Any, *rest: tf.Tensor) -> tf.Tensor:
        x, scale, shift, constant, slope = rest
        return scale * dz(d, spread, x, scale, shift) + constant - slope * x

    return Kernels(
        activate=compiled(activated),
        excite=compiled(lambda x, scale, shift, gate: activated(x, scale, shift) * gate),
        pool=compiled(lambda x, scale, shift: slices(activated(x, scale, shift))),
        sums=compiled(sums),
        gradient=compiled(gradient),
        frozen_gradient=compiled(lambda d, spread, x, scale, shift: scale * dz(d, spread, x, scale, shift)),
        gate_sums=compiled(lambda d, x, scale, shift: slices(d * activated(x, scale, shift))),
    )


def moments(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return mean and variance of each channel, in one pass.

    >>> mean, variance = moments(tf.constant([[[[1.0]], [[3.0]]]]))
    >>> float(mean[0]), float(variance[0])
    (2.0, 1.0)
    """
    number = count(x)
    # Squares are summed of differences to something near the mean, or they would hide a small variance.
    near = tf.reduce_mean(x[:, 0, 0, :], 0)
    first, second = totals(_moment_slices(x, near))
    first, second = first / number, second / number
    return near + first, tf.maximum(second - first * first, 0.0)


def totals(slices_of_two: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return two sums, [channels] each, that were begun together as complex numbers, [..., channels]."""
    both = tf.reduce_sum(tf.reshape(slices_of_two, [-1, slices_of_two.shape[-1]]), 0)
    return tf.math.real(both), tf.math.imag(both)


def slices(x: tf.Tensor) -> tf.Tensor:
    """Return a map with some of its pixels added up already: [N, fewer pixels, channels].

    >>> slices(tf.ones([1, 2, 4, 1]))[0, :, 0].numpy().tolist()
    [8.0]
    """
    _, height, width, channels = x.shape
    pixels = height * width
    number = max(divisor for divisor in range(1, MOST_SLICES + 1) if pixels % divisor == 0)
    x = tf.reshape(x, [-1, number, pixels // number, channels])
    parts = [x[:, index] for index in range(number)]
    while len(parts) > 1:
        added = [one + other for one, other in zip(parts[::2], parts[1::2], strict=False)]
        parts = added + parts[2 * len(added) :]
    return parts[0]


def count(x: tf.Tensor) -> tf.Tensor:
    """Return over how many numbers a channel's statistics go, as a float."""
    _, height, width, _ = x.shape
    return tf.cast(tf.shape(x)[0] * (height * width), tf.float32)


@compiled
def _moment_slices(x: tf.Tensor, near: tf.Tensor) -> tf.Tensor:
    difference = x - near
    return slices(tf.complex(difference, difference * difference))
