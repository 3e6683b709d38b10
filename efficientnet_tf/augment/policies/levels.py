"""From the level of an operation, 0 to 10, to its argument; standard library only."""

from __future__ import annotations

import dataclasses
import math

from efficientnet_tf.errors import unknown_name

#: Every operation; its place here is its number.
OPERATIONS = (
    "Identity", "AutoContrast", "Equalize", "Invert", "Posterize", "Solarize", "SolarizeAdd", "Color", "Contrast",
    "Brightness", "Sharpness", "Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY", "Cutout",
)  # fmt: skip

#: The level at which an operation is as strong as its policy means it to be; RandAugment goes beyond.
FULL = 10.0


@dataclasses.dataclass(frozen=True)
class Ramp:
    """How an argument follows from a level: `start + slope * level / 10`, from `lowest` to `highest`.

    Attributes:
        start: at level 0.
        slope: what level 10 adds.
        whole: fractions are cut off, as `int()` does.
        signed: what the level adds is taken away instead, half of the time.
        of_side: slope is a share of the picture's side (its width in TranslateX, its height in TranslateY, the
            shorter one in Cutout), not a number of pixels.
    """

    start: float = 0.0
    slope: float = 0.0
    whole: bool = False
    signed: bool = False
    of_side: bool = False
    lowest: float = -math.inf
    highest: float = math.inf

    def at(self, level: float, sign: int = 1) -> float:
        """Return the argument at a level, without its side; `sign` is -1 for the other direction.

        >>> SPACES["fixed"]["Posterize"].at(6), SPACES["fixed"]["Rotate"].at(9, -1)
        (2.0, -27.0)
        """
        value = self.start + sign * (level / FULL * self.slope)
        return min(max(float(int(value)) if self.whole else value, self.lowest), self.highest)


_NONE = Ramp()
_STRENGTH = Ramp(start=0.1, slope=1.8)
#: Beyond level 10, where RandAugment goes for large networks, half of the picture stays in sight all the same.
_MOVE = Ramp(slope=0.45, signed=True, of_side=True, lowest=-0.5, highest=0.5)

# fmt: off
#: The official code's arguments, but for its mistakes: posterizing leaves one bit at least, solarizing knows no
#: threshold beyond 256, and what moves moves by a share of the picture.
_FIXED = {
    "Identity":     _NONE,
    "AutoContrast": _NONE,
    "Equalize":     _NONE,
    "Invert":       _NONE,
    "Posterize":    Ramp(slope=4, whole=True, lowest=1, highest=8),
    "Solarize":     Ramp(slope=256, whole=True, lowest=0, highest=256),
    "SolarizeAdd":  Ramp(slope=110, whole=True, lowest=0, highest=255),
    "Color":        _STRENGTH,
    "Contrast":     _STRENGTH,
    "Brightness":   _STRENGTH,
    "Sharpness":    _STRENGTH,
    "Rotate":       Ramp(slope=30, signed=True),
    "ShearX":       Ramp(slope=0.3, signed=True),
    "ShearY":       Ramp(slope=0.3, signed=True),
    "TranslateX":   _MOVE,
    "TranslateY":   _MOVE,
    "Cutout":       Ramp(slope=40 / 224, of_side=True, highest=0.25),
}

#: Of the official code as it is. What is beyond the range of a byte wraps around, in `legacy` operations.
_LEGACY = _FIXED | {
    "Posterize":    Ramp(slope=4, whole=True),
    "Solarize":     Ramp(slope=256, whole=True),
    "SolarizeAdd":  Ramp(slope=110, whole=True),
    "TranslateX":   Ramp(slope=250, signed=True),
    "TranslateY":   Ramp(slope=250, signed=True),
    "Cutout":       Ramp(slope=100, whole=True),
}

#: RandAugment's official constants: translation up to 100 pixels, half a cutout's side up to 40.
_LEGACY_RANDAUGMENT = _LEGACY | {
    "TranslateX":   Ramp(slope=100, signed=True),
    "TranslateY":   Ramp(slope=100, signed=True),
    "Cutout":       Ramp(slope=40, whole=True),
}

_AROUND_ONE = Ramp(start=1, slope=0.9, signed=True, lowest=0.1)

#: Where every operation grows stronger with its level: the ranges of timm's `inc1`, which has no Cutout. Whole numbers
#: begin just below the next, so that cutting off counts down as timm's `4 - int(...)` and `256 - int(...)` do.
_INCREASING = _FIXED | {
    "Posterize":    Ramp(start=4.99, slope=-4, whole=True, lowest=1, highest=8),
    "Solarize":     Ramp(start=256.99, slope=-256, whole=True, lowest=0, highest=256),
    "Color":        _AROUND_ONE,
    "Contrast":     _AROUND_ONE,
    "Brightness":   _AROUND_ONE,
    "Sharpness":    _AROUND_ONE,
}

_WIDE_AROUND_ONE = Ramp(start=1, slope=0.99, signed=True, lowest=0)

#: TrivialAugment's wide ranges: Solarize as in the paper's code, the rest, which rounds, as in torchvision's. Their 32
#: pixels are of pictures of 224.
_WIDE = _FIXED | {
    "Posterize":    Ramp(start=8.5, slope=-6, whole=True, lowest=2, highest=8),
    "Solarize":     Ramp(start=256.99, slope=-256, whole=True, lowest=0, highest=256),
    "Color":        _WIDE_AROUND_ONE,
    "Contrast":     _WIDE_AROUND_ONE,
    "Brightness":   _WIDE_AROUND_ONE,
    "Sharpness":    _WIDE_AROUND_ONE,
    "Rotate":       Ramp(slope=135, signed=True),
    "ShearX":       Ramp(slope=0.99, signed=True),
    "ShearY":       Ramp(slope=0.99, signed=True),
    "TranslateX":   Ramp(slope=32 / 224, signed=True, of_side=True),
    "TranslateY":   Ramp(slope=32 / 224, signed=True, of_side=True),
}

#: AugMix's ranges.
_AUGMIX = _FIXED | {
    "Posterize":    Ramp(start=4.99, slope=-4, whole=True, lowest=1, highest=8),
    "Solarize":     Ramp(start=256.99, slope=-256, whole=True, lowest=0, highest=256),
    "TranslateX":   Ramp(slope=1 / 3, signed=True, of_side=True),
    "TranslateY":   Ramp(slope=1 / 3, signed=True, of_side=True),
}
# fmt: on

#: Each way from levels to arguments, by name.
SPACES = {
    "fixed": _FIXED,
    "legacy": _LEGACY,
    "legacy_randaugment": _LEGACY_RANDAUGMENT,
    "increasing": _INCREASING,
    "wide": _WIDE,
    "augmix": _AUGMIX,
}


def number_of(operation: str) -> int:
    """Return the number of an operation.

    Raises:
        UsageError: no such operation.

    >>> number_of("Equalize")
    2
    """
    if operation not in OPERATIONS:
        raise unknown_name("operation", operation, OPERATIONS)
    return OPERATIONS.index(operation)
