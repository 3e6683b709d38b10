"""The public way to an augmentation: from a text, a plan, a function or a layer to a function of pictures and seeds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from efficientnet_tf.augment.drawing import seeds_of
from efficientnet_tf.augment.foreign import Foreign
from efficientnet_tf.augment.hiding import Erase, Hide
from efficientnet_tf.augment.mixing import BatchMixer
from efficientnet_tf.augment.mixtures import Mixture
from efficientnet_tf.augment.policies.grammar import AugMix, Cutout, Erasing, Plan, Stage
from efficientnet_tf.augment.stages import SIMPLE, RandomOperations, Step
from efficientnet_tf.errors import UsageError

_OTHERS: dict[type[Stage], Callable[[Any], Step]] = {AugMix: Mixture, Cutout: Hide, Erasing: Erase}

#: What `augmenter` takes.
Augmentation = str | Plan | Callable[..., Any]


class Augmenter:
    """A function of a picture and a seed; made by `augmenter`.

    The same seed gives the same picture, eagerly and in graphs, alone and in a batch, on every machine.

    Attributes:
        steps: applied in their order.
        mixer: what is done to whole batches afterwards, in `tf.data`; None for nothing.
    """

    def __init__(self, steps: Sequence[Step], mixer: BatchMixer | None = None) -> None:
        self.steps = tuple(steps)
        self.mixer = mixer

    @tf.autograph.experimental.do_not_convert
    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return the picture augmented.

        Args:
            image: uint8 [height, width, 3], 0 to 255.
            seed: int32 or int64 [2].

        Returns:
            uint8 of the same shape.

        Raises:
            UsageError: the image is not of this form.
        """
        image = _checked(image)
        for step, key in zip(self.steps, self._seeds(seed), strict=True):
            image = step(image, key)
        return image

    def batch(self, images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Return pictures augmented one by one, as `__call__` does, several at a time.

        Args:
            images: uint8 [batch, height, width, 3].
            seeds: int32 or int64 [batch, 2].

        >>> f = augmenter("autoaugment")
        >>> f.batch(tf.zeros([2, 32, 32, 3], tf.uint8), tf.constant([[1, 2], [3, 4]])).shape
        TensorShape([2, 32, 32, 3])
        """
        images = _checked(images, rank=4)
        return self._batch(images, tf.cast(seeds, tf.int64))

    @functools.cached_property
    def _batch(self) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        return tf.function(self._map, autograph=False, reduce_retracing=True)

    def _map(self, images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        signature = tf.TensorSpec(images.shape[1:], tf.uint8)
        result = tf.map_fn(lambda pair: self(*pair), (images, seeds), fn_output_signature=signature)
        return tf.ensure_shape(result, images.shape)

    def describe(self, image: tf.Tensor, seed: tf.Tensor) -> str:
        """Return in a few words what is done to this picture by this seed, such as `Equalize, Rotate -24`."""
        pairs = zip(self.steps, self._seeds(seed), strict=True)
        words = [step.describe(image, key) for step, key in pairs]
        return ", ".join(word for word in words if word) or "unchanged"

    @property
    def follows_progress(self) -> bool:
        """Whether a level depends on how far training has come."""
        return any(isinstance(step, RandomOperations) and step.progress is not None for step in self.steps)

    def set_progress(self, share: float) -> None:
        """Say how far training has come, from 0 at its first epoch to 1 at its last."""
        for step in self.steps:
            if isinstance(step, RandomOperations) and step.progress is not None:
                step.progress.assign(min(max(share, 0.0), 1.0))

    def _seeds(self, seed: tf.Tensor) -> list[tf.Tensor]:
        if len(self.steps) == 1:
            return [tf.cast(seed, tf.int64)]
        return seeds_of(seed, len(self.steps)) if self.steps else []


def augmenter(*augmentations: Augmentation | Augmenter) -> Augmenter:
    """Return the augmentation that a text, a function or a Keras layer describes; several are applied in turn.

    Args:
        augmentations: each a text of the grammar of `--augment` (`"autoaugment"`, `"randaugment:n=2,m=15"`,
            `"trivialaugment+erasing:p=0.25"`), a function of (image) or (image, seed), or a layer of Keras or KerasCV,
            which is called with float32 pixels of 0 to 255.

    Raises:
        UsageError: an unknown name, setting or value, or what is neither text nor function.

    >>> f = augmenter("randaugment:n=2,m=15")
    >>> f(tf.zeros([32, 32, 3], tf.uint8), tf.constant([1, 2])).shape
    TensorShape([32, 32, 3])
    """
    steps: list[Step] = []
    mixers = []
    for item in augmentations:
        if isinstance(item, str):
            item = Plan.parse(item)
        if isinstance(item, Augmenter):
            steps += item.steps
            mixers += [item.mixer] if item.mixer else []
        elif isinstance(item, Plan):
            steps += [_step(stage) for stage in item.stages]
            mixers += [BatchMixer(item.mixes)] if item.mixes else []
        elif callable(item):
            steps.append(Foreign(item))
        else:
            raise UsageError(f"An augmentation must be a text, a function or a Keras layer, got {item!r}.")
    if len(mixers) > 1:
        raise UsageError("Give mixup and cutmix in one text, as in 'mixup:0.2+cutmix:1.0'.")
    return Augmenter(steps, mixers[0] if mixers else None)


def _checked(image: Any, rank: int = 3) -> tf.Tensor:
    """Return pictures as a tensor, or say what is wrong with them: a fraction of 1 would become black."""
    image = tf.convert_to_tensor(image)
    wanted = "uint8 [height, width, 3]" if rank == 3 else "uint8 [batch, height, width, 3]"
    if image.dtype != tf.uint8:
        raise UsageError(f"Pictures must be {wanted}, of 0 to 255, got {image.dtype.name}.")
    if image.shape.rank is not None and (image.shape.rank != rank or image.shape[-1] not in (3, None)):
        raise UsageError(f"Pictures must be {wanted}, got the shape {list(image.shape)}.")
    return tf.ensure_shape(image, [*[None] * (rank - 1), 3])


def _step(stage: Stage) -> Step:
    kind = type(stage)
    return SIMPLE[kind](stage) if kind in SIMPLE else _OTHERS[kind](stage)
