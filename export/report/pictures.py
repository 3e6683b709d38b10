"""Small copies of photographs, each of which a page holds once."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image

Array = np.ndarray[Any, Any]

#: The longer side in pixels, and JPEG's quality: some 7 kB each.
SIDE, QUALITY = 192, 80
#: Pictures smaller than this are kept as they are, without loss.
SMALL = 96


def data_uri(image: Array) -> str:
    """Return a picture as a page can hold it: JPEG, made smaller if it is large, or PNG if it is small.

    >>> data_uri(np.zeros((8, 8, 3), np.uint8))[:22]
    'data:image/png;base64,'
    """
    picture = Image.fromarray(image)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if max(image.shape[:2]) < SMALL:
        picture.save(buffer, "PNG", optimize=True)
        form = "png"
    else:
        picture.save(buffer, "JPEG", quality=QUALITY, optimize=True)
        form = "jpeg"
    return f"data:image/{form};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def style_of(pixels: Array, numbers: Iterable[int]) -> str:
    """Return rules that give `.photograph-N` its picture, since several artifacts may show the same one."""
    return "".join(
        f".photograph-{number} {{ background-image: url({data_uri(pixels[number])}); }}\n"
        for number in sorted(set(numbers))
    )


def numbers_of(rows: Sequence[Any]) -> list[int]:
    """Return the photographs that some artifact lists."""
    return [one["photograph"] for row in rows for one in row.get("pictures") or ()]
