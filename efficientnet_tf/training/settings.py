"""A recipe as what `compile` and `fit` take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from efficientnet_tf.config import TrainConfig
from efficientnet_tf.errors import UsageError
from efficientnet_tf.run import Run
from efficientnet_tf.training.keeping import KeepBest, tensorboard
from efficientnet_tf.training.optimizer import build_optimizer
from efficientnet_tf.training.phases import HeadFirst, set_trainable
from efficientnet_tf.training.progress import FollowProgress
from efficientnet_tf.training.schedule import WarmupCosine


def recipe(name: str, model: keras.Model, *, steps: int, **changes: Any) -> dict[str, Any]:
    """Return what `model.compile` takes to train by a recipe.

    Args:
        name: `finetune` or `scratch`.
        model: the model to compile; under a strategy, call this within its scope.
        steps: training steps in all.
        changes: settings of the recipe to have otherwise, such as `learning_rate=0.001`.

    Returns:
        `optimizer`, `loss` and `metrics`. What the recipe never trains is frozen in the model.

    Raises:
        UsageError: no such recipe or setting.

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="predictions")])
    >>> sorted(recipe("finetune", model, steps=100))
    ['loss', 'metrics', 'optimizer']
    """
    config = TrainConfig.from_json({**changes, "recipe": name}).resolve()
    share = 1.0 / (config.epochs or 1)
    return compile_arguments(
        config,
        model,
        steps=steps,
        head_steps=round(steps * (config.head_epochs or 0) * share),
        warmup_steps=round(steps * (config.warmup_epochs or 0) * share),
    )


def compile_arguments(
    config: TrainConfig, model: keras.Model, *, steps: int, head_steps: int, warmup_steps: int
) -> dict[str, Any]:
    """Return what `model.compile` takes for a resolved configuration and durations in steps."""
    # The optimizer has slots for what the last phase trains, so that the trained model can be saved with it.
    set_trainable(model, str(config.freeze))
    schedule = WarmupCosine(
        float(config.learning_rate or 0),
        steps,
        warmup_steps=warmup_steps,
        head_steps=head_steps,
        head_learning_rate=float(config.head_learning_rate or 0),
    )
    classes = int(model.output_shape[-1])
    top5 = [keras.metrics.TopKCategoricalAccuracy(5, name="top5")] if classes > 5 else []
    return {
        "optimizer": build_optimizer(
            str(config.optimizer),
            schedule,
            weight_decay=float(config.weight_decay or 0),
            variables=model.trainable_variables,
        ),
        "loss": _loss(model, float(config.label_smoothing or 0)),
        "metrics": [keras.metrics.CategoricalAccuracy(name="top1"), *top5],
    }


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
        model_dir: folder for `model.keras` and `metrics.csv`.
        recipe: `finetune` or `scratch`.
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
    made = fit_callbacks(config, run)
    if data is not None:
        run.describe(data.class_names, data.preprocessing)
        augmenter = getattr(data, "augmenter", None)
        if augmenter is not None and augmenter.follows_progress:
            made.append(FollowProgress(augmenter))
    return made


def fit_callbacks(config: TrainConfig, run: Run) -> list[keras.callbacks.Callback]:
    """Return the callbacks of a resolved configuration."""
    run.make_folder()
    return [
        HeadFirst(str(config.freeze)),
        KeepBest(run, freeze=str(config.freeze)),
        *tensorboard(run),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.CSVLogger(str(run.history_file)),
        keras.callbacks.EarlyStopping("val_loss", patience=int(config.patience or 1), verbose=0),
    ]
