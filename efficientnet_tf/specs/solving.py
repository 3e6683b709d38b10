"""The largest scaling of a base that stays within a budget."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

from efficientnet_tf.errors import UsageError, unknown_name
from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.counting import Count, count
from efficientnet_tf.specs.memory import Memory, estimate_memory
from efficientnet_tf.specs.scaling import ALPHA, BETA, GAMMA, HIGHEST_PHI, LARGEST_FACTOR, LOWEST_PHI, scale
from efficientnet_tf.specs.zoo import spec

#: phi and factors are searched in steps of one thousandth.
STEPS = 1000
DIMENSIONS = ("depth", "width", "resolution")


@dataclasses.dataclass(frozen=True)
class Solution:
    """A network within a budget, and what it reached.

    Attributes:
        phi: the compound coefficient, in thousandths.
        spec: the network.
        count: its parameters and multiply-adds.
        memory: of a training step.
        shares: for each target that was given, how much of it the network uses, at most 1.
    """

    phi: float
    spec: Spec
    count: Count
    memory: Memory
    shares: Mapping[str, float]


def solve_scale(
    base: str | Spec,
    *,
    target_madds: float | None = None,
    target_params: float | None = None,
    target_memory: float | None = None,
    batch_size: int = 1,
    alpha: float = ALPHA,
    beta: float = BETA,
    gamma: float = GAMMA,
) -> Solution:
    """Return the network of the largest phi, in thousandths, that exceeds no target.

    Filters, repeats and pixels are whole numbers, so what a network costs rises with phi in steps; what is compared
    is the rounded network's own count. A target below the base gives a phi below 0.

    Args:
        base: a name, an alias or an architecture.
        target_madds: multiply-adds for one image.
        target_params: trainable parameters.
        target_memory: bytes of a training step, as `estimate_memory` counts them.
        batch_size: images in that step.
        alpha, beta, gamma: as for `scale`.

    Raises:
        UsageError: no target; one that even the smallest network exceeds (phi -10, or an image of 32 pixels); targets
            that the largest network `scale` allows does not reach; or what `scale` refuses.

    >>> solution = solve_scale("b0", target_madds=4.2e9)
    >>> solution.phi, solution.spec.name, solution.count.madds <= 4.2e9
    (3.59, 'b0-phi3.59', True)
    """
    architecture = spec(base)
    targets = _targets(madds=target_madds, params=target_params, memory=target_memory)

    def network(step: int) -> Spec:
        return scale(architecture, phi=step / STEPS, alpha=alpha, beta=beta, gamma=gamma)

    def fits(step: int) -> bool:
        if not _is_allowed(network, step):
            return False
        figures = _figures(network(step), batch_size)
        return all(figures[name] <= target for name, target in targets.items())

    network(1)  # what is refused here is wrong at any phi
    # On either side of the base costs never fall as phi rises; at the base itself, whose filters are not rounded,
    # they may lie outside the order.
    if fits(1):
        best = _last(1, int(HIGHEST_PHI * STEPS), fits)
        if not _is_allowed(network, best + 1):
            raise _out_of_reach(targets, network(best), batch_size, "above")
    elif fits(0):
        best = 0
    else:
        lowest = -_last(0, int(-LOWEST_PHI * STEPS), lambda step: _is_allowed(network, -step))
        if not fits(lowest):
            raise _out_of_reach(targets, network(lowest), batch_size, "below")
        best = _last(lowest, -1, fits)
    return _solution(best / STEPS, network(best), targets, batch_size)


def _solution(phi: float, network: Spec, targets: Mapping[str, float], batch_size: int) -> Solution:
    figures = _figures(network, batch_size)
    shares = {f"target_{name}": figures[name] / target for name, target in targets.items()}
    return Solution(phi, network, count(network), estimate_memory(network, batch_size=batch_size), shares)


def match_madds(base: str | Spec, dimension: str, madds: float) -> Spec:
    """Return the base scaled up in one dimension alone, as far as a number of multiply-adds allows.

    Args:
        base: a name, an alias or an architecture.
        dimension: `depth`, `width` or `resolution`.
        madds: multiply-adds for one image that it may have.

    Raises:
        UsageError: another dimension, or fewer multiply-adds than the base has.

    >>> match_madds("b0", "width", 2 * count("b0").madds).name
    'b0-w1.449'
    """
    if dimension not in DIMENSIONS:
        raise unknown_name("dimension", dimension, DIMENSIONS)
    architecture = spec(base)
    if count(architecture).madds > madds:
        raise UsageError(f"madds must be at least {architecture.name}'s {count(architecture).madds}, got {madds:g}.")

    def network(step: int) -> Spec:
        return scale(architecture, **{dimension: step / STEPS})

    highest = int(LARGEST_FACTOR * STEPS)
    return network(_last(STEPS, highest, lambda n: _is_allowed(network, n) and count(network(n)).madds <= madds))


def _targets(**given: float | None) -> dict[str, float]:
    targets = {name: value for name, value in given.items() if value is not None}
    if not targets:
        raise UsageError("A target is missing. Allowed: target_madds, target_params, target_memory.")
    for name, value in targets.items():
        if not 0.0 < value < math.inf:
            raise UsageError(f"target_{name} must be a finite number above 0, got {value:g}.")
    return targets


def _figures(network: Spec, batch_size: int) -> dict[str, int]:
    """Return what each target is compared with."""
    counted, memory = count(network), estimate_memory(network, batch_size=batch_size)
    return {"madds": counted.madds, "params": counted.trainable, "memory": memory.total}


def _is_allowed(network: Callable[[int], Spec], step: int) -> bool:
    try:
        network(step)
    except UsageError:
        return False
    return True


def _last(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Return the largest number up to `high` for which something holds that holds for `low` and, once lost, stays so.

    Steps double until it is lost, since networks far beyond it take long to count, and are then halved.
    """
    stride, known = 1, low
    while known < high:
        candidate = min(known + stride, high)
        if not holds(candidate):
            high = candidate - 1
            break
        known, stride = candidate, 2 * stride
    while known < high:
        middle = (known + high + 1) // 2
        known, high = (middle, high) if holds(middle) else (known, middle - 1)
    return known


def _out_of_reach(targets: Mapping[str, float], network: Spec, batch_size: int, side: str) -> UsageError:
    """Return the error for targets above the largest or below the smallest network."""
    figures = _figures(network, batch_size)
    beyond = {name: target for name, target in targets.items() if side == "above" or figures[name] > target}
    asked = " and ".join(f"target_{name}={target:.6g}" for name, target in beyond.items())
    reached = " and ".join(f"{figures[name]:.6g}" for name in beyond)
    extreme = "largest network that scale allows" if side == "above" else "smallest network"
    return UsageError(f"{asked} cannot be met: the {extreme}, {network.name}, has {reached}.")
