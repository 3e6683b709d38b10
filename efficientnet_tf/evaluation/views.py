"""The views of a photograph whose answers are averaged: one, ten crops, mirror images, other scales."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Preprocessing

Array = np.ndarray[Any, Any]

#: From pictures, uint8 [N, H, W, 3], to what the network is given of them, uint8 [N, height, width, 3].
Cut = Callable[[Array], Array]

#: Pixels between the crops of ten and the edge of what they are cut from, where a network's own record has none.
MARGIN = 32


@dataclasses.dataclass(frozen=True)
class Look:
    """One decoding of a photograph, and the views that are cut from it.

    Attributes:
        record: how photographs become pictures.
        cuts: from these pictures to the network's input.
    """

    record: Preprocessing
    cuts: tuple[Cut, ...]


def looks(record: Preprocessing, *, crops: int = 1, tta: Sequence[str] = ()) -> list[Look]:
    """Return how photographs are looked at.

    Args:
        record: how photographs become the network's input.
        crops: 1, the record's own crop; or 10, four corners and the centre, and their mirror images, of a square that
            is as large as the photograph allows, resized to the input's size and `crop_padding` more (Krizhevsky et
            al., 2012, section 4.1: 224 of 256 pixels). With a record that takes the whole photograph, they are cut
            from the whole photograph resized so. The scale is that of the record's own crop.
        tta: `flip` adds the mirror image; `zoom` adds the crops with no padding and with twice the record's own,
            which show more and less of the photograph.

    Raises:
        UsageError: `zoom` with a record that has no crop, or no padding.

    >>> [len(look.cuts) for look in looks(Preprocessing((224, 224)), tta=("flip", "zoom"))]
    [2, 2, 2]
    """
    if crops == 10:
        return [_ten_crops(record)]
    cuts: tuple[Cut, ...] = (_whole, _mirrored) if "flip" in tta else (_whole,)
    paddings = [record.crop_padding]
    if "zoom" in tta:
        if record.crop != "center" or not record.crop_padding:
            raise UsageError("--tta=zoom needs a network whose photographs are cropped; this one takes them whole.")
        paddings += [0, 2 * record.crop_padding]
    return [Look(dataclasses.replace(record, crop_padding=padding), cuts) for padding in paddings]


def _ten_crops(record: Preprocessing) -> Look:
    height, width = record.image_size
    short = min(height, width)
    factor = (short + (record.crop_padding or MARGIN)) / short
    full_height, full_width = round(height * factor), round(width * factor)
    down, right = full_height - height, full_width - width
    corners = [(0, 0), (0, right), (down, 0), (down, right), ((down + 1) // 2, (right + 1) // 2)]

    def cut(y: int, x: int, mirror: bool) -> Cut:
        return lambda pictures: pictures[:, y : y + height, x : x + width][:, :, :: -1 if mirror else 1]

    return Look(
        dataclasses.replace(record, image_size=(full_height, full_width), crop_padding=0),
        tuple(cut(y, x, mirror) for mirror in (False, True) for y, x in corners),
    )


def _whole(pictures: Array) -> Array:
    return pictures


def _mirrored(pictures: Array) -> Array:
    return pictures[:, :, ::-1]
