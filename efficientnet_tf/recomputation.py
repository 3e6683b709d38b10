"""Training in less memory: inside each block nothing is kept for the gradient; it is computed once more there.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016. What is kept is the map that enters each block,
which in these networks is several times narrower than the maps inside.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.models.functional import Functional, operation_fn

from efficientnet_tf.errors import UsageError
from efficientnet_tf.model import ends, ordinary

#: How the names of a block's layers begin, and of the layers before the first block.
_BLOCK = re.compile(r"block\d+[a-z]*_|stem_")


@keras.saving.register_keras_serializable(package="efficientnet_tf")
class RecomputingModel(keras.Model):
    """A functional model that computes the inside of each block twice in training, to keep less; see `recompute`."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the outputs."""
        return run_recomputing(self, inputs) if training else super().call(inputs, training=training, mask=mask)

    def save(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Write an ordinary model with the same layers, optimizer, loss and metrics."""
        ordinary(self).save(filepath, overwrite=overwrite, **kwargs)


def recompute(model: keras.Model) -> RecomputingModel:
    """Return a model of the same layers that takes less memory in training, and a quarter more time.

    Outputs, gradients, moving statistics and masks are those of the other model. It is compiled and used as any other.
    Blocks with an activity regularizer stay as they are; what a layer of one's own inside a block hands to `add_loss`
    has no gradient.

    Args:
        model: a functional model; what it is compiled with is not taken over.

    Raises:
        UsageError: the model is not functional, or has no blocks that could be computed by themselves.

    >>> from efficientnet_tf import EfficientNet
    >>> model = EfficientNet("lite0", weights=None, image_size=32)
    >>> recompute(model).layers == model.layers
    True
    """
    if not isinstance(model, Functional):
        raise UsageError(f"Only a functional model can be recomputed, got a {type(model).__name__}.")
    if not any(segment.recomputed for segment in segments(model)):
        raise UsageError(
            f"The model {model.name!r} has no blocks that could be computed by themselves: layers whose names begin "
            "with block1a_, block1b_ and so on, into which one map goes and out of which one comes."
        )
    return RecomputingModel(*ends(model), name=model.name)


@dataclasses.dataclass(frozen=True)
class Segment:
    """Some of a model's calls, in their order.

    Attributes:
        nodes: the calls, of Keras.
        source: the only tensor that they take from outside, where they are to be computed twice.
        target: the only tensor that others take from them.
    """

    nodes: Sequence[Any]
    source: Any = None
    target: Any = None

    @property
    def recomputed(self) -> bool:
        """Whether it is computed once more for the gradient."""
        return self.source is not None


def segments(model: keras.Model) -> list[Segment]:
    """Divide a functional model's calls, in the order in which they run, into its blocks and what is between them.

    >>> from efficientnet_tf import EfficientNet
    >>> parts = segments(EfficientNet("lite0", weights=None, image_size=32))
    >>> len(parts), sum(part.recomputed for part in parts)
    (19, 17)
    """
    depths = sorted(model._nodes_by_depth, reverse=True)
    nodes = [node for depth in depths for node in model._nodes_by_depth[depth] if node.operation and not node.is_input]
    runs: list[tuple[str | None, list[Any]]] = []
    for node in nodes:
        found = _BLOCK.match(node.operation.name)
        name = found and found.group()
        if not runs or runs[-1][0] != name:
            runs.append((name, []))
        runs[-1][1].append(node)
    return [_segment(model, run, nodes) if name else Segment(run) for name, run in runs]


def _segment(model: keras.Model, run: Sequence[Any], nodes: Sequence[Any]) -> Segment:
    """Return a block as what is computed twice, if one tensor goes in and one comes out, without adding a loss."""
    made = _by_id(tensor for node in run for tensor in node.outputs)
    taken = _by_id(tensor for node in run for tensor in node.input_tensors)
    inside = set(map(id, run))
    others = [tensor for node in nodes if id(node) not in inside for tensor in node.input_tensors]
    sources = [tensor for key, tensor in taken.items() if key not in made]
    targets = [tensor for key, tensor in _by_id([*others, *model.outputs]).items() if key in made]
    adds_loss = any(getattr(node.operation, "activity_regularizer", None) is not None for node in run)
    if len(sources) != 1 or len(targets) != 1 or adds_loss:
        return Segment(run)
    return Segment(run, sources[0], targets[0])


def _by_id(tensors: Iterable[Any]) -> dict[int, Any]:
    return {id(tensor): tensor for tensor in tensors}


def run_recomputing(model: keras.Model, inputs: Any) -> Any:
    """Return a functional model's outputs in training, keeping for the gradient what goes into each block."""
    values = dict(zip(map(id, model.inputs), model._standardize_inputs(inputs), strict=True))
    for segment in segments(model):
        if segment.recomputed:
            values[id(segment.target)] = _twice(segment, values[id(segment.source)])
        else:
            _run(segment.nodes, values)
    return keras.tree.map_structure(lambda tensor: values[id(tensor)], model.output)


def _twice(segment: Segment, x: tf.Tensor) -> tf.Tensor:
    """Return what a block makes of a map, to be computed again for the gradient."""
    before = [
        (variable, tf.convert_to_tensor(variable.value))
        for node in segment.nodes
        for variable in getattr(node.operation, "variables", ())
        if not variable.trainable
    ]
    again = False

    @tf.recompute_grad
    def block(x: tf.Tensor) -> tf.Tensor:
        nonlocal again
        # Again, from the same statistics and seeds, and so with the same masks; what is assigned to them is dropped.
        scope = keras.StatelessScope(state_mapping=before) if again else contextlib.nullcontext()
        again = True
        values = {id(segment.source): x}
        with scope:
            _run(segment.nodes, values)
        return values[id(segment.target)]

    return block(x)


def _run(nodes: Iterable[Any], values: dict[int, Any]) -> None:
    """Carry out calls, and add what they give to the values by the ids of their symbols."""
    for node in nodes:
        arguments, keywords = node.arguments.fill_in(values)
        outputs = operation_fn(node.operation, training=True)(*arguments, **keywords)
        values.update(zip(map(id, node.outputs), keras.tree.flatten(outputs), strict=True))
