"""Operations written once, plainly, and compiled where they run often.

As separate TensorFlow kernels most operations read and write the picture five to ten times, some of them slowly: one
comparison of bytes takes longer than all of Pillow's Solarize. Compiled by XLA they read it once. What is compiled
works on whole numbers, or keeps to the rules of `blends`, so that both forms give the same values.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator

import tensorflow as tf

_enabled = True


@contextlib.contextmanager
def uncompiled() -> Iterator[None]:
    """Trace what follows without compilation, for machines where XLA does not serve `tf.data`."""
    global _enabled
    before, _enabled = _enabled, False
    try:
        yield
    finally:
        _enabled = before


def compiled(kernel: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Return a function of tensors that is compiled in graphs, such as those of `tf.data`, for images of known shape.

    Eagerly it runs as it is written: a compilation takes a tenth of a second for every new shape.

    Args:
        kernel: takes an image, uint8 [height, width, channels], and tensors; its code must not depend on their values.

    >>> double = compiled(lambda image: image + image)
    >>> double(tf.constant([[[1, 2, 3]]], tf.uint8)).numpy().tolist()
    [[[2, 4, 6]]]
    """
    fast = tf.function(kernel, jit_compile=True, autograph=False)

    @functools.wraps(kernel)
    def call(image: tf.Tensor, *numbers: tf.Tensor) -> tf.Tensor:
        if tf.executing_eagerly() or not _enabled or not image.shape.is_fully_defined():
            return kernel(image, *numbers)
        return fast(image, *numbers)

    return call
