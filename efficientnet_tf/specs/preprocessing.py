"""The preprocessing record: how a photograph becomes the input of a network, as data.

One record lives in the run, on the model card and in every exported artifact, so that no two
places can disagree about it.
"""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from efficientnet_tf.errors import UsageError, unknown_name

#: What `interpolation` may be. `bicubic` is Pillow's, antialiased; `tf1_bicubic` is the resize of
#: TensorFlow 1 that the official checkpoints were trained with (no antialiasing, pixels counted from their
#: upper left corners: `half_pixel_centers=False`).
#: `bilinear` is antialiased; `tf2_bilinear` is not, as in the official EfficientNetV2.
INTERPOLATIONS = ("bicubic", "tf1_bicubic", "bilinear", "tf2_bilinear")
#: What `crop` may be.
CROPS = ("center", "none")
#: What a side of an input may be at most, in pixels; and what `scale` and `offset` may, which are float32.
MOST_PIXELS, LARGEST = 16_384, 1e30


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """How pixels are cropped, resized and scaled before the first convolution.

    Attributes:
        image_size: (height, width) in pixels that the network takes.
        crop: `"center"`, the official evaluation crop: a centred square of side
            `int(size / (size + crop_padding) * min(height, width))`; or `"none"`, the whole photograph, squeezed
            into the input (official EfficientNetV2 from 320 pixels on).
        crop_padding: pixels; 32 for every checkpoint published before November 2021.
        interpolation: one of `INTERPOLATIONS`.
        scale: per channel (R, G, B), applied to pixels of 0...255 as `x * scale + offset`.
        offset: per channel (R, G, B).

    >>> Preprocessing(image_size=(224, 224), scale=(1 / 128,) * 3, offset=(-127 / 128,) * 3).crop_padding
    32
    """

    image_size: tuple[int, int]
    crop: str = "center"
    crop_padding: int = 32
    interpolation: str = "bicubic"
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        for name, allowed in (("crop", CROPS), ("interpolation", INTERPOLATIONS)):
            value = getattr(self, name)
            if value not in allowed:
                raise unknown_name(name, value if isinstance(value, str) else _short(value), allowed)
        # Files carry records, and a crafted one must not fill the memory when its first picture is decoded.
        if not _are(self.image_size, Integral, 2, least=1, most=MOST_PIXELS):
            given = _short(self.image_size)
            raise UsageError(f"image_size must be two numbers of pixels of 1 to {MOST_PIXELS}, got {given}.")
        if not _are((self.crop_padding,), Integral, 1, least=0, most=MOST_PIXELS):
            given = _short(self.crop_padding)
            raise UsageError(f"crop_padding must be a number of pixels of 0 to {MOST_PIXELS}, got {given}.")
        for name in ("scale", "offset"):
            if not _are(getattr(self, name), Real, 3, least=-LARGEST, most=LARGEST):
                raise UsageError(f"{name} must be three numbers, got {_short(getattr(self, name))}.")

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values, in the order of the fields."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Return the record that `to_json` wrote.

        >>> record = Preprocessing(image_size=(240, 240))
        >>> Preprocessing.from_json(record.to_json()) == record
        True
        """
        allowed = [field.name for field in dataclasses.fields(cls)]
        for name in values if isinstance(values, Mapping) else ():
            if name not in allowed:
                raise unknown_name("preprocessing field", name, allowed)
        if not isinstance(values, Mapping) or not isinstance(values.get("image_size"), list | tuple):
            raise UsageError(f"A preprocessing record must be an object with image_size, got {_short(values)}.")
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**fields)


def _are(values: Any, kind: Any, number: int, *, least: float, most: float) -> bool:
    """Return whether something is so many numbers of a kind within limits; a truth value is none, nor is NaN."""
    if not isinstance(values, tuple | list) or len(values) != number:
        return False
    return all(isinstance(value, kind) and not isinstance(value, bool) and least <= value <= most for value in values)


def _short(value: Any) -> str:
    """Return a value as a message shows it, however long or deep it is."""
    return reprlib.repr(value)
