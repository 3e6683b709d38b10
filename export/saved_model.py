"""SavedModel, for TensorFlow Serving and any program with TensorFlow; no custom operations, no Python."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from efficientnet_tf.data.decoding import decode_and_crop, resize_crop
from efficientnet_tf.errors import UsageError
from efficientnet_tf.exporting import warm_up
from efficientnet_tf.exporting.constant_graph import constant_function
from efficientnet_tf.exporting.deploy import LOGITS, POOLED, inner_tensors
from efficientnet_tf.exporting.outputs import PROBABILITIES, output_names, output_tensors
from efficientnet_tf.files import atomic_directory
from efficientnet_tf.specs import Preprocessing

#: How many of the most likely classes an answer names.
TOP_K = 5

PIXELS, ENCODED, FEATURES = "serving_default", "encoded", "features"
#: Names of TensorFlow Serving's Classify API.
CLASSES, SCORES = "classes", "scores"

Tensors = dict[str, tf.Tensor]
Function = Callable[..., Tensors]

#: Neither lines of this source nor functions of gradients: nobody trains a graph of constants.
OPTIONS = tf.saved_model.SaveOptions(save_debug_info=False, experimental_custom_gradients=False)


def write(
    model: keras.Model,
    directory: Path,
    record: Preprocessing,
    labels: Sequence[str],
    *,
    batch: int | None = None,
    top_k: int = TOP_K,
) -> Path:
    """Write a SavedModel with three signatures.

    - `serving_default(image)` takes pixels, uint8 [N, height, width, 3]. Those of the network's size are taken as they
      are; those of another are cropped and resized as a file of them would be.
    - `encoded(image_bytes)` takes whole files, string [N]: JPEG, PNG, WebP, BMP or GIF. The name ends as TensorFlow
      Serving wants for `{"b64": "..."}` in JSON.
    - `features(image)` takes the same pixels as the first, and answers with what the classifier takes,
      `pooled_features`, float32 [N, channels], and the last block's map, `features`, [N, height, width, channels].

    The first two answer with the network's outputs and, where `probabilities` are among them, with the names of the
    most likely classes, `classes`, string [N, k], and their probabilities, `scores`, float32 [N, k]. Labels and record
    lie in `assets/`, and in `assets.extra/` a request for each signature, which TensorFlow Serving sends itself
    before it answers.

    The weights are constants of one function that all signatures call: so TensorFlow fuses biases and activations into
    the convolutions, and lays their kernels out once and not with every call. What is loaded can therefore not be
    trained on; a `.keras` file can.

    Args:
        model: a deployed network.
        directory: the folder to write; it appears when it is complete.
        record: how photographs become its input.
        labels: names of the classes.
        batch: how many pictures every call brings; None for any number.
        top_k: how many classes are named, if the network has so many.

    Raises:
        UsageError: labels of another number than the network has classes.

    Example of a request, to `http://HOST:8501/v1/models/NAME:predict`:
        {"signature_name": "encoded", "instances": [{"image_bytes": {"b64": "/9j/4AAQ..."}}]}
    """
    signatures = _signatures(model, record, batch, named=_naming(model, labels, top_k))
    with tempfile.TemporaryDirectory() as scratch, atomic_directory(directory) as unfinished:
        module = tf.Module()
        module.assets = _assets(Path(scratch), record, labels)
        traced = {name: _traced(function, spec) for name, (function, spec) in signatures.items()}
        tf.saved_model.save(module, str(unfinished), signatures=traced, options=OPTIONS)
        requests = [_first_request(name, spec, record) for name, (_, spec) in signatures.items()]
        warm_up.write(unfinished, model.name, requests)
    return directory


def _signatures(
    model: keras.Model, record: Preprocessing, batch: int | None, *, named: Function
) -> dict[str, tuple[Function, tf.TensorSpec]]:
    """Return the function of each signature, and what it takes."""
    network = _network(model, batch)
    inner = list(_feature_maps(model))

    def serve(image: tf.Tensor) -> Tensors:
        return named(_chosen(network(_fitted(image, record, batch)), output_names(model)))

    def serve_encoded(image_bytes: tf.Tensor) -> Tensors:
        return named(_chosen(network(_decoded(image_bytes, record, batch)), output_names(model)))

    def serve_features(image: tf.Tensor) -> Tensors:
        return _chosen(network(_fitted(image, record, batch)), inner)

    pixels = tf.TensorSpec((batch, None, None, 3), tf.uint8, name="image")
    files = tf.TensorSpec((batch,), tf.string, name="image_bytes")
    signatures = {PIXELS: (serve, pixels), ENCODED: (serve_encoded, files)}
    return {**signatures, FEATURES: (serve_features, pixels)} if inner else signatures


def _chosen(answer: Tensors, names: Iterable[str]) -> Tensors:
    return {name: answer[name] for name in names}


def _network(model: keras.Model, batch: int | None) -> Function:
    """Return a function from float32 pixels to all that any signature answers."""
    whole = keras.Model(model.inputs, {**_feature_maps(model), **output_tensors(model)}, name=model.name)

    return constant_function(whole, batch)


def _traced(function: Function, spec: tf.TensorSpec) -> Any:
    return tf.function(function, input_signature=[spec], autograph=False).get_concrete_function()


def _feature_maps(model: keras.Model) -> dict[str, Any]:
    """Return the inner maps of the signature `features`, as far as the network has them."""
    given = output_tensors(model)
    if not {PROBABILITIES, LOGITS} & set(given):
        # Without its end, the last block that is there is not the network's last.
        return {name: given[name] for name in (POOLED, FEATURES) if name in given}
    inner = inner_tensors(model)
    return {name: inner[name] for name in (POOLED, FEATURES) if name in inner}


def _naming(model: keras.Model, labels: Sequence[str], top_k: int) -> Function:
    """Return a function that adds the most likely classes to an answer that has probabilities."""
    if PROBABILITIES not in output_names(model):
        return lambda answer: answer
    number = output_tensors(model)[PROBABILITIES].shape[1]
    if len(labels) != number:
        raise UsageError(f"labels must name the {number} classes of the network, got {len(labels)}.")

    def named(answer: Tensors) -> Tensors:
        scores, places = tf.math.top_k(answer[PROBABILITIES], k=min(top_k, number))
        return {**answer, CLASSES: tf.gather(tf.constant(list(labels)), places), SCORES: scores}

    return named


def _fitted(image: tf.Tensor, record: Preprocessing, batch: int | None) -> tf.Tensor:
    """Return pixels of any size, uint8 [N, h, w, 3], in the network's, float32 [N, height, width, 3]."""
    shape = (*record.image_size, 3)

    def resized() -> tf.Tensor:
        return tf.map_fn(
            lambda one: resize_crop(one, record), image, fn_output_signature=tf.TensorSpec(shape, tf.uint8)
        )

    fits = tf.reduce_all(tf.shape(image)[1:3] == tf.constant(record.image_size))
    return _as_input(tf.cond(fits, lambda: image, resized), shape, batch)


def _decoded(image_bytes: tf.Tensor, record: Preprocessing, batch: int | None) -> tf.Tensor:
    """Return whole files, string [N], as float32 [N, height, width, 3]."""
    shape = (*record.image_size, 3)
    image = tf.map_fn(
        lambda data: decode_and_crop(data, record), image_bytes, fn_output_signature=tf.TensorSpec(shape, tf.uint8)
    )
    return _as_input(image, shape, batch)


def _as_input(image: tf.Tensor, shape: tuple[int, ...], batch: int | None) -> tf.Tensor:
    return tf.cast(tf.ensure_shape(image, (batch, *shape)), tf.float32)


def _assets(folder: Path, record: Preprocessing, labels: Sequence[str]) -> list[tf.saved_model.Asset]:
    texts = {
        "labels.txt": "".join(f"{label}\n" for label in labels),
        "preprocessing.json": json.dumps(record.to_json(), indent=2) + "\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [tf.saved_model.Asset(str(folder / name)) for name in texts]


def _first_request(signature: str, spec: tf.TensorSpec, record: Preprocessing) -> warm_up.Request:
    """Return a call of a signature with as few black pictures as it takes."""
    number, shape = spec.shape[0] or 1, (*record.image_size, 3)
    if spec.dtype == tf.string:
        file = tf.io.encode_jpeg(tf.zeros(shape, tf.uint8)).numpy()
        return warm_up.Request(signature, spec.name, tf.make_tensor_proto([file] * number))
    # One value stands for all.
    return warm_up.Request(signature, spec.name, tf.make_tensor_proto(0, tf.uint8, (number, *shape)))
