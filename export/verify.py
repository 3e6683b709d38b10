"""Every artifact in its own runtime, against the Keras network, on the same photographs, from file to label."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from efficientnet_tf.exporting.figures import CLEAR, NO_CLASSES, accuracy, class_figures, output_figures, pictures
from efficientnet_tf.exporting.outputs import PROBABILITIES
from efficientnet_tf.exporting.photographs import Photographs, read_photographs
from efficientnet_tf.runtimes.measuring import Measured, RuntimeFailure, measure

__all__ = ["BOUNDS", "Bounds", "Photographs", "compare", "read_photographs"]

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Bounds:
    """How far an artifact's answers may be from Keras'.

    Attributes:
        largest: difference of any probability of any photograph; None for no bound.
        total_variation: probability that moves to other classes, 0...1, the mean over the photographs; None for no
            bound.
        same_top: share of the clear photographs whose top class must be the same, 0...1. Below 1, one photograph may
            always be another: of the few that are usual, one alone would be more than the rest of the share.
        sqnr_db: the least ratio of signal to noise of every other output, in decibels.
    """

    largest: float | None = None
    total_variation: float | None = None
    same_top: float = 0.0
    sqnr_db: float = 0.0


#: The arithmetic of `none` is Keras' in another order: some 1e-6. 11 bits of mantissa leave 66 dB at each layer, 8 bits
#: of weights some 40 dB, and 8 bits of maps some 30 dB, of which depth takes 10 to 20 dB; int16x8 has the weights of
#: int8 and maps that cost nothing. A network of other weights keeps the top class of few, and moves most probability.
BOUNDS = {
    "none": Bounds(largest=1e-4, total_variation=1e-4, same_top=1.0, sqnr_db=80.0),
    "float16": Bounds(largest=5e-3, total_variation=5e-3, same_top=1.0, sqnr_db=40.0),
    "dynamic": Bounds(total_variation=0.10, same_top=1.0, sqnr_db=15.0),
    "weights": Bounds(total_variation=0.05, same_top=1.0, sqnr_db=15.0),
    "int16x8": Bounds(total_variation=0.05, same_top=1.0, sqnr_db=15.0),
    "mixed": Bounds(total_variation=0.10, same_top=0.95, sqnr_db=12.0),
    "int8": Bounds(total_variation=0.10, same_top=0.95, sqnr_db=10.0),
    "uint8": Bounds(total_variation=0.15, same_top=0.95, sqnr_db=10.0),
}


#: Of fewer clear photographs than these none may have another top class.
FEW = 8


def compare(
    path: Path,
    quantize: str,
    photographs: Photographs,
    *,
    batch: int = 1,
    threads: Sequence[int] | None = None,
    scratch: Path | None = None,
) -> dict[str, Any]:
    """Run an artifact in a process of its own and return its figures, as in report.json.

    Args:
        path: the artifact.
        quantize: a key of `BOUNDS`.
        photographs: to compare on.
        batch: pictures of each run that is timed: the artifact's own number, where it has one.
        threads: numbers of threads to time it with; by default all, and one.
        scratch: a folder for the photographs while they are needed, see `runtimes.measuring.measure`.

    Returns:
        - What `class_figures` returns; all None for an artifact without probabilities.
        - `outputs`: for each other output what `output_figures` returns.
        - `accuracy`: see `figures.accuracy`.
        - `pictures`: the photographs that differ most, see `figures.pictures`.
        - `photographs`: how many.
        - `latency`: for each number of threads `p50`, `p90` and `p99` in milliseconds a picture, and `latency_ms`, the
          first of these at the most threads; `peak_memory_mb`; `operations`: see `runtimes.measuring`.
        - `verified`: whether it keeps the bounds of its quantisation; `reason`: which one it breaks, or why it cannot
          be run.

    Raises:
        MissingDependencyError: its runtime is not installed.
    """
    try:
        measured = measure(
            path, photographs.pixels, files=photographs.files, batch=batch, threads=threads, scratch=scratch
        )
    except RuntimeFailure as error:
        unknown = {**NO_CLASSES, "outputs": {}, "accuracy": None, "pictures": []}
        unknown |= {"latency": {}, "latency_ms": None, "peak_memory_mb": None, "operations": {}}
        return {**unknown, "photographs": len(photographs), "verified": False, "reason": str(error).rstrip(".")}
    # A .keras file is the network as it was trained, for those who train on.
    wanted = (PROBABILITIES,) if path.suffix == ".keras" else photographs.outputs
    figures = _figures(measured, photographs)
    broken = _absent(wanted, measured.answers, photographs) or _broken(BOUNDS[quantize], figures)
    most = max(measured.latency, key=int)
    return {
        **figures,
        "photographs": len(photographs),
        "latency_ms": measured.latency[most]["p50"],
        "latency": measured.latency,
        "peak_memory_mb": measured.peak_memory_mb,
        "operations": measured.operations,
        "verified": not broken,
        "reason": broken,
    }


def _figures(measured: Measured, photographs: Photographs) -> dict[str, Any]:
    expected = photographs.expected
    probabilities = [measured.answers[PROBABILITIES]] if PROBABILITIES in measured.answers else []
    probabilities += [] if measured.encoded is None else [measured.encoded]
    figures: dict[str, Any] = {**NO_CLASSES, "accuracy": None, "pictures": []}
    if probabilities and all(answer.shape == expected.shape for answer in probabilities):
        names = photographs.names or [str(number) for number in range(len(photographs))]
        figures = {
            **class_figures(probabilities, expected),
            "accuracy": accuracy(probabilities[-1], expected, photographs.targets),
            "pictures": pictures(probabilities, expected, names),
        }
    return {
        **figures,
        "outputs": {
            name: output_figures(measured.answers[name], other)
            for name, other in photographs.others.items()
            if name in measured.answers and measured.answers[name].shape == other.shape
        },
    }


def _absent(wanted: Sequence[str], answers: Mapping[str, Array], photographs: Photographs) -> str | None:
    """Return which output is not there, or of another shape, or None."""
    expected = {PROBABILITIES: photographs.expected, **photographs.others}
    for name in wanted:
        if name not in answers:
            return f"no output {name!r} among {', '.join(answers)}"
        if answers[name].shape != expected[name].shape:
            return f"{name} of shape {list(answers[name].shape)}, expected {list(expected[name].shape)}"
    return None


def _broken(bounds: Bounds, figures: Mapping[str, Any]) -> str | None:
    """Return which bound is broken and by what, or None."""
    # Written so that a difference that is not a number breaks its bound.
    if figures["max_difference"] is not None:
        if bounds.largest is not None and not figures["max_difference"] <= bounds.largest:
            return f"largest difference {figures['max_difference']:.2g}, allowed {bounds.largest:g}"
        if bounds.total_variation is not None and not figures["total_variation"] <= bounds.total_variation:
            moved, allowed = figures["total_variation"], bounds.total_variation
            return f"{100 * moved:.2g} % of the probability moved to other classes, allowed {100 * allowed:g} %"
        broken = _lost(bounds.same_top, figures["clear_photographs"], figures["clear_top1_agreement"])
        if broken:
            return broken
    for name, output in figures["outputs"].items():
        if not output["sqnr_db"] >= bounds.sqnr_db:
            return f"{name} has {output['sqnr_db']:.1f} dB of signal to noise, {bounds.sqnr_db:g} dB are needed"
    return None


def _lost(share: float, clear: int, agreement: float | None) -> str | None:
    """Return how many clear photographs have another top class, if they are too many.

    >>> _lost(0.95, 12, 11 / 12), _lost(0.95, 12, 10 / 12)
    (None, 'another top class on 2 of the 12 photographs where Keras leads by 0.1 or more, allowed 1')
    """
    lost = round(clear * (1 - agreement)) if agreement is not None else 0
    allowed = 0 if share == 1 or clear < FEW else max(1, int(clear * (1 - share) + 1e-9))
    if lost <= allowed:
        return None
    return (
        f"another top class on {lost} of the {clear} photographs where Keras leads by {CLEAR:g} or more, "
        f"allowed {allowed}"
    )
