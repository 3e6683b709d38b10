"""SavedModel, for TensorFlow Serving and any program with TensorFlow; no custom operations, no Python."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.files import atomic_directory
from efficientnet_tf.specs import Preprocessing


def _pixels(model: keras.Model, image: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"probabilities": model(tf.cast(image, tf.float32), training=False)}


def _encoded(model: keras.Model, record: Preprocessing, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
    pixels = tf.TensorSpec((*record.image_size, 3), tf.uint8)
    image = tf.map_fn(lambda data: decode_and_crop(data, record), image_bytes, fn_output_signature=pixels)
    return _pixels(model, image)


def write(model: keras.Model, directory: Path, record: Preprocessing, labels: Sequence[str]) -> Path:
    """Write a SavedModel with two signatures.

    `serving_default(image)` takes pixels, uint8 [N, height, width, 3]; `encoded(image_bytes)` takes whole
    JPEG, PNG, BMP or GIF files, string [N], and does the record's crop and resize itself. Both give
    `probabilities`, float32 [N, classes]. Labels and record lie in its `assets/`.

    Args:
        model: a deployed network.
        directory: the folder to write; it appears when it is complete.
        record: how photographs become its input.
        labels: names of the classes.
    """
    signatures = {
        "serving_default": tf.function(lambda image: _pixels(model, image)).get_concrete_function(
            image=tf.TensorSpec((None, *record.image_size, 3), tf.uint8, name="image")
        ),
        "encoded": tf.function(lambda image_bytes: _encoded(model, record, image_bytes)).get_concrete_function(
            image_bytes=tf.TensorSpec((None,), tf.string, name="image_bytes")
        ),
    }
    # The variables and not the model: Keras keeps a second copy of them for formats of its own.
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    module.assets = []
    with tempfile.TemporaryDirectory() as scratch:
        texts = {
            "labels.txt": "".join(f"{label}\n" for label in labels),
            "preprocessing.json": json.dumps(record.to_json(), indent=2) + "\n",
        }
        for name, text in texts.items():
            path = Path(scratch, name)
            path.write_text(text, encoding="utf-8")
            module.assets.append(tf.saved_model.Asset(str(path)))
        with atomic_directory(directory) as unfinished:
            tf.saved_model.save(module, str(unfinished), signatures=signatures)
    return directory
