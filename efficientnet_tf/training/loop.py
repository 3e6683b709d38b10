"""A training run, from a configuration to the files of its folder."""

from __future__ import annotations

import dataclasses
import math
import sys
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from efficientnet_tf.augment import augmenter
from efficientnet_tf.config import TrainConfig, network_of, read_recipe
from efficientnet_tf.data.damage import named_errors
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.evaluation import evaluate_probabilities
from efficientnet_tf.pretrained import build_network
from efficientnet_tf.run import Run, new_run
from efficientnet_tf.signals import uninterrupted
from efficientnet_tf.training import distribution, feeding
from efficientnet_tf.training.phases import StopAtStep
from efficientnet_tf.training.progress import FollowProgress
from efficientnet_tf.training.settings import compile_arguments, fit_callbacks


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """What a training run gave.

    Attributes:
        run: its folder.
        metrics: of the best network on the validation photographs, as in metrics.json.
        epochs: how many were trained.
        skipped: files and records that could not be used, each with the reason.
    """

    run: Run
    metrics: dict[str, Any]
    epochs: int
    skipped: tuple[tuple[str, str], ...]


def train(config: TrainConfig) -> TrainResult:
    """Train a network on photographs and write its run.

    Args:
        config: what to do; what it leaves open is filled by its recipe.

    Returns:
        The run and the figures of its best network.

    Raises:
        UsageError: a setting that is not allowed, or a folder that cannot be written.
        EfficientNetError: photographs or devices that cannot be used.
        KeyboardInterrupt: training was stopped; the run's folder then holds the best network so far.
    """
    if config.preview is not None:
        raise UsageError("preview is for a picture instead of a training; `training.write_preview` writes it.")
    config = config.resolve()
    data = feeding.read(config)
    run = new_run(config, data.train.name)
    keras.utils.set_random_seed(config.seed)
    strategy = distribution.make_strategy(config.strategy, config.tpu)
    batch_size = _batch_size(config, data, strategy)
    with distribution.precision(config.precision):
        with distribution.scope(strategy):
            network = build_network(
                network_of(config),
                weights=config.weights,
                classes=len(data.labels),
                image_size=config.image_size,
                dropout=config.dropout,
                survival_probability=config.survival_probability,
            )
            # Crop and interpolation are those that the weights were trained with.
            data, model = dataclasses.replace(data, record=network.record), network.model
            durations = _durations(config, len(data.train), batch_size, whole_batches=strategy is not None)
            arguments = compile_arguments(config, model, **durations.steps)
            if strategy is not None:  # what fills up the last batch of validation must not count
                arguments["weighted_metrics"] = arguments.pop("metrics")
            model.compile(**arguments)
        run.begin(config, data.labels, data.record)
        try:
            _announce(config, data, run)
            history, damaged = _fit(
                model,
                config,
                data,
                run=run,
                batch_size=batch_size,
                epochs=durations.epochs,
                whole_batches=strategy is not None,
            )
        except KeyboardInterrupt:
            _rescue(model, run)
            raise
        _refuse_divergence(history, config, run)
    metrics = _measure(run.load_model(), data, batch_size, config)
    run.finish(metrics)
    return TrainResult(run, metrics, len(history.epoch), (*data.skipped, *damaged))


@dataclasses.dataclass(frozen=True)
class _Durations:
    epochs: int
    steps: dict[str, int]


def _durations(config: TrainConfig, examples: int, batch_size: int, *, whole_batches: bool) -> _Durations:
    """Return epochs, and everything in steps; the one place that converts between them."""
    steps_per_epoch = examples // batch_size if whole_batches else math.ceil(examples / batch_size)
    steps = config.steps or (config.epochs or 1) * steps_per_epoch
    head = min((config.head_epochs or 0) * steps_per_epoch, steps)
    recipe = read_recipe(str(config.recipe))
    if config.steps is not None and config.head_epochs == recipe.get("head_epochs"):
        # So few steps may not reach the recipe's epochs: they keep its proportion.
        head = min(head, round(steps * (config.head_epochs or 0) / recipe["epochs"]))
    return _Durations(
        epochs=math.ceil(steps / steps_per_epoch),
        steps={
            "steps": steps,
            "head_steps": head,
            "warmup_steps": round((config.warmup_epochs or 0) * steps_per_epoch),
        },
    )


def _batch_size(config: TrainConfig, data: feeding.Data, strategy: tf.distribute.Strategy | None) -> int:
    """Return the batch over all devices, checked against them and the data."""
    batch_size = config.batch_size or 1
    devices = distribution.replicas(strategy)
    if batch_size % devices:
        raise UsageError(f"batch_size must be a multiple of the {devices} devices, got {batch_size}.")
    if strategy is not None and batch_size > len(data.train):
        raise UsageError(f"batch_size must be at most the {len(data.train)} training photographs, got {batch_size}.")
    return batch_size


def _announce(config: TrainConfig, data: feeding.Data, run: Run) -> None:
    print(
        f"{network_of(config).name} from {config.weights} weights, recipe {config.recipe}: "
        f"{len(data.train)} photographs to train on, {len(data.validation)} to validate on, "
        f"{len(data.labels)} classes. Run: {run.path}"
    )
    for file, reason in data.skipped:
        print(f"  skipped {file}: {reason}")
    if data.skipped:
        print(f"  {len(data.skipped)} files skipped in all.")


def _fit(
    model: keras.Model,
    config: TrainConfig,
    data: feeding.Data,
    *,
    run: Run,
    batch_size: int,
    epochs: int,
    whole_batches: bool,
) -> tuple[keras.callbacks.History, tuple[tuple[str, str], ...]]:
    """Run `fit` on the run's photographs; return its history, and the records that could not be used."""
    augmentation = augmenter(str(config.augment))
    training = feeding.training_batches(
        config, data, batch_size=batch_size, whole_batches=whole_batches, **feeding.changes(augmentation)
    )
    validation = feeding.batches(
        data.validation, config, data, batch_size=batch_size, training=False, pad_remainder=whole_batches
    )
    held_out = validation
    if whole_batches:
        held_out = feeding.evenly_weighted(validation, len(data.validation), batch_size)
    extra: list[keras.callbacks.Callback] = [StopAtStep(config.steps)] if config.steps else []
    if augmentation.follows_progress:
        extra.append(FollowProgress(augmentation))
    with named_errors(training, validation):
        history = model.fit(
            training,
            validation_data=held_out,
            epochs=epochs,
            callbacks=[*fit_callbacks(config, run), *extra],
            shuffle=False,  # the photographs come shuffled
            # A bar that moves where somebody watches, a line for each epoch in a log.
            verbose=1 if sys.stdout.isatty() else 2,
        )
    damaged = [row for dataset in (training, validation) if dataset.damage for row in dataset.damage.skipped]
    return history, tuple(dict.fromkeys(damaged))


def _rescue(model: keras.Model, run: Run) -> None:
    """Leave a network that can be used by a run that was stopped, however early."""
    if not run.model_file.exists():
        with uninterrupted():
            run.save_model(model)
    print(f"\nStopped. The best network so far is in {run.path}; it can be exported and used.")


def _refuse_divergence(history: keras.callbacks.History, config: TrainConfig, run: Run) -> None:
    losses = [loss for name in ("loss", "val_loss") for loss in history.history.get(name, [])[-1:]]
    if np.isfinite(losses).all():
        return
    kept = f"The best network before is in {run.path}." if run.model_file.exists() else "No network was kept."
    raise EfficientNetError(
        f"Training diverged: the loss was no longer a number in epoch {len(history.epoch)}. "
        f"Give a lower --learning_rate than {config.learning_rate:g}. {kept}"
    )


def _measure(model: keras.Model, data: feeding.Data, batch_size: int, config: TrainConfig) -> dict[str, Any]:
    """Return the figures of a network on the validation photographs."""
    dataset = feeding.batches(data.validation, config, data, batch_size=batch_size, training=False)
    probabilities, targets = [], []
    with named_errors(dataset):
        for images, labels in dataset:
            probabilities.append(model.predict_on_batch(images))
            targets.append(labels.numpy().argmax(-1))
    return evaluate_probabilities(np.concatenate(probabilities), np.concatenate(targets), data.labels)
