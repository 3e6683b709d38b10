"""A network that a search or a study trains, and what came of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from efficientnet_tf.specs import Spec, count

#: Told an epoch's number and the accuracy after it; returns whether the training shall end.
Report = Callable[[int, float], bool]

DONE, FAILED, PRUNED = "done", "failed", "pruned"
#: Attributes that say how a network came about.
_SCALING = ("name", "blocks", "width", "depth", "minimum_share", "fixed_stem_and_head", "narrow_head")
#: Digits that tables keep of an accuracy, and so what a search that goes on knows of it.
DIGITS = 6


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network to be trained.

    Attributes:
        spec: its architecture.
        seed: of its weights and of the order of the data.
        about: what led to it, such as its alpha, beta and gamma: columns of its row.
    """

    spec: Spec
    seed: int = 0
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of what is trained: two that differ in nothing but what led to them have the same.

        >>> from efficientnet_tf.specs import spec
        >>> Candidate(spec("b0")).key == Candidate(spec("b0").replace(name="other")).key
        True
        """
        return f"{digest_of(self.spec)}-seed{self.seed}"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a candidate.

    Attributes:
        state: `done`, `failed`, or `pruned`: ended early since others were better by then.
        accuracy: from 0 to 1; of a pruned one as far as it came, of a failed one None.
        seconds: that it took, those of earlier starts left out.
        reason: why it failed.
    """

    state: str
    accuracy: float | None = None
    seconds: float = 0.0
    reason: str = ""


class Measure(Protocol):
    """What trains a candidate and tells its accuracy."""

    def __call__(self, candidate: Candidate, report: Report) -> Outcome: ...

    def stop(self) -> None:
        """End what is being trained, as soon as its state is put away."""


def digest_of(architecture: Spec) -> str:
    """Return twelve digits that are others for another network, whatever it is called and however it was scaled.

    Coefficients that round to the same blocks make the same network.

    >>> from efficientnet_tf.specs import scale
    >>> digest_of(scale("b0", depth=1.3)) == digest_of(scale("b0", depth=1.33))
    True
    """
    # The network as it is built, in place of what scales it, and what else makes it.
    network = {key: value for key, value in dataclasses.asdict(architecture).items() if key not in _SCALING}
    network["widths"] = architecture.stem_filters, architecture.head_filters
    network["blocks"] = [
        (
            block.kind,
            block.kernel_size,
            block.strides,
            block.expands,
            block.has_skip,
            block.has_shortcut_projection,
            block.filters_in,
            block.filters_expanded,
            block.filters_squeezed,
            block.filters_out,
            block.survival_probability,
            block.row.experts,
            block.row.stride_in_projection,
        )
        for block in architecture.expand()
    ]
    return hashlib.sha256(json.dumps(network, sort_keys=True).encode()).hexdigest()[:12]


def row_of(number: int, candidate: Candidate, outcome: Outcome) -> dict[str, Any]:
    """Return the row of a table: what led to a candidate, what it costs, and what came of it."""
    counted = count(candidate.spec)
    return {
        "trial": number,
        **candidate.about,
        "network": candidate.spec.name,
        "key": candidate.key,
        "seed": candidate.seed,
        "image_size": candidate.spec.image_size,
        "params": counted.trainable,
        "madds": counted.madds,
        "state": outcome.state,
        "accuracy": outcome.accuracy,
        "seconds": round(outcome.seconds, 1),
        "reason": outcome.reason,
    }
