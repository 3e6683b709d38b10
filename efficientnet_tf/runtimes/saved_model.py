"""A SavedModel, run by TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.runtimes.artifact import labels_beside, preprocessing_beside
from efficientnet_tf.runtimes.filling import in_batches
from efficientnet_tf.specs import Preprocessing

Array = np.ndarray[Any, Any]

PIXELS, ENCODED = "serving_default", "encoded"

#: What a graph has besides its operations: values, names for them, and calls of functions, whose operations count.
NOT_COUNTED = frozenset(
    {"Const", "Identity", "IdentityN", "NoOp", "PartitionedCall", "Placeholder", "StatefulPartitionedCall"}
)


class SavedModel:
    """A SavedModel folder with the signatures `serving_default(image)` and `encoded(image_bytes)`.

    Args:
        path: the folder.

    Raises:
        EfficientNetError: TensorFlow cannot load it, or it has no signature `serving_default` with the input `image`.
    """

    def __init__(self, path: Path) -> None:
        try:
            loaded = tf.saved_model.load(str(path))
        except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
            reason = " ".join(str(error).split())[:200]
            raise EfficientNetError(f"{path} is not a SavedModel that can be loaded: {reason}") from error
        self.path = path
        self._loaded = loaded  # its signatures hold their variables only as long as it lives
        self._image = self._input(PIXELS, "image")
        self.labels: list[str] | None = labels_beside(path / "assets", path.parent)
        self.preprocessing: Preprocessing | None = preprocessing_beside(path / "assets", path.parent)

    def predict(self, images: Array) -> Array:
        """Return probabilities, float32 [N, classes], of pixels, uint8 [N, height, width, 3] of any size.

        Raises:
            UsageError: other arrays.
            EfficientNetError: the network does not answer with probabilities.
        """
        return self._probabilities(self.answers(images))

    def answers(self, images: Array) -> dict[str, Array]:
        """Return every output by its name, float32, of pixels, uint8 [N, height, width, 3] of any size.

        The names of the classes are left out, and their scores, which probabilities hold too.

        Raises:
            UsageError: other arrays.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise UsageError(
                f"The network in {self.path} takes uint8 images [N, height, width, 3], "
                f"got {images.dtype} {list(images.shape)}."
            )
        return in_batches(lambda part: self._run(PIXELS, image=part), images, self._image.shape[0])

    def predict_encoded(self, files: Sequence[bytes]) -> Array:
        """Return probabilities, float32 [N, classes], of whole image files.

        Raises:
            EfficientNetError: no such signature, no probabilities, or a file that is not an image.
        """
        size = self._input(ENCODED, "image_bytes").shape[0]
        if not files:
            return self.predict(np.zeros((0, 1, 1, 3), np.uint8))
        try:
            answer = in_batches(lambda part: self._run(ENCODED, image_bytes=part), np.array(files, object), size)
        except tf.errors.InvalidArgumentError as error:
            reason = " ".join(error.message.split())[:200]
            raise EfficientNetError(f"{self.path} cannot read one of {len(files)} files: {reason}") from error
        return self._probabilities(answer)

    def operations(self) -> dict[str, int]:
        """Return how many operations of each kind the graph of `serving_default` has, most frequent first.

        Those of functions that it calls count, and of both branches of a condition.
        """
        graph = self._loaded.signatures[PIXELS].graph.as_graph_def()
        functions = {function.signature.name: function.node_def for function in graph.library.function}
        return dict(Counter(_operations(graph.node, functions)).most_common())

    def close(self) -> None:
        """Do nothing: Python gives back the network's memory."""

    def _input(self, signature: str, name: str) -> tf.TensorSpec:
        signatures = self._loaded.signatures
        if signature not in signatures:
            raise EfficientNetError(
                f"{self.path} has no signature {signature!r}; it has {', '.join(signatures) or 'none'}."
            )
        inputs: dict[str, tf.TensorSpec] = signatures[signature].structured_input_signature[1]
        if list(inputs) != [name]:
            raise EfficientNetError(
                f"The signature {signature!r} of {self.path} must have the input {name!r}, "
                f"got {', '.join(inputs) or 'none'}."
            )
        return inputs[name]

    def _run(self, signature: str, **inputs: Array) -> dict[str, Array]:
        run = self._loaded.signatures[signature]
        wanted = run.structured_input_signature[1]
        tensors = {name: tf.constant(value, wanted[name].dtype) for name, value in inputs.items()}
        answer = run(**tensors)
        kept = {name: tensor for name, tensor in answer.items() if tensor.dtype.is_floating and name != "scores"}
        return {name: np.asarray(tensor.numpy(), np.float32) for name, tensor in sorted(kept.items())}

    def _probabilities(self, answer: dict[str, Array]) -> Array:
        if "probabilities" not in answer:
            raise EfficientNetError(f"{self.path} has no output 'probabilities'; it has {', '.join(answer)}.")
        return answer["probabilities"]


def _operations(nodes: Iterable[Any], functions: dict[str, Any]) -> Iterator[str]:
    """Yield the operation of every node, and of those in the functions that it calls."""
    for node in nodes:
        if node.op not in NOT_COUNTED:
            yield node.op
        called = [value.func.name for value in node.attr.values() if value.HasField("func")]
        for name in [*called, *([node.op] if node.op in functions else [])]:
            yield from _operations(functions.get(name, ()), functions)
