"""A recipe as what `compile` and `fit` take."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import keras

from efficientnet_tf.config import TrainConfig
from efficientnet_tf.errors import UsageError
from efficientnet_tf.run import Run
from efficientnet_tf.training.batch_scaling import scaled_decay
from efficientnet_tf.training.durations import Durations, durations_in_steps
from efficientnet_tf.training.ema import MovingAverage
from efficientnet_tf.training.keeping import KeepBest, KeepLatest, MetricsTable, tensorboard
from efficientnet_tf.training.optimizer import build_optimizer
from efficientnet_tf.training.phases import HeadFirst, set_trainable
from efficientnet_tf.training.progress import FollowProgress
from efficientnet_tf.training.schedule import PhasedSchedule, WarmupConstant, WarmupCosine, WarmupExponential
from efficientnet_tf.training.watching import WatchLoss


def recipe(
    name: str, model: keras.Model, *, steps: int, steps_per_epoch: int | None = None, **changes: Any
) -> dict[str, Any]:
    """Return what `model.compile` takes to train by a recipe.

    Args:
        name: `finetune`, `scratch`, `imagenet`, or another file of `efficientnet_tf/recipes/`.
        model: the model to compile; under a strategy, call this within its scope.
        steps: training steps in all.
        steps_per_epoch: those of an epoch; by default such that the recipe's epochs make up `steps`.
        changes: settings of the recipe to have otherwise, such as `learning_rate=0.001`. Where the recipe's learning
            rate is meant for a batch size, give your own as `batch_size`.

    Returns:
        `optimizer`, `loss` and `metrics`. What the recipe never trains is frozen in the model, and the momentum of its
        batch normalisation is the recipe's.

    Raises:
        UsageError: no such recipe or setting.

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="predictions")])
    >>> sorted(recipe("finetune", model, steps=100))
    ['loss', 'metrics', 'optimizer']
    """
    config = TrainConfig.from_json({**changes, "recipe": name}).resolve()
    return compile_arguments(config, model, durations_in_steps(config, steps, steps_per_epoch))


def compile_arguments(config: TrainConfig, model: keras.Model, durations: Durations) -> dict[str, Any]:
    """Return what `model.compile` takes for a resolved configuration and its durations.

    Args:
        config: resolved.
        model: what is compiled.
        durations: of the phases.
    """
    # The optimizer has slots for what the last phase trains, so that the trained model can be saved with it.
    set_trainable(model, str(config.freeze))
    set_momentum(model, str(config.bn_momentum or "own"), durations.steps_per_epoch)
    classes = int(model.output_shape[-1])
    top5 = [keras.metrics.TopKCategoricalAccuracy(5, name="top5")] if classes > 5 else []
    return {
        "optimizer": build_optimizer(
            str(config.optimizer),
            schedule_of(config, durations),
            weight_decay=float(config.weight_decay or 0),
            form=str(config.weight_decay_form),
            variables=model.trainable_variables,
        ),
        "loss": _loss(model, float(config.label_smoothing or 0)),
        "metrics": [keras.metrics.CategoricalAccuracy(name="top1"), *top5],
    }


def batch_factor(config: TrainConfig) -> float:
    """Return by how much the learning rates of a recipe are scaled for the batch size (Goyal et al., 2017)."""
    return (config.batch_size or 1) / config.learning_rate_batch if config.learning_rate_batch else 1.0


def schedule_of(config: TrainConfig, durations: Durations) -> PhasedSchedule:
    """Return the learning rate over the steps of a resolved configuration, scaled for its batch size."""
    factor = batch_factor(config)
    rate = factor * float(config.learning_rate or 0)
    phases = {
        "warmup_steps": durations.warmup_steps,
        "head_steps": durations.head_steps,
        "head_learning_rate": factor * float(config.head_learning_rate or 0),
    }
    if config.schedule == "exponential":
        return WarmupExponential(
            rate, decay_steps=durations.decay_steps, decay_rate=float(config.decay_rate or 1), **phases
        )
    if config.schedule == "constant":
        return WarmupConstant(rate, **phases)
    return WarmupCosine(rate, durations.steps, **phases)


def set_momentum(model: keras.Model, momentum: str, steps_per_epoch: int) -> None:
    """Give all batch normalisation the momentum of a recipe; see `TrainConfig.bn_momentum`."""
    if momentum == "own":
        return
    # Kornblith et al. (2019), "Do Better ImageNet Models Transfer Better?", appendix A.5.
    value = max(1 - 10 / steps_per_epoch, 0.9) if momentum == "steps" else float(momentum)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = value


def _loss(model: keras.Model, label_smoothing: float) -> keras.losses.Loss:
    """Return the cross-entropy that fits the model's last activation."""
    activation = getattr(getattr(model.layers[-1], "activation", None), "__name__", "linear")
    if activation == "sigmoid":
        return keras.losses.BinaryCrossentropy(label_smoothing=label_smoothing)
    if activation not in ("softmax", "linear"):
        raise UsageError(f"The model must end in softmax, sigmoid or logits, got {activation!r}.")
    return keras.losses.CategoricalCrossentropy(from_logits=activation == "linear", label_smoothing=label_smoothing)


def callbacks(
    model_dir: str | Path, *, recipe: str = "finetune", data: Any = None, **changes: Any
) -> list[keras.callbacks.Callback]:
    """Return the callbacks of a recipe, for `model.fit`: phases, the best network, tables and curves, an early end.

    Args:
        model_dir: folder for `model.keras`, `metrics.csv` and `checkpoints/latest.keras`.
        recipe: `finetune`, `scratch`, `imagenet`, or another file of `efficientnet_tf/recipes/`.
        data: what `load_data` returned; its labels and preprocessing are written beside the network, so
            that `efficientnet-export` and `efficientnet-predict` know them, and its augmentation is told how far
            training has come.
        changes: settings of the recipe to have otherwise, such as `patience=3`.

    Raises:
        UsageError: no such recipe or setting, or a folder that cannot be written.
    """
    config = TrainConfig.from_json({**changes, "recipe": recipe}).resolve()
    run = Run(Path(model_dir))
    if run.model_file.exists():
        raise UsageError(f"{run.path} holds another run. Give a new folder.")
    run.make_folder()
    made: list[keras.callbacks.Callback] = []
    average = average_of(config)
    if average is not None:
        made.append(average)
    made += [HeadFirst(str(config.freeze)), WatchLoss(config.loss_limit), MetricsTable(run)]
    made += [keeper(config, run, average), KeepLatest(run, freeze=str(config.freeze)), *tensorboard(run)]
    if data is not None:
        run.describe(data.class_names, data.preprocessing)
        augmenter = getattr(data, "augmenter", None)
        if augmenter is not None and augmenter.follows_progress:
            made.append(FollowProgress(augmenter))
    return made


def average_of(config: TrainConfig) -> MovingAverage | None:
    """Return the moving average of a resolved configuration, if it has one."""
    return MovingAverage(scaled_decay(config.ema_decay, batch_factor(config))) if config.ema_decay else None


def keeper(config: TrainConfig, run: Run, average: MovingAverage | None, **options: Any) -> KeepBest:
    """Return what keeps the best network of a resolved configuration, that of the moving average if there is one."""
    applied = contextlib.nullcontext if average is None else average.applied
    return KeepBest(run, patience=config.patience, applied=applied, **options)
