"""Every artifact in its own runtime, against the Keras network, on the same photographs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.files import readable_images
from efficientnet_tf.data.sources import SAMPLE
from efficientnet_tf.errors import UsageError
from efficientnet_tf.runtimes import open_artifact
from efficientnet_tf.runtimes.saved_model import SavedModel
from efficientnet_tf.specs import Preprocessing

Array = np.ndarray[Any, Any]

#: How far Keras' top probability leads the next on a photograph that is clear.
CLEAR = 0.1


@dataclasses.dataclass(frozen=True)
class Bounds:
    """How far an artifact's probabilities may be from Keras'.

    Attributes:
        largest: difference of any probability of any photograph; None for no bound.
        mean: difference over all of them; None for no bound.
        same_top: whether the top class must be the same on every clear photograph: one where Keras' top
            class leads the next by `CLEAR` or more.
    """

    largest: float | None = None
    mean: float | None = None
    same_top: bool = False


BOUNDS = {
    "none": Bounds(largest=1e-4),
    "float16": Bounds(largest=5e-3),
    "dynamic": Bounds(mean=0.01, same_top=True),
}


@dataclasses.dataclass(frozen=True)
class Photographs:
    """What artifacts are compared on.

    Attributes:
        files: their contents.
        pixels: uint8 [N, height, width, 3].
        expected: Keras' probabilities, float32 [N, classes].
    """

    files: tuple[bytes, ...]
    pixels: Array
    expected: Array


def read_photographs(model: keras.Model, record: Preprocessing, source: str | None, number: int) -> Photographs:
    """Return photographs and a network's probabilities for them.

    Args:
        model: the network as it was trained, ending in probabilities.
        record: how photographs become its input.
        source: `sample` (also None), or a folder that is searched with its sub-folders.
        number: at most so many, spread evenly over the source.

    Raises:
        UsageError: no such source.
        EfficientNetError: a source without photographs that can be read.
    """
    folder = SAMPLE if source in (None, "sample") else Path(str(source))
    if not folder.is_dir():
        raise UsageError(f"--verify={source} is not a folder. Allowed: sample, or a folder of photographs.")
    paths, _ = readable_images([folder])
    chosen = [paths[index] for index in np.unique(np.linspace(0, len(paths) - 1, number).round().astype(int))]
    files = tuple(Path(path).read_bytes() for path in chosen)
    pixels = np.stack([decode_and_crop(data, record).numpy() for data in files])
    return Photographs(files, pixels, np.asarray(model.predict(pixels, verbose=0), np.float32))


def compare(path: Path, quantize: str, photographs: Photographs) -> dict[str, Any]:
    """Run an artifact and return its figures, as in report.json.

    `verified` is whether it keeps the bounds of its quantisation; `reason` says which one it breaks.
    """
    artifact = open_artifact(path)
    try:
        artifact.predict(photographs.pixels[:1])  # the first call compiles
        start = time.perf_counter()
        answers = [artifact.predict(photographs.pixels)]
        seconds = time.perf_counter() - start
        if isinstance(artifact, SavedModel):
            answers.append(artifact.predict_encoded(photographs.files))
    finally:
        artifact.close()
    figures = _figures(answers, photographs.expected)
    broken = _broken(BOUNDS[quantize], figures)
    return {
        **figures,
        "photographs": len(photographs.files),
        "latency_ms": round(1000 * seconds / len(photographs.files), 2),
        "verified": not broken,
        "reason": broken,
    }


def _figures(answers: Sequence[Array], expected: Array) -> dict[str, Any]:
    differences = np.abs(np.stack(answers).astype(np.float64) - expected)
    same = np.stack([answer.argmax(-1) == expected.argmax(-1) for answer in answers]).all(0)
    second, first = np.sort(expected, -1)[:, -2:].T
    clear = first - second >= CLEAR
    return {
        "max_difference": float(differences.max()),
        "mean_difference": float(differences.mean()),
        "top1_agreement": float(same.mean()),
        "clear_photographs": int(clear.sum()),
        "clear_top1_agreement": float(same[clear].mean()) if clear.any() else None,
    }


def _broken(bounds: Bounds, figures: dict[str, Any]) -> str | None:
    """Return which bound is broken and by what, or None."""
    # Written so that a difference that is not a number breaks its bound.
    if bounds.largest is not None and not figures["max_difference"] <= bounds.largest:
        return f"largest difference {figures['max_difference']:.2g}, allowed {bounds.largest:g}"
    if bounds.mean is not None and not figures["mean_difference"] <= bounds.mean:
        return f"mean difference {figures['mean_difference']:.2g}, allowed {bounds.mean:g}"
    if bounds.same_top and figures["clear_top1_agreement"] not in (None, 1.0):
        return f"another top class on a photograph where Keras leads by {CLEAR:g} or more"
    return None
