"""Progressive learning: stages in which pictures grow, and dropout and augmentation with them (Tan and Le, 2021)."""

from __future__ import annotations

import dataclasses

from efficientnet_tf.augment.policies.grammar import NOTHING, CutMix, MixUp, Plan, RandAugment
from efficientnet_tf.config import TrainConfig, network_of, read_recipe
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import spec

#: Side in pixels from which pictures grow, level of RandAugment and rate of dropout from which they rise. Mixing begins
#: with none. The first two are of the released code, which fixes dropout; the third is the paper's Table 6.
FIRST_SIZE, FIRST_LEVEL, FIRST_DROPOUT = 128, 5.0, 0.1


@dataclasses.dataclass(frozen=True)
class Stage:
    """One stage of a training.

    Attributes:
        first_epoch: counted from 0.
        epochs: how many, one or more.
        image_size: side of the training pictures in pixels; validation keeps the network's own.
        dropout: rate before the classifier.
        augment: what is done to the pictures, in the grammar of `--augment`.
    """

    first_epoch: int
    epochs: int
    image_size: int
    dropout: float
    augment: str


@dataclasses.dataclass(frozen=True)
class LastStage:
    """What the last stage of a variant has: side in pixels, and augmentation; dropout is the variant's own."""

    image_size: int
    augment: str


# The released effnetv2_configs.py. The paper's Table 6 has for S, M and L 300, 380 and 380 pixels, levels 15, 20 and
# 25, mixing 0, 0.2 and 0.4 and dropout 0.3, 0.4 and 0.5.
LAST_STAGES = {
    "v2-b0": LastStage(192, "autoaugment:legacy"),
    "v2-b1": LastStage(192, "autoaugment:legacy"),
    "v2-b2": LastStage(208, "autoaugment:legacy"),
    "v2-b3": LastStage(240, "autoaugment:legacy"),
    "v2-s": LastStage(300, "randaugment:n=2,m=10,legacy"),
    "v2-m": LastStage(384, "randaugment:n=2,m=15,legacy+mixup:0.2+cutmix:0.2"),
    "v2-l": LastStage(384, "randaugment:n=2,m=20,legacy+mixup:0.5+cutmix:0.5"),
    "v2-xl": LastStage(384, "randaugment:n=2,m=20,legacy+mixup:0.5+cutmix:0.5"),
}

# Of other variants the released code trains on pictures of 0.8 of the side of evaluation, in multiples of 16.
_TRAINING_SHARE, _MULTIPLE = 0.8, 16


def stages(config: TrainConfig, epochs: int) -> tuple[Stage, ...]:
    """Return the stages of a training, one after the other.

    Sizes are those of the released code, 128 + (last - 128) * (stage + 1) / stages; with a last one of 128 or less,
    half of that takes the place of 128. Levels, mixing and dropout rise evenly from the first stage to the last. A
    setting of the user's own, `image_size`, `dropout` or an `augment` other than the recipe's, is what the last stage
    has. What has no strength, such as AutoAugment, is the same in all. Stages are of whole epochs.

    Args:
        config: resolved.
        epochs: of the training, those that are begun.

    Returns:
        As many as `config.stages`; a single one for 1, which is the configuration as it is.

    Raises:
        UsageError: more stages than epochs.

    >>> config = TrainConfig(variant="v2-m", recipe="imagenet-v2").resolve()
    >>> for stage in stages(config, 350):
    ...     print(stage.first_epoch, stage.epochs, stage.image_size, round(stage.dropout, 3), stage.augment)
    0 87 192 0.1 randaugment:n=2,m=5,legacy
    87 88 256 0.167 randaugment:n=2,m=8.33333,legacy+mixup:0.0666667+cutmix:0.0666667
    175 87 320 0.233 randaugment:n=2,m=11.6667,legacy+mixup:0.133333+cutmix:0.133333
    262 88 384 0.3 randaugment:n=2,m=15,legacy+mixup:0.2+cutmix:0.2
    """
    count = config.stages or 1
    network = network_of(config)
    dropout = network.dropout if config.dropout is None else config.dropout
    if count == 1:
        return (Stage(0, epochs, config.image_size or network.image_size, dropout, str(config.augment or NOTHING)),)
    if count > epochs:
        raise UsageError(f"stages must be at most the {epochs} epochs, got {count}.")
    last = _last_stage(config)
    first_size = FIRST_SIZE if last.image_size > FIRST_SIZE else last.image_size // 2
    first_epochs = [epochs * stage // count for stage in range(count + 1)]
    return tuple(
        Stage(
            first_epoch=first_epochs[stage],
            epochs=first_epochs[stage + 1] - first_epochs[stage],
            image_size=int(first_size + (last.image_size - first_size) * (stage + 1) / count),
            dropout=_between(min(FIRST_DROPOUT, dropout), dropout, stage / (count - 1)),
            augment=_weakened(last.augment, stage / (count - 1)),
        )
        for stage in range(count)
    )


def _last_stage(config: TrainConfig) -> LastStage:
    """Return the user's own settings where there are any, else the variant's, else those of the recipe."""
    network = network_of(config)
    own = LAST_STAGES.get(spec(config.variant).name)
    by_rule = max(_MULTIPLE, int(network.image_size * _TRAINING_SHARE) // _MULTIPLE * _MULTIPLE)
    of_recipe = read_recipe(str(config.recipe)).get("augment", NOTHING)
    augment = str(config.augment or NOTHING)
    return LastStage(
        image_size=config.image_size or (own.image_size if own else by_rule),
        augment=own.augment if own and augment == of_recipe else augment,
    )


def _weakened(augment: str, share: float) -> str:
    """Return an augmentation as it is when a share of the stages, from 0 to 1, is over."""
    parts = [part.strip() for part in augment.split("+")]
    return "+".join(weak for part in parts if (weak := _weakened_part(part, share))) or NOTHING


def _weakened_part(part: str, share: float) -> str:
    plan = Plan.parse(part)
    for step in (*plan.stages, *plan.mixes):
        if isinstance(step, MixUp | CutMix):
            alpha = _between(0.0, step.alpha, share)
            return f"{part.partition(':')[0]}:{alpha:.6g}" if alpha else ""
        if isinstance(step, RandAugment):
            first = min(FIRST_LEVEL, step.m) if step.start is None else step.start
            kept = {name: value for name, value in dataclasses.asdict(step).items() if name not in ("start", "m")}
            words = [f"n={kept.pop('n')}", f"m={_between(first, step.m, share):.6g}"]
            words += [f"{name}={value:g}" for name, value in kept.items() if value and value is not True]
            words += [name for name, value in kept.items() if value is True]
            return f"randaugment:{','.join(words)}"
    return part


def _between(first: float, last: float, share: float) -> float:
    """Return the value that is a share of the way from the first to the last."""
    return first + (last - first) * share
