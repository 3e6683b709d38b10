"""What a base is scaled by, or which of the paper's tables of it are counted again."""

from __future__ import annotations

import dataclasses
import math
import re

from efficientnet_tf.errors import UsageError
from efficientnet_tf.options import Options, option
from efficientnet_tf.specs import ALPHA, BETA, DIMENSIONS, GAMMA, Coefficients, spec

PHIS = ("0", "1", "2", "3", "4", "5", "6", "7")
TARGETS = ("target_madds", "target_params", "target_memory")
#: What a letter behind a number of operations, parameters or bytes multiplies it by; B is the paper's billion.
THOUSANDS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}
BYTES = {"": 1, "B": 1, **{f"{letter}B": 10**power for letter, power in (("K", 3), ("M", 6), ("G", 9), ("T", 12))}}
BYTES |= {f"{letter}IB": 2**power for letter, power in (("K", 10), ("M", 20), ("G", 30), ("T", 40))}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalingOptions(Options):
    """What a base is scaled by, or which of the paper's tables of it are counted again.

    >>> ScalingOptions(target_memory="8GiB").targets()
    {'target_memory': 8589934592.0}
    """

    base: str = option("b0", "Base", "The network to scale: any variant, such as b0, lite0, mobilenetv2, resnet50.")
    alpha: float = option(ALPHA, "Base", "Growth of depth when phi grows by 1, from 1 to 2.")
    beta: float = option(BETA, "Base", "Growth of width, from 1 to 2.")
    gamma: float = option(GAMMA, "Base", "Growth of resolution, from 1 to 2.")
    phi: tuple[str, ...] = option(PHIS, "Scaling", "Compound coefficients, separated by commas, from -10 to 100.")
    target_madds: str | None = option(
        None, "Scaling", "Instead of --phi: the largest phi within so many multiply-adds, such as 4.2e9 or 4.2G."
    )
    target_params: str | None = option(None, "Scaling", "The same for trainable parameters, such as 12M.")
    target_memory: str | None = option(
        None, "Scaling", "The same for what a float32 training step keeps in memory, such as 8GiB."
    )
    depth: float | None = option(None, "Scaling", "Instead of --phi: a factor of depth alone.")
    width: float | None = option(None, "Scaling", "A factor of width.")
    resolution: float | None = option(None, "Scaling", "A factor of resolution.")
    table: tuple[str, ...] = option(
        (), "Paper", "Instead of all these: the paper's Table 3 or 7, or 3,7 for both, recounted.", choices=("3", "7")
    )
    output: str | None = option(None, "Output", "A .csv file to write the rows to.")
    plot: str | None = option(None, "Output", "A .png file for the curves of --phi and of each dimension alone.")
    save: str | None = option(
        None, "Output", "A .json file for the one network that comes of it, which every --variant takes."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        spec(self.base)
        Coefficients(self.alpha, self.beta, self.gamma)
        for name, ending in (("output", ".csv"), ("plot", ".png"), ("save", ".json")):
            path = getattr(self, name)
            if path is not None and not path.lower().endswith(ending):
                raise UsageError(f"--{name} must be a {ending} file, got {path!r}.")
        self.phis()
        self.targets()

    def scaled_by(self) -> list[str]:
        """Return the first flag of each kind that was given."""
        return [
            *(["--table"] if self.table else []),
            *(["--phi"] if self.phi != PHIS else []),
            *[f"--{name}" for name in TARGETS if getattr(self, name) is not None][:1],
            *[f"--{name}" for name in DIMENSIONS if getattr(self, name) is not None][:1],
        ]

    def phis(self) -> tuple[float, ...]:
        """Return phi as numbers.

        Raises:
            UsageError: no number, or something else.
        """
        return numbers("phi", self.phi)

    def targets(self) -> dict[str, float]:
        """Return the targets that were given, as numbers of operations, parameters and bytes.

        Raises:
            UsageError: a text that is no such number.
        """
        texts = {name: getattr(self, name) for name in TARGETS}
        return {name: _quantity(name, text) for name, text in texts.items() if text is not None}

    def factors(self) -> dict[str, float]:
        """Return the factors that were given."""
        values = {name: getattr(self, name) for name in DIMENSIONS}
        return {name: value for name, value in values.items() if value is not None}


def numbers(name: str, texts: tuple[str, ...]) -> tuple[float, ...]:
    """Return the values of a flag as numbers.

    Raises:
        UsageError: no number, or something else.
    """
    try:
        values = tuple(map(float, texts))
    except ValueError:
        values = ()
    if not values or not all(map(math.isfinite, values)):
        raise UsageError(f"{name} must be numbers separated by commas, got {','.join(texts)!r}.")
    return values


def _quantity(name: str, text: str) -> float:
    """Return a number with a unit behind it."""
    units = BYTES if name == "target_memory" else THOUSANDS
    found = re.fullmatch(r"(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?) ?([A-Za-z]*)", text.strip())
    if found is None or found[2].upper() not in units:
        example = "8GiB or 8.5e9" if name == "target_memory" else "4.2G or 4.2e9"
        raise UsageError(f"{name} must be a number such as {example}, got {text!r}.")
    return float(found[1]) * units[found[2].upper()]
