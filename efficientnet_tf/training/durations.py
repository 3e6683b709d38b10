"""Epochs, and everything in steps: the one place that converts between them."""

from __future__ import annotations

import dataclasses
import math

from efficientnet_tf.config import TrainConfig, read_recipe


@dataclasses.dataclass(frozen=True)
class Durations:
    """How long a training and its phases are.

    Attributes:
        epochs: begun in all.
        steps_per_epoch: batches of an epoch.
        steps: training steps in all.
        head_steps: of the phase that trains the classifier alone.
        warmup_steps: in which the learning rate rises.
        decay_steps: between two falls of an exponential schedule; need not be whole.
    """

    epochs: int
    steps_per_epoch: int
    steps: int
    head_steps: int
    warmup_steps: int
    decay_steps: float


def durations_of(config: TrainConfig, examples: int, batch_size: int, *, whole_batches: bool) -> Durations:
    """Return the durations of a resolved configuration on so many examples.

    Args:
        config: resolved.
        examples: of an epoch.
        batch_size: over all devices.
        whole_batches: whether a smaller last batch is left out.
    """
    steps_per_epoch = examples // batch_size if whole_batches else math.ceil(examples / batch_size)
    steps = config.steps or (config.epochs or 1) * steps_per_epoch
    head = min((config.head_epochs or 0) * steps_per_epoch, steps)
    recipe = read_recipe(str(config.recipe))
    if config.steps is not None and config.head_epochs == recipe.get("head_epochs") and "epochs" in recipe:
        # So few steps may not reach the recipe's epochs: they keep its proportion.
        head = min(head, round(steps * (config.head_epochs or 0) / recipe["epochs"]))
    return Durations(
        epochs=math.ceil(steps / steps_per_epoch),
        steps_per_epoch=steps_per_epoch,
        steps=steps,
        head_steps=head,
        warmup_steps=round((config.warmup_epochs or 0) * steps_per_epoch),
        decay_steps=float(config.decay_epochs or 1) * steps_per_epoch,
    )


def durations_in_steps(config: TrainConfig, steps: int, steps_per_epoch: int | None = None) -> Durations:
    """Return the durations of a resolved configuration of so many steps.

    Args:
        config: resolved.
        steps: in all.
        steps_per_epoch: of an epoch; by default such that the configuration's epochs make up `steps`.
    """
    share = float(steps_per_epoch or steps / (config.epochs or 1))
    return Durations(
        epochs=math.ceil(steps / share),
        steps_per_epoch=max(1, round(share)),
        steps=steps,
        head_steps=min(steps, round(share * (config.head_epochs or 0))),
        warmup_steps=round(share * (config.warmup_epochs or 0)),
        decay_steps=share * float(config.decay_epochs or 1),
    )
