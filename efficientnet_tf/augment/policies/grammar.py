"""The grammar of `--augment`: `randaugment:n=2,m=15+erasing:p=0.25+mixup:0.2`; standard library only.

Names joined by `+`, in the order in which they are applied; after a colon a name's settings, separated by commas, as
`setting=value`, or a word alone for one that is on or off. MixUp and CutMix, which take whole batches, come last
wherever they stand.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from efficientnet_tf.augment.policies.tables import POLICIES
from efficientnet_tf.errors import UsageError, unknown_name
from efficientnet_tf.options import Options, option

#: The text that leaves pictures as they are.
NOTHING = "none"

_LEGACY = option(False, "", "With the official code's mistakes and absolute translations.")
_SHARE = {"minimum": 0.0, "maximum": 1.0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoAugment(Options):
    """One sub-policy of a learned policy for each picture."""

    policy: str = option("v0", "", "The policy's name.", choices=tuple(POLICIES))
    legacy: bool = _LEGACY


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandAugment(Options):
    """`n` operations, drawn anew for each picture, all at level `m`."""

    n: int = option(2, "", "Operations for each picture.", minimum=1, maximum=16)
    m: float = option(10.0, "", "Their level.", minimum=0.0, maximum=30.0)
    start: float | None = option(
        None, "", "Level of the first epoch, from which m is reached in the last.", minimum=0.0, maximum=30.0
    )
    std: float = option(0.0, "", "Standard deviation of the level, from picture to picture.", minimum=0.0, maximum=30.0)
    increasing: bool = option(False, "", "Every operation grows stronger with its level.")
    legacy: bool = _LEGACY

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.legacy and self.increasing:
            raise UsageError("Give legacy or increasing, not both: the official code knows no other ranges.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrivialAugment(Options):
    """One operation at one level, both drawn evenly."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugMix(Options):
    """Several chains of operations, mixed with each other and with the picture."""

    severity: float = option(3.0, "", "The highest level.", minimum=0.0, maximum=10.0)
    width: int = option(3, "", "Chains.", minimum=1, maximum=10)
    depth: int = option(0, "", "Operations in a chain; 0 draws one to three.", minimum=0, maximum=10)
    alpha: float = option(1.0, "", "Of the distributions that the weights are drawn from.", above=0.0, maximum=100.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cutout(Options):
    """A square about a random place of every picture is hidden."""

    size: float = option(0.5, "", "Its side, as a share of the picture's shorter side.", above=0.0, maximum=2.0)
    fill: str = option("noise", "", "What it holds: noise, or grey (128).", choices=("noise", "grey"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Erasing(Options):
    """A rectangle of some pictures is hidden (Zhong et al., AAAI 2020)."""

    p: float = option(0.25, "", "Share of the pictures.", **_SHARE)
    smallest: float = option(0.02, "", "Least share of the picture that is hidden.", above=0.0, maximum=1.0)
    largest: float = option(1 / 3, "", "Largest share of the picture that is hidden.", above=0.0, maximum=1.0)
    aspect: float = option(0.3, "", "Least ratio of its sides; the largest is 1 / aspect.", above=0.0, maximum=1.0)
    fill: str = option("noise", "", "What it holds: noise, or grey (128).", choices=("noise", "grey"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smallest > self.largest:
            raise UsageError(f"smallest must be at most largest, got {self.smallest} and {self.largest}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixUp(Options):
    """Pictures and labels become weighted means of two (Zhang et al., ICLR 2018)."""

    alpha: float = option(0.2, "", "Both parameters of the weight's Beta distribution.", above=0.0, maximum=100.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CutMix(Options):
    """A rectangle of another picture is pasted in, with its share of the label (Yun et al., ICCV 2019)."""

    alpha: float = option(1.0, "", "Both parameters of the area's Beta distribution.", above=0.0, maximum=100.0)


Stage = AutoAugment | RandAugment | TrivialAugment | AugMix | Cutout | Erasing
Mix = MixUp | CutMix

STAGES: dict[str, type[Stage]] = {
    "autoaugment": AutoAugment,
    "randaugment": RandAugment,
    "trivialaugment": TrivialAugment,
    "augmix": AugMix,
    "cutout": Cutout,
    "erasing": Erasing,
}
MIXES: dict[str, type[Mix]] = {"mixup": MixUp, "cutmix": CutMix}

#: Settings that may be given as a value alone: `mixup:0.2`.
_MAIN_SETTING = {"mixup": "alpha", "cutmix": "alpha", "autoaugment": "policy"}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is done to pictures, one by one, and then to batches.

    >>> Plan.parse("autoaugment:legacy+mixup:0.2")
    Plan(stages=(AutoAugment(policy='v0', legacy=True),), mixes=(MixUp(alpha=0.2),))
    """

    stages: tuple[Stage, ...] = ()
    mixes: tuple[Mix, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Plan:
        """Return the plan of a text.

        Raises:
            UsageError: an unknown name or setting, a value out of its range, or a mix that is given twice.
        """
        parts = [part.strip() for part in text.split("+")]
        if parts in ([""], [NOTHING]):
            return cls()
        if NOTHING in (part.partition(":")[0].strip() for part in parts):
            raise UsageError(f"{NOTHING!r} must stand alone, got {text!r}.")
        steps = [_parse_step(part) for part in parts]
        mixes = tuple(step for step in steps if isinstance(step, MixUp | CutMix))
        if len(mixes) != len({type(mix) for mix in mixes}):
            raise UsageError(f"augment has mixup or cutmix twice: {text!r}.")
        return cls(tuple(step for step in steps if not isinstance(step, MixUp | CutMix)), mixes)


def _parse_step(text: str) -> Stage | Mix:
    name, colon, rest = (side.strip() for side in text.partition(":"))
    kinds: dict[str, type[Any]] = {**STAGES, **MIXES}
    if name not in kinds:
        raise unknown_name("augmentation", name, (*kinds, NOTHING))
    kind = kinds[name]
    if colon and not rest:
        raise UsageError(f"{text!r} ends in a colon. Settings of {name}: {_settings(kind)}.")
    values: dict[str, Any] = {}
    for part in rest.split(",") if colon else ():
        key, value = _parse_setting(name, kind, part.strip())
        if key in values:
            raise UsageError(f"{name} has {key} twice: {text!r}.")
        values[key] = value
    try:
        return kind(**values)  # type: ignore[no-any-return]
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None


def _parse_setting(name: str, kind: type[Any], part: str) -> tuple[str, Any]:
    fields = [field.name for field in dataclasses.fields(kind)]
    key, equals, value = (side.strip() for side in part.partition("="))
    main = _MAIN_SETTING.get(name)
    if not equals and key not in fields and main is not None and _could_be(main, key):
        key, value = main, key
    if key not in fields:
        if not fields:
            raise UsageError(f"{name} has no settings, got {part!r}.")
        policies = tuple(POLICIES) if main == "policy" and not equals else ()
        raise unknown_name(f"setting{' or policy' if policies else ''} of {name}", key, (*fields, *policies))
    if not value:
        if equals or not isinstance(kind.__dataclass_fields__[key].default, bool):
            raise UsageError(f"{name}: {key} needs a value, as in {key}={_example(kind, key)}.")
        return key, True
    try:
        return key, kind.parse(key, value)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None


def _example(kind: type[Any], key: str) -> str:
    field = kind.__dataclass_fields__[key]
    value = field.metadata["minimum"] if field.default is None else field.default
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _could_be(setting: str, text: str) -> bool:
    """Return whether a value without a name is meant for the main setting."""
    if setting == "policy":
        return text in POLICIES
    return text[:1].isdigit() or text[:1] in ".-"


def _settings(kind: type[Any]) -> str:
    return ", ".join(field.name for field in dataclasses.fields(kind)) or "none"
