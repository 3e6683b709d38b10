"""One training run: its settings, the recipes, and the settings of earlier runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from efficientnet_tf.config.inputs import InputOptions
from efficientnet_tf.config.recipes import list_recipes, recipe_lines
from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import option
from efficientnet_tf.specs import variant_text


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig(InputOptions):
    """One training run. None means that the recipe decides, or the program where the text says so.

    >>> TrainConfig(variant="lite0", data="sample").resolve().recipe
    'finetune'
    """

    recipe: str | None = option(
        None,
        "Training",
        "Settings to begin with; by default finetune, or scratch with --weights=none.",
        choices=tuple(list_recipes()),
    )
    epochs: int | None = option(None, "Training", "Times that the training set is seen.", minimum=1, otherwise=10)
    steps: int | None = option(None, "Training", "Training steps in all, instead of --epochs.", minimum=1)
    head_epochs: int | None = option(
        None, "Training", "Epochs at the start that train the classifier alone.", minimum=0, otherwise=0
    )
    optimizer: str | None = option(
        None, "Training", "How gradients are applied.", choices=("adamw", "rmsprop", "sgd"), otherwise="adamw"
    )
    learning_rate: float | None = option(
        None, "Training", "Peak learning rate, for the whole network.", above=0.0, otherwise=0.001
    )
    learning_rate_batch: int | None = option(
        None,
        "Training",
        "Batch size that the learning rates are meant for; they are scaled in proportion to the real one, and the "
        "decay of the moving average accordingly. 0: as given.",
        minimum=0,
        otherwise=0,
    )
    schedule: str | None = option(
        None,
        "Training",
        "How the learning rate falls: cosine to 0, exponential (by --decay_rate every --decay_epochs), constant.",
        choices=("cosine", "exponential", "constant"),
        otherwise="cosine",
    )
    decay_epochs: float | None = option(
        None, "Training", "Epochs between two falls of the exponential schedule.", above=0.0, otherwise=2.4
    )
    decay_rate: float | None = option(
        None, "Training", "Factor of each fall of the exponential schedule.", above=0.0, maximum=1.0, otherwise=0.97
    )
    head_learning_rate: float | None = option(
        None, "Training", "Learning rate while the classifier is trained alone.", above=0.0, otherwise=0.001
    )
    warmup_epochs: float | None = option(
        None, "Training", "Epochs in which the learning rate rises from 0.", minimum=0.0, otherwise=0.0
    )
    weight_decay: float | None = option(None, "Training", "Weight decay.", minimum=0.0, otherwise=0.0)
    weight_decay_form: str | None = option(
        None,
        "Training",
        "decoupled (of kernels); l2, the gradient of half the square of all weights but those of batch "
        "normalisation, as the official code has it; l2_kernels, without biases too.",
        choices=("decoupled", "l2", "l2_kernels"),
        otherwise="decoupled",
    )
    ema_decay: float | None = option(
        None,
        "Training",
        "Decay of the moving average of weights and statistics, which is what is validated and kept; it rises as "
        "(1 + step) / (10 + step). 0 for none.",
        minimum=0.0,
        below=1.0,
        otherwise=0.0,
    )
    label_smoothing: float | None = option(
        None, "Training", "Share of the target spread over all classes.", minimum=0.0, below=1.0, otherwise=0.0
    )
    freeze: str | None = option(
        None,
        "Training",
        "What never trains: none, bn (statistics and scales of batch normalisation), backbone.",
        choices=("none", "bn", "backbone"),
        otherwise="none",
    )
    patience: int | None = option(
        None, "Training", "Epochs without a better validation loss before training stops.", minimum=1, otherwise=10
    )
    class_weights: str | None = option(
        None,
        "Training",
        "none, or balanced: a photograph counts in inverse proportion to the size of its class.",
        choices=("none", "balanced"),
        otherwise="none",
    )
    stages: int | None = option(
        None,
        "Training",
        "Stages of progressive learning: from one to the next the pictures grow from 128 pixels, and the strength of "
        "dropout and of augmentation rises.",
        minimum=1,
        otherwise=1,
    )
    on_nan: str = option(
        "stop",
        "Training",
        "What a loss that is no number, or above --loss_limit, leads to: stop, or rollback to the last checkpoint "
        "with half the learning rate.",
        choices=("stop", "rollback"),
    )
    loss_limit: float | None = option(None, "Training", "Loss of a batch that counts as diverged.", above=0.0)
    model_dir: str | None = option(None, "Run", "Folder of the run; by default runs/VARIANT-DATA, or the next free.")
    seed: int = option(0, "Run", "Seed of weights, order, crops and masks.", minimum=0, maximum=2**32 - 1)
    resume: str = option(
        "auto",
        "Run",
        "auto continues the run in --model_dir if one is there; never refuses; must refuses if there is none.",
        choices=("auto", "never", "must"),
    )
    checkpoint_steps: int | None = option(
        None,
        "Run",
        "Steps between checkpoints, besides the one after each epoch; by default as many as take about ten minutes.",
        minimum=1,
    )
    keep_every: int | None = option(
        None, "Run", "Keep each checkpoint whose step is a multiple of this; the newest two stay anyway.", minimum=1
    )
    profile: bool = option(False, "Machine", "Write a trace of steps 10 to 20 for TensorBoard.")
    strategy: str = option(
        "auto",
        "Machine",
        "auto (TPU with --tpu, several workers with TF_CONFIG or Slurm, all GPUs where there are several), single, "
        "mirrored, multiworker, tpu.",
        choices=("auto", "single", "mirrored", "multiworker", "tpu"),
    )
    tpu: str | None = option(None, "Machine", "Name or address of a TPU, or local; alone it selects --strategy=tpu.")
    accumulation: int = option(
        1, "Machine", "Parts into which each device divides its batch, to hold a batch larger than memory.", minimum=1
    )
    steps_per_execution: int = option(1, "Machine", "Training steps of one call into TensorFlow.", minimum=1)
    bn_statistics: str = option(
        "averaged",
        "Machine",
        "On several devices: averaged before they are used, or synchronised in every step.",
        choices=("averaged", "synchronised"),
    )
    recompute: bool = option(
        False,
        "Machine",
        "Compute the inside of each block once more for its gradient instead of keeping it: half the memory or less, a "
        "quarter more time.",
    )
    jit: str = option(
        "auto",
        "Machine",
        "Whether XLA compiles the whole training step: on, off, or auto: off on processors, on on TPUs, on GPUs "
        "whatever is faster in a few steps at the start.",
        choices=("auto", "on", "off"),
    )
    precision: str = option(
        "float32", "Machine", "Of the arithmetic; weights stay float32.", choices=("float32", "bfloat16", "float16")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.epochs is not None and self.steps is not None:
            raise UsageError(f"Give epochs or steps, not both; got {self.epochs} and {self.steps}.")
        if self.tpu and self.strategy not in ("auto", "tpu"):
            raise UsageError(f"--tpu={self.tpu} needs --strategy=tpu or auto, got {self.strategy}.")

    def resolve(self) -> TrainConfig:
        """Return a copy in which the recipe has filled what was left open.

        Raises:
            UsageError: a recipe that does not exist, or settings that contradict each other.
        """
        name = self.recipe or ("scratch" if self.weights == "none" else "finetune")
        from_recipe = read_recipe(name)
        # The user's own measure of time replaces the recipe's.
        if self.steps is not None:
            from_recipe.pop("epochs", None)
        if self.epochs is not None:
            from_recipe.pop("steps", None)
        filled: dict[str, Any] = {"recipe": name, "variant": variant_text(self.variant)}
        for field in dataclasses.fields(self):
            if getattr(self, field.name) is None and (field.name in from_recipe or "otherwise" in field.metadata):
                filled[field.name] = from_recipe.get(field.name, field.metadata.get("otherwise"))
        if filled.get("steps", self.steps) is not None:
            filled["epochs"] = None
        resolved = dataclasses.replace(self, **filled)
        if resolved.epochs is not None and (resolved.head_epochs or 0) > resolved.epochs:
            # A short run keeps the recipe's proportion; only the user's own words can contradict.
            if self.head_epochs is not None:
                raise UsageError(f"head_epochs must be at most epochs, got {self.head_epochs} and {resolved.epochs}.")
            share = from_recipe["head_epochs"] / from_recipe.get("epochs", resolved.epochs)
            resolved = dataclasses.replace(resolved, head_epochs=int(resolved.epochs * share))
        return resolved


def read_recipe(name: str) -> dict[str, Any]:
    """Return the settings of a recipe, each of its field's type.

    Raises:
        UsageError: no such recipe, or a line in it that is not `--setting=value`.
    """
    return {key: TrainConfig.parse(key, text) for key, text in recipe_lines(name).items()}


def read_config(path: str | Path) -> dict[str, Any]:
    """Return the settings of a run's config.json, without its folder: it would be overwritten.

    Raises:
        UsageError: no such file, or not JSON.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError:
        raise UsageError(f"There is no configuration file {path}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not JSON: {error}.") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path} must hold one JSON object, got a {type(values).__name__}.")
    # An earlier release's run names all that its recipe decided then, and had nothing of what came later.
    if values.keys() >= {"recipe", "optimizer", "learning_rate", "freeze", "patience"}:
        fields = dataclasses.fields(TrainConfig)
        values = {f.name: f.metadata["otherwise"] for f in fields if "otherwise" in f.metadata} | values
    return {key: value for key, value in values.items() if key not in ("model_dir", "preview") and value is not None}
