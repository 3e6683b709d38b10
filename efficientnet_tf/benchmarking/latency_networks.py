"""Trained networks by several libraries and in several forms, each ready to be asked in a process of its own."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.benchmarking.training_networks import (
    KERAS,
    KERAS_NAMES,
    OURS,
    PEERS,
    TIMM_LAST,
    Steps,
    networks,
    timm_network,
)
from efficientnet_tf.specs import list_variants

#: Forms of a Keras network: as it is, through `efn.deploy`, and exported to TensorFlow Lite after that.
PLAIN, DEPLOYED, LITERT = "Keras", "deployed", "LiteRT"
FORMS = (PLAIN, DEPLOYED, LITERT)
#: The form of a network of timm.
TORCH = "PyTorch"
#: What keras.applications does to pixels before ResNet: blue, green, red, less these. The order costs nothing here.
_CAFFE_MEANS = (103.939, 116.779, 123.68)


@dataclasses.dataclass(frozen=True)
class LatencyJob:
    """What is asked.

    Attributes:
        network: whose.
        form: one of `FORMS`, or `TORCH`.
        variant: the architecture: one of ours, or what keras.applications calls it.
        batch_size: pictures at a time.
        image_size: their side in pixels.
        threads: that the process may use.
    """

    network: str
    form: str
    variant: str
    batch_size: int
    image_size: int
    threads: int


def forms(variant: str, compare: Sequence[str]) -> list[tuple[str, str]]:
    """Return the networks and forms to ask of an architecture: ours, and those of the peers that have it.

    Of timm it is the faster of its memory formats.

    >>> forms("lite0", ["keras.applications", "timm"])[2:]
    [('efficientnet_tf', 'LiteRT'), ('timm, channels_last', 'PyTorch')]
    """
    peers = {KERAS: PLAIN, TIMM_LAST: TORCH}
    theirs = [(network, peers[network]) for network in networks(variant, compare) if network in peers]
    return [(OURS, DEPLOYED), (OURS, PLAIN), (OURS, LITERT), *theirs]


def latency_steps(job: LatencyJob) -> Steps:
    """Build a network with random weights and return what asks it so many times, one after the other.

    Raises:
        MissingDependencyError: its library is not installed.
    """
    draw = np.random.default_rng(20190511)
    pixels = draw.integers(0, 256, (job.batch_size, job.image_size, job.image_size, 3)).astype("float32")
    if job.network in PEERS["timm"]:
        return _timed(_timm_call(job, pixels))
    return _timed(_keras_call(job, pixels))


def _timed(call: Callable[[], Any]) -> Steps:
    def one() -> float:
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin

    return lambda number: [one() for _ in range(number)]


def _keras_call(job: LatencyJob, pixels: Any) -> Callable[[], Any]:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(job.threads)
    tf.config.threading.set_inter_op_parallelism_threads(job.threads)
    model = _keras_model(job)
    if job.form == PLAIN:
        return lambda: model.predict_on_batch(pixels)
    from efficientnet_tf.exporting import deploy

    deployed = deploy(model)
    if job.form == DEPLOYED:
        return lambda: deployed.predict_on_batch(pixels)
    return _litert_call(job, deployed, pixels)


def _keras_model(job: LatencyJob) -> Any:
    import keras

    from efficientnet_tf.pretrained import EfficientNet

    shape = (job.image_size, job.image_size, 3)
    if job.network == OURS:
        return EfficientNet(job.variant, weights=None, input_shape=shape)
    known = job.variant in list_variants()
    make = getattr(keras.applications, KERAS_NAMES[job.variant] if known else job.variant)
    model = make(weights=None, input_shape=shape)
    if any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers):
        return model
    # Those without it are given what their `preprocess_input` does.
    image = keras.Input(shape, name="image")
    scaled = keras.layers.Rescaling(1.0, [-mean for mean in _CAFFE_MEANS])(image)
    return make(weights=None, input_tensor=scaled)


def _litert_call(job: LatencyJob, deployed: Any, pixels: Any) -> Callable[[], Any]:
    from ai_edge_litert.interpreter import Interpreter

    from efficientnet_tf.exporting import tflite

    with tempfile.TemporaryDirectory() as folder:
        path = tflite.write(deployed, Path(folder) / "model.tflite", batch=job.batch_size)
        content = path.read_bytes()
    interpreter = Interpreter(model_content=content, num_threads=job.threads)
    interpreter.allocate_tensors()
    (detail,) = interpreter.get_input_details()
    interpreter.set_tensor(detail["index"], pixels.astype(detail["dtype"]))
    return interpreter.invoke


def _timm_call(job: LatencyJob, pixels: Any) -> Callable[[], Any]:
    model, scaled = timm_network(job.network, job.variant, pixels, threads=job.threads)
    import torch

    model.eval()

    def call() -> Any:
        with torch.inference_mode():
            return model(scaled)

    return call
