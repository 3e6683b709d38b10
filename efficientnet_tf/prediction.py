"""Photographs to named classes, with a run, an exported artifact, or a network of the zoo."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from efficientnet_tf.config import PredictConfig, network_of
from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.files import readable_images
from efficientnet_tf.data.sources.checked import watched
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.model import with_probabilities
from efficientnet_tf.pretrained import zoo_network
from efficientnet_tf.run import open_run
from efficientnet_tf.runtimes import open_artifact
from efficientnet_tf.specs import Preprocessing

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A network that can be asked.

    Attributes:
        name: what it is, for people.
        probabilities: from pixels, uint8 [N, height, width, 3], to float32 [N, classes].
        labels: names of the classes.
        record: how photographs become pixels.
        close: gives back what its runtime holds.
        model: the network as Keras has it; None for an artifact in another runtime.
    """

    name: str
    probabilities: Callable[[Array], Array]
    labels: Sequence[str]
    record: Preprocessing
    close: Callable[[], None] = lambda: None
    model: keras.Model | None = None

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_predictor(config: PredictConfig) -> Predictor:
    """Return the network that a configuration names.

    Raises:
        UsageError: there is none, or an artifact that does not say how photographs become its input.
    """
    if config.artifact is not None:
        return _of_artifact(Path(config.artifact))
    if config.variant is not None:
        network = zoo_network(network_of(config), config.weights, config.image_size)
        return _of_model(network.model.name, network.model, network.labels, network.record)
    run = open_run(config.model_dir)
    return _of_model(str(run.path), with_probabilities(run.load_model()), run.labels, run.preprocessing)


def open_source(source: str) -> Predictor:
    """Return the network that one word names: a `.keras` file, the folder of a run, or a variant of the zoo.

    Raises:
        UsageError: there is none.
    """
    if source.endswith(".keras"):
        return open_predictor(PredictConfig(artifact=source))
    if Path(source).is_dir() or len(Path(source).parts) > 1:
        return open_predictor(PredictConfig(model_dir=source))
    return open_predictor(PredictConfig(variant=source))


def _of_model(name: str, model: keras.Model, labels: Sequence[str], record: Preprocessing) -> Predictor:
    return Predictor(name, model.predict_on_batch, labels, record, model=model)


def _of_artifact(path: Path) -> Predictor:
    artifact = open_artifact(path)
    record = artifact.preprocessing
    if record is None:
        raise UsageError(f"{path} does not say how photographs become its input; put preprocessing.json beside it.")
    labels = artifact.labels
    if labels is None:
        blank = np.zeros((1, *record.image_size, 3), np.uint8)
        labels = [str(index) for index in range(artifact.predict(blank).shape[-1])]
    return Predictor(
        str(path), artifact.predict, labels, record, artifact.close, model=getattr(artifact, "model", None)
    )


def predict_files(
    predictor: Predictor, paths: Sequence[str | Path], *, top: int = 5, batch_size: int = 16
) -> dict[str, Any]:
    """Return what is on photographs.

    Args:
        predictor: the network.
        paths: files, and folders that are searched with their sub-folders.
        top: how many classes for each.
        batch_size: photographs at a time.

    Returns:
        `predictions`, for every photograph its `file` and `top`, a list of `index`, `label` and `probability`
        in 0...1, the most probable first; `skipped`, files in folders that could not be read, each with its `reason`.

    Raises:
        UsageError: a path that does not exist.
        EfficientNetError: a file that was named and cannot be read, or no photograph at all.
    """
    files, skipped = readable_images(paths)
    answered = watched(_answered(predictor, files, top, batch_size), len(files), "Predicting")
    predictions = [row for batch in answered for row in batch]
    return {"predictions": predictions, "skipped": [{"file": file, "reason": reason} for file, reason in skipped]}


def _answered(predictor: Predictor, files: Sequence[str], top: int, batch_size: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the predictions of one batch after the other."""
    begin = 0
    for pixels in _pictures(files, predictor.record, batch_size):
        rows = np.asarray(predictor.probabilities(pixels))
        if rows.shape[-1] != len(predictor.labels):
            raise EfficientNetError(
                f"{predictor.name} has {rows.shape[-1]} outputs, and labels.txt names {len(predictor.labels)} classes."
            )
        batch = files[begin : begin + batch_size]
        yield [{"file": file, "top": _top(row, predictor.labels, top)} for file, row in zip(batch, rows, strict=True)]
        begin += batch_size


def _pictures(files: Sequence[str], record: Preprocessing, batch_size: int) -> Iterator[Array]:
    """Yield batches of pixels, uint8 [N, height, width, 3], of files in their order."""
    if len(files) <= batch_size:
        # Tracing a function would take longer than what it saves.
        yield np.stack([decode_and_crop(Path(file).read_bytes(), record).numpy() for file in files])
        return
    names = tf.data.Dataset.from_tensor_slices([os.fsencode(file) for file in files])

    def picture(name: tf.Tensor) -> tf.Tensor:
        return decode_and_crop(tf.io.read_file(name), record)

    # The next photographs are decoded while the network works on these.
    decoded = names.map(picture, tf.data.AUTOTUNE).batch(batch_size).prefetch(tf.data.AUTOTUNE)
    yield from decoded.as_numpy_iterator()


def _top(probabilities: Array, labels: Sequence[str], top: int) -> list[dict[str, Any]]:
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [
        {"index": int(index), "label": labels[index], "probability": float(probabilities[index])} for index in order
    ]
