"""The network that is exported: batch normalisation folded into the convolutions, training's layers gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers
from keras.src.models import Functional

from efficientnet_tf.errors import UsageError, unknown_name
from efficientnet_tf.exporting.compiled import compile_prediction
from efficientnet_tf.exporting.folding import foldable, folded, readers
from efficientnet_tf.exporting.outputs import INPUT, PROBABILITIES
from efficientnet_tf.features import endpoints
from efficientnet_tf.layers import StochasticDepth, plain_layer
from efficientnet_tf.model import alone, with_input_alone, with_probabilities

LOGITS, POOLED = "logits", "pooled_features"

#: Layers that do nothing at inference.
TRAINING_ONLY = (StochasticDepth, layers.Dropout, layers.SpatialDropout2D, layers.GaussianNoise)


def deploy(
    model: keras.Model, *, outputs: Sequence[str] = (PROBABILITIES,), image_size: int | tuple[int, int] | None = None
) -> keras.Model:
    """Return a float32 copy of a network for inference, with the same answers and fewer operations.

    Batch normalisation becomes part of the convolution before it, what only training needs is gone, a normalisation
    of the pixels is a scale and an offset, and a pooled map keeps its dimensions where it was given them back.
    `predict` and `predict_on_batch` of the copy run as one graph with the weights inside, which is faster again;
    they take the weights up when they are first called, and do not see what is assigned to them later.

    Args:
        model: functional; one input [N, height, width, 3], one output [N, classes].
        outputs: of probabilities, logits, pooled_features (what the classifier takes, [N, channels]), and the names
            of `endpoints`, such as features or reduction_3, [N, height, width, channels].
        image_size: side of the input, or (height, width), in pixels; by default the model's own.

    Returns:
        A model from `image` to `probabilities`; of other outputs than these alone, to a dictionary of them by name.

    Raises:
        UsageError: a model of another shape, or an output that it has not.

    >>> from efficientnet_tf import EfficientNet
    >>> model = EfficientNet("lite0", weights=None, image_size=32, classes=2)
    >>> deployed = deploy(model)
    >>> any(isinstance(layer, keras.layers.BatchNormalization) for layer in deployed.layers)
    False
    >>> backbone = deploy(model, outputs=["logits", "reduction_3"], image_size=64)
    >>> {name: answer.shape for name, answer in backbone.output.items()}
    {'logits': (None, 2), 'reduction_3': (None, 8, 8, 40)}
    """
    _check(model)
    model = with_input_alone(model)
    logits = _without_training(model, image_size)
    tensors = {
        **inner_tensors(logits),
        LOGITS: logits.outputs[0],
        PROBABILITIES: _probabilities(model, logits.outputs[0]),
    }
    for name in outputs:
        if name not in tensors:
            raise unknown_name("output", name, tensors)
    chosen = {name: tensors[name] for name in outputs}
    named = chosen[PROBABILITIES] if list(chosen) == [PROBABILITIES] else chosen
    return compile_prediction(keras.Model(alone(logits.inputs), named, name=model.name))


def inner_tensors(model: keras.Model) -> dict[str, Any]:
    """Return the inner maps of a network, deployed or not: what its classifier takes, and its `endpoints`."""
    classifier = next((layer for layer in reversed(model.layers) if isinstance(layer, layers.Dense)), None)
    pooled = {} if classifier is None else {POOLED: classifier.input}
    try:
        return {**pooled, **endpoints(model)}
    except UsageError:
        return pooled


def trained(model: keras.Model, *, image_size: tuple[int, int] | None = None) -> keras.Model:
    """Return a network as it was trained, for comparison: ending in probabilities, computing in float32.

    The answers of 16-bit arithmetic differ from those of float32 by more than an export may.

    Args:
        model: the network.
        image_size: (height, width) of the input in pixels; by default the model's own.
    """
    model, sides = with_input_alone(model), tuple(model.input_shape[1:3])
    if {layer.compute_dtype for layer in model.layers} == {"float32"} and image_size in (None, sides):
        return with_probabilities(model)
    exact = keras.models.clone_model(
        model,
        keras.Input((*(image_size or sides), model.input_shape[3]), dtype="float32", name=INPUT),
        clone_function=lambda layer: type(layer).from_config({**layer.get_config(), "dtype": "float32"}),
    )
    exact.set_weights(model.get_weights())
    return with_probabilities(exact)


def _check(model: keras.Model) -> None:
    """Refuse what cannot be exported as pixels in, probabilities out."""
    shape = model.input_shape if isinstance(model, keras.Model) and model.inputs else None
    problem = None
    if not isinstance(model, Functional) or len(model.inputs) != 1 or len(model.outputs) != 1:
        problem = "a functional model with one input and one output"
    elif not isinstance(shape, tuple) or len(shape) != 4 or shape[3] != 3 or None in shape[1:]:
        problem = "an input of fixed size, [N, height, width, 3]"
    elif len(model.output_shape) != 2 or model.output_shape[1] < 2 or _activation(model) is None:
        problem = "a classifier of two classes or more at its end"
    elif not any(isinstance(layer, layers.Rescaling) for layer in model.layers):
        problem = "its preprocessing inside (include_preprocessing=True)"
    if problem:
        raise UsageError(f"An export needs {problem}; {model.name!r} has none.")


def _without_training(model: keras.Model, image_size: int | tuple[int, int] | None) -> keras.Model:
    """Return a copy of a network that ends in logits, with its batch normalisation folded."""
    sides = (image_size, image_size) if isinstance(image_size, int) else image_size or model.input_shape[1:3]
    folds, last = foldable(model), model.layers[-1]
    flattened = _pooled_and_reshaped(model)
    gone = {*(layer.name for layer in folds.values()), *flattened.values()}
    if isinstance(last, layers.Activation | layers.Softmax):
        gone.add(last.name)

    def clone(layer: keras.Layer) -> keras.Layer:
        if layer.name in gone or isinstance(layer, TRAINING_ONLY):
            return layers.Identity(name=layer.name)
        if isinstance(layer, layers.Normalization):
            return _rescaling(layer)
        config = {**layer.get_config(), "dtype": "float32"}
        if layer.name in folds:
            config["use_bias"] = True
        if layer.name in flattened:
            config["keepdims"] = True
        if layer is last:
            config["activation"] = "linear"
        return plain_layer(layer, config)

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        # An identity leaves no trace in the graph; masks and training flags mean nothing here.
        return args[0] if isinstance(layer, layers.Identity) else layer(*args)

    image = keras.Input((*sides, 3), dtype="float32", name=INPUT)
    copy = keras.models.clone_model(model, image, clone_function=clone, call_function=call)
    for layer in copy.layers:
        if layer.name in folds:
            layer.set_weights(folded(model.get_layer(layer.name), folds[layer.name]))
        elif layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return copy


def _pooled_and_reshaped(model: keras.Model) -> dict[str, str]:
    """Return poolings to a vector that is given its two dimensions back at once, with the layers that do so.

    The shape of a reshape with any number of pictures is computed at run time, which mobile accelerators refuse.
    """
    read_by = readers(model)
    found = {}
    for layer in model.layers:
        if isinstance(layer, layers.GlobalAveragePooling2D) and not layer.keepdims:
            after = read_by.get(id(layer.output), [])
            if [type(reader) for reader in after] == [layers.Reshape] and after[0].target_shape[:2] == (1, 1):
                found[layer.name] = after[0].name
    return found


def _rescaling(normalisation: layers.Normalization) -> layers.Rescaling:
    """Return the scale and the offset that a `Normalization` of the pixels comes to."""
    mean, variance = (np.asarray(value, np.float64).ravel() for value in (normalisation.mean, normalisation.variance))
    scale = 1.0 / np.maximum(np.sqrt(variance), keras.config.epsilon())
    return layers.Rescaling(scale.tolist(), (-mean * scale).tolist(), dtype="float32", name=normalisation.name)


def _probabilities(model: keras.Model, logits: Any) -> Any:
    """Return the tensor of probabilities over a copy's logits, by the activation that the model ends in."""
    activation = _activation(model)
    if activation in ("linear", "softmax"):
        return layers.Softmax(name=PROBABILITIES)(logits)
    return layers.Activation(activation, name=PROBABILITIES)(logits)


def _activation(model: keras.Model) -> str | None:
    """Return the name of what a model's last layer makes of the logits; None where it is no classifier."""
    last = model.layers[-1]
    activation = getattr(last, "activation", None)
    return "softmax" if isinstance(last, layers.Softmax) else getattr(activation, "__name__", None)
