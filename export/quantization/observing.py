"""What flows through a `.tflite` network while it looks at pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from efficientnet_tf.native_output import held_back

Array = np.ndarray[Any, Any]


class Observer:
    """A network whose inner maps can be read after each picture.

    Args:
        content: the file.
    """

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with held_back():
            # Without the delegate, whose maps cannot be read.
            self._interpreter = Interpreter(
                model_content=content,
                num_threads=os.cpu_count(),
                experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=_without_delegate(),
            )
            self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()

    def see(self, image: Array) -> None:
        """Run the network on one picture, [height, width, 3]: pixels, which an int8 input takes less 128."""
        dtype = self._input["dtype"]
        pixels = (image.astype(np.int16) - 128 if dtype == np.int8 else image).astype(dtype)
        # A batch of more is so many repeats.
        self._interpreter.set_tensor(self._input["index"], np.broadcast_to(pixels, self._input["shape"]))
        self._interpreter.invoke()

    def map(self, tensor: int) -> Array:
        """Return a tensor as it was computed from the last picture, in its own type."""
        return np.asarray(self._interpreter.get_tensor(tensor))


def observe(content: bytes, images: Array, tensors: list[int]) -> Iterator[dict[int, Array]]:
    """Yield, for each picture, some tensors of a network by their numbers."""
    observer = Observer(content)
    for image in images:
        observer.see(image)
        yield {tensor: observer.map(tensor) for tensor in tensors}


def _without_delegate() -> Any:
    from ai_edge_litert.interpreter import OpResolverType

    return OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
