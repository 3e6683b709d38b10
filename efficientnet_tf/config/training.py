"""One training run: its settings, the recipes, and the settings of earlier runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from efficientnet_tf.augment.policies.grammar import Plan
from efficientnet_tf.config.network import VARIANTS, WEIGHTS, network_of
from efficientnet_tf.errors import UsageError, unknown_name
from efficientnet_tf.options import Options, option
from efficientnet_tf.specs import spec

RECIPES_FOLDER = Path(__file__).parents[1] / "recipes"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig(Options):
    """One training run. None means that the recipe decides, or the program where the text says so.

    >>> TrainConfig(variant="lite0", data="sample").resolve().recipe
    'finetune'
    """

    variant: str = option("b0", "Network", VARIANTS)
    phi: float | None = option(None, "Network", "Compound scaling of the variant, paper's Equation 3.")
    width: float | None = option(None, "Network", "Factor of the variant's widths, instead of --phi.", above=0.0)
    depth: float | None = option(None, "Network", "Factor of the variant's repeats, instead of --phi.", above=0.0)
    weights: str = option("imagenet", "Network", f"Weights to begin with: none, {WEIGHTS}")
    image_size: int | None = option(
        None, "Network", "Side of the square input in pixels; by default the variant's own.", minimum=32
    )
    dropout: float | None = option(
        None, "Network", "Rate before the classifier; by default the variant's own.", minimum=0.0, below=1.0
    )
    survival_probability: float | None = option(
        None, "Network", "Of the last block under stochastic depth.", above=0.0, maximum=1.0, otherwise=0.8
    )
    data: str | None = option(
        None,
        "Data",
        "Photographs: sample (bundled), a folder of class folders, csv:FILE, tfds:NAME[:SPLIT], tfrecord:GLOB, "
        "idx:FOLDER, or synthetic. Required.",
    )
    batch_size: int | None = option(None, "Data", "Photographs per training step.", minimum=1, otherwise=32)
    validation_fraction: float = option(
        0.2, "Data", "Share held out of a source that has no validation of its own.", above=0.0, below=1.0
    )
    cache: str = option(
        "auto",
        "Data",
        "Where encoded photographs are kept between epochs: auto (in memory up to 256 MB), none, memory, "
        "or a folder for copies of the records of tfrecord: and tfds:.",
    )
    shuffle_buffer: int = option(
        1024, "Data", "Records of tfrecord: and tfds: among which the next one is drawn.", minimum=1
    )
    max_bad_files: float = option(
        0.1, "Data", "Share of damaged or empty photographs above which nothing is trained.", minimum=0.0, maximum=1.0
    )
    crop_area: float | None = option(
        None,
        "Data",
        "Smallest share of a photograph that a training crop covers.",
        above=0.0,
        maximum=1.0,
        otherwise=0.08,
    )
    augment: str | None = option(
        None,
        "Data",
        "What is done to the photographs of every epoch anew: none, autoaugment[:legacy|:policy=NAME], "
        "randaugment[:n=2,m=10,std=0,increasing], trivialaugment, augmix, cutout, erasing[:p=0.25], mixup[:0.2], "
        "cutmix[:1.0]; several joined by +.",
        otherwise="none",
    )
    preview: str | None = option(
        None, "Data", "Instead of training, write a PNG of what the network will see: photographs before and after."
    )
    recipe: str | None = option(
        None,
        "Training",
        "Settings to begin with: finetune, or scratch with --weights=none.",
        choices=("finetune", "scratch"),
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
    head_learning_rate: float | None = option(
        None, "Training", "Learning rate while the classifier is trained alone.", above=0.0, otherwise=0.001
    )
    warmup_epochs: float | None = option(
        None, "Training", "Epochs in which the learning rate rises from 0.", minimum=0.0, otherwise=0.0
    )
    weight_decay: float | None = option(
        None, "Training", "Decoupled weight decay of kernels.", minimum=0.0, otherwise=0.0
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
    model_dir: str | None = option(None, "Run", "Folder of the run; by default runs/VARIANT-DATA, or the next free.")
    seed: int = option(0, "Run", "Seed of weights, order, crops and masks.", minimum=0, maximum=2**32 - 1)
    strategy: str = option(
        "auto",
        "Machine",
        "auto (TPU with --tpu, all GPUs where there are several), single, mirrored, tpu.",
        choices=("auto", "single", "mirrored", "tpu"),
    )
    tpu: str | None = option(None, "Machine", "Name or address of a TPU, or local; alone it selects --strategy=tpu.")
    precision: str = option(
        "float32", "Machine", "Of the arithmetic; weights stay float32.", choices=("float32", "bfloat16", "float16")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        network_of(self)
        if self.augment is not None:
            Plan.parse(self.augment)
        if self.preview is not None and not self.preview.lower().endswith(".png"):
            raise UsageError(f"--preview must end in .png, got {self.preview!r}.")
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
        if self.steps is not None:
            from_recipe.pop("epochs", None)
        filled: dict[str, Any] = {"recipe": name, "variant": spec(self.variant).name}
        for field in dataclasses.fields(self):
            if getattr(self, field.name) is None and "otherwise" in field.metadata:
                filled[field.name] = from_recipe.get(field.name, field.metadata["otherwise"])
        if self.steps is not None:
            filled["epochs"] = None
        resolved = dataclasses.replace(self, **filled)
        if resolved.epochs is not None and (resolved.head_epochs or 0) > resolved.epochs:
            # A short run keeps the recipe's proportion; only the user's own words can contradict.
            if self.head_epochs is not None:
                raise UsageError(f"head_epochs must be at most epochs, got {self.head_epochs} and {resolved.epochs}.")
            share = from_recipe["head_epochs"] / from_recipe.get("epochs", resolved.epochs)
            resolved = dataclasses.replace(resolved, head_epochs=int(resolved.epochs * share))
        return resolved


def list_recipes() -> list[str]:
    """Return the names of the recipes."""
    return sorted(path.stem for path in RECIPES_FOLDER.glob("*.cfg"))


def read_recipe(name: str) -> dict[str, Any]:
    """Return the settings of a recipe.

    Args:
        name: of a file in `efficientnet_tf/recipes/`, without its ending.

    Raises:
        UsageError: no such recipe, or a line in it that is not `--setting=value`.
    """
    if name not in list_recipes():
        raise unknown_name("recipe", name, list_recipes())
    settings = {}
    for line in (RECIPES_FOLDER / f"{name}.cfg").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            key, equals, value = line.strip().removeprefix("--").partition("=")
            if not equals:
                raise UsageError(f"Recipe {name!r} has a line that is not --setting=value: {line!r}.")
            settings[key] = TrainConfig.parse(key, value)
    return settings


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
    # A run from before there was augmentation names all that its recipe decided, and had none.
    decided = {field.name for field in dataclasses.fields(TrainConfig) if "otherwise" in field.metadata}
    if decided - values.keys() == {"augment"}:
        values["augment"] = "none"
    return {key: value for key, value in values.items() if key not in ("model_dir", "preview") and value is not None}
