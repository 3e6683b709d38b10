"""Photographs that a network answered badly, beside what on them spoke for its answer."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Callable, Sequence
from typing import Any

import keras
import matplotlib
import numpy as np
from PIL import Image

from efficientnet_tf.cam import class_activation_map
from efficientnet_tf.cam.pictures import ALPHA, COLORMAP
from efficientnet_tf.errors import UsageError
from efficientnet_tf.training.report.answers import Answers, ranking

Array = np.ndarray[Any, Any]

#: Photographs shown, the length of their longer side in pixels, and JPEG's quality: together some 300 kB.
SHOWN, SIDE, QUALITY = 12, 256, 80
#: Photographs smaller than this are shown as they are, without loss.
SMALL = 96


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """A photograph and the answer that it got.

    Attributes:
        row: its number among the validation photographs.
        file: where it is, if that is known.
        label: its class.
        answer: the class that was most probable.
        confidence: its probability, 0...1.
        own: the probability of the right class.
        photograph: as a data URI.
        heat: the photograph in grey under its class activation map, as a data URI; None for a network without one.
        small: whether it has so few pixels that they should be seen.
    """

    row: int
    file: str | None
    label: str
    answer: str
    confidence: float
    own: float
    photograph: str
    heat: str | None
    small: bool


class Shortlist:
    """The photographs that a report shows, kept while all are looked at once.

    Whatever the number of photographs, it holds two times `limit` of them: the worst mistakes, and the least certain
    of the right answers, which are shown where there are no mistakes.

    Args:
        limit: photographs to show.

    >>> shortlist = Shortlist(limit=1)
    >>> for shade in (1, 2):
    ...     shortlist.add(np.full((1, 4, 4, 3), shade, np.uint8), np.array([[0.1 * shade, 0.9]]), np.array([0]))
    >>> int(shortlist.picture(0)[0, 0, 0])
    1
    """

    def __init__(self, limit: int = SHOWN) -> None:
        self._limit = limit
        self._seen = 0
        # Row, probabilities, target and picture of each.
        self._kept: list[tuple[int, Array, int, Array]] = []

    def add(self, images: Array, probabilities: Array, targets: Array) -> None:
        """Look at the next batch.

        Args:
            images: uint8 [N, height, width, 3].
            probabilities: [N, classes].
            targets: [N].
        """
        for image, answer, target in zip(images, probabilities, targets, strict=True):
            self._kept.append((self._seen, np.asarray(answer), int(target), np.asarray(image)))
            self._seen += 1
        answers, own = np.stack([row[1] for row in self._kept]), np.array([row[2] for row in self._kept])
        order = ranking(answers, own)
        right = answers.argmax(-1) == own
        chosen = [row for row in order if not right[row]][: self._limit]
        chosen += [row for row in order if right[row]][: self._limit]
        # Copies, since a picture of a batch would keep all of the batch; in their order, so that ties stay ties.
        self._kept = [(*self._kept[row][:3], _own(self._kept[row][3])) for row in sorted(chosen)]

    def picture(self, row: int) -> Array:
        """Return the photograph of a row of all that were added, if it is among those kept.

        Raises:
            KeyError: it is not.
        """
        return {number: image for number, _, _, image in self._kept}[row]


def choose(answers: Answers, limit: int = SHOWN) -> list[int]:
    """Return the rows of the photographs to show: the worst mistakes, or without any the least certain answers."""
    order = ranking(answers.probabilities, answers.targets)
    mistakes = int((~answers.right).sum())
    return order[: min(limit, mistakes) if mistakes else limit]


def exhibits(
    answers: Answers,
    files: Sequence[str] | None,
    pictures: Callable[[int], Array],
    model: keras.Model | None,
    *,
    limit: int = SHOWN,
) -> list[Exhibit]:
    """Return the photographs to show.

    Args:
        answers: of the network.
        files: where the photographs are, or None.
        pictures: from a row to its photograph as the network saw it, uint8 [height, width, 3].
        model: the network, of raw pixels; None for no maps.
        limit: how many at most.
    """
    rows = choose(answers, limit)
    images = [np.asarray(pictures(row), np.uint8) for row in rows]
    heats = _heats(model, images, [int(answers.predicted[row]) for row in rows])
    return [
        Exhibit(
            row=row,
            file=None if files is None else files[row],
            label=answers.labels[answers.targets[row]],
            answer=answers.labels[answers.predicted[row]],
            confidence=float(answers.confidence[row]),
            own=float(answers.probabilities[row, answers.targets[row]]),
            photograph=data_uri(image),
            heat=None if heat is None else data_uri(overlay(image, heat)),
            small=max(image.shape[:2]) < SMALL,
        )
        for row, image, heat in zip(rows, images, heats, strict=True)
    ]


def overlay(image: Array, heat: Array) -> Array:
    """Return a photograph in grey under a map, uint8 [height, width, 3].

    Args:
        image: uint8 [height, width, 3].
        heat: [height, width], 0...1.
    """
    grey = np.asarray(Image.fromarray(image).convert("L"), np.float32)[..., np.newaxis]
    colours = matplotlib.colormaps[COLORMAP](heat)[..., :3] * 255
    return np.round((1 - ALPHA) * grey + ALPHA * colours).astype(np.uint8)


def data_uri(image: Array, side: int = SIDE) -> str:
    """Return a picture as a page can hold it: JPEG, made smaller if it is large, or PNG if it is small.

    >>> data_uri(np.zeros((8, 8, 3), np.uint8))[:22]
    'data:image/png;base64,'
    """
    picture = Image.fromarray(image)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    form = "PNG" if max(image.shape[:2]) < SMALL else "JPEG"
    picture.save(buffer, form, **({"optimize": True} if form == "PNG" else {"quality": QUALITY, "optimize": True}))
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _own(image: Array) -> Array:
    return image if image.base is None else image.copy()


def _heats(model: keras.Model | None, images: Sequence[Array], classes: Sequence[int]) -> list[Array | None]:
    """Return a map for each image, where the network is one that maps can be made of."""
    if model is None or not images:
        return [None] * len(images)
    try:
        return list(class_activation_map(model, np.stack(images), classes))
    except UsageError:  # it ends in something else than pooling and a classifier
        return [None] * len(images)
