"""A normalised map that remembers what it came from, so that whatever follows can be computed from that.

Batch normalisation gives its output a note, `Normalised`. The activation behind it reads the note and computes its own
output from the convolution's at once, and so do pooling and gating of squeeze-and-excite. The maps between are no
longer used, so TensorFlow does not compute them, and keeps only the convolution's output for the gradient. A layer
behind anything else finds no note and works as Keras' own; every layer's output stays what its name says.

Gradients of weights and of a model's input are whole. That of a map between, asked for in training by name, is not:
what follows was computed from the map before it. `plain` has them all.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from efficientnet_tf.layers.kernels import Kernels, count, kernels, totals

_NOTE = "_efficientnet_tf_normalised"


@dataclasses.dataclass(frozen=True)
class Normalised:
    """What a normalised, and maybe activated, map is computed from.

    Attributes:
        x: the map before normalisation, float32 [N, height, width, channels].
        gamma: and `beta`, [channels]: gradients go to them and to `x`.
        beta: see `gamma`.
        mean: [channels], of this batch, or of many where `frozen`.
        scale: gamma / sqrt(variance + epsilon).
        shift: beta - mean * scale.
        inverse: 1 / sqrt(variance + epsilon).
        frozen: whether mean and variance do not depend on this batch; then gamma and beta have no gradients either.
        activation: its Keras name.
        pooled: means over the pixels of the activated map, [N, 1, 1, channels], where they were computed with it.
    """

    x: tf.Tensor
    gamma: tf.Tensor
    beta: tf.Tensor
    mean: tf.Tensor
    scale: tf.Tensor
    shift: tf.Tensor
    inverse: tf.Tensor
    frozen: bool
    activation: str = "linear"
    pooled: tf.Tensor | None = None

    @property
    def kernels(self) -> Kernels:
        """The compiled functions."""
        return kernels(self.activation)

    def attached(self, y: tf.Tensor) -> tf.Tensor:
        """Return a tensor with this note."""
        setattr(y, _NOTE, self)
        return y


def note_of(y: Any) -> Normalised | None:
    """Return the note of a tensor, if it has one."""
    return getattr(y, _NOTE, None)


def normalised(
    x: tf.Tensor, weights: tuple[Any, Any], statistics: tuple[Any, Any], *, epsilon: float, frozen: bool
) -> tf.Tensor:
    """Return a normalised map with its note.

    Args:
        x: float32 [N, height, width, channels], height and width known.
        weights: gamma and beta, [channels].
        statistics: mean and variance, [channels].
        epsilon: added to the variance.
        frozen: whether the statistics are those of many batches.
    """
    gamma, beta = map(tf.convert_to_tensor, weights)
    mean, variance = map(tf.stop_gradient, statistics)
    inverse = tf.math.rsqrt(variance + epsilon)
    scale = tf.stop_gradient(gamma * inverse)
    shift = tf.stop_gradient(beta) - mean * scale
    note = Normalised(x, gamma, beta, mean, scale, shift, inverse, frozen)
    return note.attached(_activated(note))


def activated(note: Normalised, activation: str, *, pools: bool = False) -> tf.Tensor:
    """Return the activated map with its note, and with `pools` its means over the pixels in the note.

    The gradients that come to both are added up where they are used.
    """
    note = dataclasses.replace(note, activation=activation)
    if not pools:
        return note.attached(_activated(note))
    y, pooled = _activated_and_pooled(note)
    return dataclasses.replace(note, pooled=pooled).attached(y)


def gated(note: Normalised, y: tf.Tensor, gate: tf.Tensor) -> tf.Tensor:
    """Return an activated map, y, times a gate, [N, 1, 1, channels], without keeping y for the gradient."""
    x, scale, shift = map(tf.stop_gradient, (note.x, note.scale, note.shift))

    @tf.custom_gradient
    def multiply(y: tf.Tensor, gate: tf.Tensor) -> Any:
        def gradient(d: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            to_gate = tf.reduce_sum(note.kernels.gate_sums(d, x, scale, shift), 1)[:, None, None, :]
            return _once(d * gate), _once(to_gate)

        return note.kernels.excite(x, scale, shift, gate), gradient

    return multiply(y, gate)


def _activated(note: Normalised) -> tf.Tensor:
    @tf.custom_gradient
    def activate(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> Any:
        def gradient(d: tf.Tensor) -> tuple[Any, ...]:
            return _gradients(note, x, d, None)

        return note.kernels.activate(x, note.scale, note.shift), gradient

    return activate(note.x, note.gamma, note.beta)


def _activated_and_pooled(note: Normalised) -> tuple[tf.Tensor, tf.Tensor]:
    _, height, width, _ = note.x.shape
    pixels = float(height * width)

    @tf.custom_gradient
    def activate(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> Any:
        def gradient(d: tf.Tensor, to_pooled: tf.Tensor) -> tuple[Any, ...]:
            return _gradients(note, x, d, to_pooled / pixels)

        y = note.kernels.activate(x, note.scale, note.shift)
        sums = tf.reduce_sum(note.kernels.pool(x, note.scale, note.shift), 1)
        return (y, sums[:, None, None, :] / pixels), gradient

    y, pooled = activate(note.x, note.gamma, note.beta)
    return y, pooled


def _gradients(note: Normalised, x: tf.Tensor, d: tf.Tensor, spread: tf.Tensor | None) -> tuple[Any, ...]:
    """Return the gradients of x, gamma and beta (Ioffe & Szegedy, 2015, section 3).

    With dz the gradient of the normalised map, and sums over all pixels of the batch:
    d beta = sum(dz), d gamma = sum(dz * (x - mean)) * inverse, and
    d x = scale * (dz - (d beta + (x - mean) * inverse * d gamma) / number).
    """
    if note.frozen:
        # What is frozen is not trained.
        return _once(note.kernels.frozen_gradient(d, spread, x, note.scale, note.shift)), None, None
    to_beta, product = totals(note.kernels.sums(d, spread, x, note.scale, note.shift, note.mean))
    to_gamma = product * note.inverse
    number = count(x)
    slope = note.scale * note.inverse * to_gamma / number
    constant = slope * note.mean - note.scale * to_beta / number
    to_x = note.kernels.gradient(d, spread, x, note.scale, note.shift, constant, slope)
    return _once(to_x), _once(to_gamma), _once(to_beta)


def _once(gradient: tf.Tensor) -> tf.Tensor:
    """Return a gradient whose own gradient is an error: the statistics' part in it is not known to TensorFlow."""
    return tf.raw_ops.PreventGradient(
        input=gradient,
        message="efficientnet_tf's fused layers have first derivatives only; use efficientnet_tf.plain(model)",
    )
