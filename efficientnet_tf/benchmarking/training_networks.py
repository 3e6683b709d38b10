"""Networks of one architecture by several libraries, each ready to take training steps in a process of its own."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError
from efficientnet_tf.specs import spec

OURS, RECOMPUTED, PLAIN, KERAS, TIMM, TIMM_LAST = (
    "efficientnet_tf",
    "efficientnet_tf.recompute",
    "efficientnet_tf.plain",
    "keras.applications",
    "timm",
    "timm, channels_last",
)
#: What `--compare` takes, and the networks that each stands for.
PEERS = {
    "recompute": (RECOMPUTED,),
    "plain": (PLAIN,),
    "keras.applications": (KERAS,),
    "timm": (TIMM, TIMM_LAST),
}

# The same architecture elsewhere; what is not named there has no counterpart.
KERAS_NAMES = {
    **{f"b{number}": f"EfficientNetB{number}" for number in range(8)},
    **{f"v2-b{number}": f"EfficientNetV2B{number}" for number in range(4)},
    **{f"v2-{size}": f"EfficientNetV2{size.upper()}" for size in "sml"},
    "mobilenetv1": "MobileNet",
    "mobilenetv2": "MobileNetV2",
    "resnet50": "ResNet50",
}
_TIMM_NAMES = {
    **{f"b{number}": f"tf_efficientnet_b{number}" for number in range(9)},
    **{f"lite{number}": f"tf_efficientnet_lite{number}" for number in range(5)},
    **{f"v2-b{number}": f"tf_efficientnetv2_b{number}" for number in range(4)},
    **{f"v2-{size}": f"tf_efficientnetv2_{size}" for size in ("s", "m", "l", "xl")},
    "resnet50": "resnet50",
}
#: Classes of the labels, which every network has.
_CLASSES = 10
_LEARNING_RATE, _MOMENTUM = 0.01, 0.9

#: Takes so many steps and returns the seconds of each.
Steps = Callable[[int], list[float]]


@dataclasses.dataclass(frozen=True)
class TrainingJob:
    """What is trained.

    Attributes:
        network: one of the names above.
        variant: the architecture.
        batch_size: images in a step.
        image_size: their side in pixels.
        threads: cores that the process may use.
    """

    network: str
    variant: str
    batch_size: int
    image_size: int
    threads: int


def networks(variant: str, compare: Sequence[str]) -> tuple[str, ...]:
    """Return the networks to train beside ours, of those peers that have the architecture.

    >>> networks("lite0", ["plain", "keras.applications", "timm"])
    ('efficientnet_tf.plain', 'timm', 'timm, channels_last')
    """
    name = spec(variant).name
    ours = {name: name}
    known = {"recompute": ours, "plain": ours, "keras.applications": KERAS_NAMES, "timm": _TIMM_NAMES}
    return tuple(network for peer in compare if name in known[peer] for network in PEERS[peer])


def training_steps(job: TrainingJob) -> Steps:
    """Build a network with random weights and return what takes steps of it: SGD with momentum on one random batch.

    Raises:
        MissingDependencyError: the network's library is not installed.
    """
    draw = np.random.default_rng(20190511)
    images = draw.integers(0, 256, (job.batch_size, job.image_size, job.image_size, 3)).astype("float32")
    labels = draw.integers(0, _CLASSES, job.batch_size)
    if job.network in PEERS["timm"]:
        return _timm_steps(job, images, labels)
    return _keras_steps(_keras_model(job), images, labels)


def _keras_model(job: TrainingJob) -> Any:
    import keras

    from efficientnet_tf.layers import plain
    from efficientnet_tf.pretrained import EfficientNet
    from efficientnet_tf.recomputation import recompute

    shape = (job.image_size, job.image_size, 3)
    if job.network == KERAS:
        return getattr(keras.applications, KERAS_NAMES[spec(job.variant).name])(weights=None, input_shape=shape)
    model = EfficientNet(job.variant, weights=None, input_shape=shape)
    form = {PLAIN: plain, RECOMPUTED: recompute}.get(job.network)
    return model if form is None else form(model)


def _keras_steps(model: Any, images: Any, labels: Any) -> Steps:
    """Return steps as `model.fit` takes them, each timed from its beginning to its end."""
    import keras
    import tensorflow as tf

    from efficientnet_tf.training.timing import TimeSteps

    model.compile(keras.optimizers.SGD(_LEARNING_RATE, momentum=_MOMENTUM), "sparse_categorical_crossentropy")
    batches = tf.data.Dataset.from_tensors((images, labels)).repeat()

    def steps(number: int) -> list[float]:
        timer = TimeSteps()
        history = model.fit(batches, steps_per_epoch=number, shuffle=False, verbose=0, callbacks=[timer])
        _finite(history.history["loss"][-1])
        return timer.seconds

    return steps


def timm_network(network: str, variant: str, images: Any, *, threads: int) -> tuple[Any, Any]:
    """Return a network of timm with random weights, and images as it takes them.

    Args:
        network: `TIMM` or `TIMM_LAST`.
        variant: the architecture.
        images: float32 [N, height, width, 3], 0...255.
        threads: that PyTorch may use.

    Raises:
        MissingDependencyError: timm or PyTorch is not installed.
    """
    try:
        import timm
        import torch
    except ImportError as error:
        raise MissingDependencyError(f"{error.name} is not installed. Run: pip install timm torch.") from error
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layout = torch.channels_last if network == TIMM_LAST else torch.contiguous_format
    model = timm.create_model(_TIMM_NAMES[spec(variant).name]).to(memory_format=layout)
    # Scaled here: Keras' EfficientNets do that inside, which takes next to nothing.
    return model, torch.from_numpy(images / 127.5 - 1.0).permute(0, 3, 1, 2).contiguous(memory_format=layout)


def _timm_steps(job: TrainingJob, images: Any, labels: Any) -> Steps:
    model, pixels = timm_network(job.network, job.variant, images, threads=job.threads)
    import torch

    model.train()
    optimizer = torch.optim.SGD(model.parameters(), _LEARNING_RATE, momentum=_MOMENTUM)
    targets = torch.from_numpy(labels)

    def step() -> float:
        begin = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(model(pixels), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        _finite(loss.item())
        return time.perf_counter() - begin

    return lambda number: [step() for _ in range(number)]


def _finite(loss: float) -> None:
    if not np.isfinite(loss):
        raise EfficientNetError(f"The loss was {loss}, no number.")
