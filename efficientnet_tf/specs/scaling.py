"""Compound scaling of any base (Tan and Le, 2019, section 3.3), and scaling of one dimension at a time."""

from __future__ import annotations

import dataclasses
import math

from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs.architecture import Spec
from efficientnet_tf.specs.memory import estimate_memory
from efficientnet_tf.specs.zoo import spec

#: What the paper found for B0 at phi 1 (section 4).
ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
#: The image's side becomes the nearest multiple of it, in pixels.
IMAGE_SIZE_STEP = 4
SMALLEST_IMAGE_SIZE = 32
LOWEST_PHI, HIGHEST_PHI = -10.0, 100.0
LARGEST_COEFFICIENT = 2.0
LARGEST_FACTOR = 1000.0
#: Bytes that training on a single image may keep.
MEMORY_LIMIT = 2 * 2**40


@dataclasses.dataclass(frozen=True)
class Factors:
    """By how much each dimension of a network is scaled; 1 leaves it as it is."""

    depth: float = 1.0
    width: float = 1.0
    resolution: float = 1.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not 0.0 < value <= LARGEST_FACTOR:
                raise UsageError(f"{name} can be scaled by more than 0 and at most {LARGEST_FACTOR:g}, got {value:g}.")


@dataclasses.dataclass(frozen=True)
class Coefficients:
    """The paper's alpha, beta and gamma: by how much depth, width and resolution grow when phi grows by 1.

    >>> f"{Coefficients().product:.3f}"
    '1.920'
    """

    alpha: float = ALPHA
    beta: float = BETA
    gamma: float = GAMMA

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not 1.0 <= value <= LARGEST_COEFFICIENT:
                raise UsageError(f"{name} must be from 1 to {LARGEST_COEFFICIENT:g}, got {value:g}.")
        if self.alpha == self.beta == self.gamma == 1.0:
            raise UsageError("alpha, beta and gamma are all 1, with which phi scales nothing.")

    @property
    def product(self) -> float:
        """`alpha * beta^2 * gamma^2`, by which multiply-adds grow; Equation 3 wants about 2."""
        return self.alpha * self.beta**2 * self.gamma**2

    def factors(self, phi: float) -> Factors:
        """Return `alpha^phi`, `beta^phi` and `gamma^phi`."""
        if not LOWEST_PHI <= phi <= HIGHEST_PHI:
            raise UsageError(f"phi must be from {LOWEST_PHI:g} to {HIGHEST_PHI:g}, got {phi:g}.")
        return Factors(self.alpha**phi, self.beta**phi, self.gamma**phi)


@dataclasses.dataclass(frozen=True)
class Phi:
    """The phi that each dimension of a variant was scaled by; None where its coefficient is 1."""

    depth: float | None
    width: float | None
    resolution: float | None


def scale(
    base: str | Spec,
    *,
    phi: float | None = None,
    alpha: float = ALPHA,
    beta: float = BETA,
    gamma: float = GAMMA,
    width: float | None = None,
    depth: float | None = None,
    resolution: float | None = None,
) -> Spec:
    """Return a base scaled up or down: by a compound coefficient, or each dimension by a factor of its own.

    With phi, depth grows by alpha^phi, width by beta^phi and resolution by gamma^phi (Equation 3), so that
    multiply-adds grow by about 2^phi. Numbers of filters become multiples of 8 and numbers of blocks are rounded up,
    by the base's own rules; the image's side becomes the nearest multiple of 4 pixels. Dropout stays the base's.
    The result is accepted wherever a variant's name is; its own name says what was done, and with nothing to do it is
    the base itself.

    Args:
        base: a name, an alias or an architecture, scaled or not.
        phi: the compound coefficient, from -10 to 100; 0 is the base, below 0 networks are smaller.
        alpha, beta, gamma: of depth, width and resolution, from 1 to 2; by default those the paper found for B0.
        width, depth, resolution: factors instead of phi, above 0 and at most 1000.

    Raises:
        UsageError: an unknown base; a value outside its range; phi together with factors; images of less than 32
            pixels; or a network that needs more than 2 TiB to train on a single image.

    >>> b0 = spec("b0")
    >>> scaled = scale("b0", phi=1)
    >>> scaled.name, scaled.depth, scaled.width, scaled.image_size
    ('b0-phi1', 1.2, 1.1, 256)
    >>> scale("resnet50", width=2).name, scale("b0", phi=0) is b0
    ('resnet50-w2', True)
    """
    architecture = spec(base)
    coefficients = Coefficients(alpha, beta, gamma)
    given = {"depth": depth, "width": width, "resolution": resolution}
    chosen = {name: value for name, value in given.items() if value is not None}
    if phi is None:
        factors = Factors(**chosen)
        changed = {name: value for name, value in chosen.items() if value != 1.0}
        suffix = "".join(f"-{name[0]}{value:.10g}" for name, value in changed.items())
    elif chosen:
        words = " and ".join(f"{name}={value:g}" for name, value in chosen.items())
        raise UsageError(f"Give phi, or depth, width and resolution, not both; got phi={phi:g} and {words}.")
    else:
        factors = coefficients.factors(phi)
        suffix = "" if phi == 0 else f"-phi{phi:.10g}{_unusual(coefficients)}"
    return _apply(architecture, factors, suffix) if suffix else architecture


def phi_of(
    variant: str | Spec,
    base: str | Spec = "b0",
    *,
    alpha: float = ALPHA,
    beta: float = BETA,
    gamma: float = GAMMA,
) -> Phi:
    """Return which phi takes the base to a variant, by depth, by width and by resolution.

    The paper's B1 to B7 are rows rounded by hand, which lie on no single ray: the three differ.

    Args:
        variant: a name, an alias or an architecture.
        base: what it was scaled from: the same rows.
        alpha, beta, gamma: as for `scale`.

    Raises:
        UsageError: an unknown name, other rows than the base's, or a coefficient outside its range.

    >>> phi = phi_of("b4")
    >>> f"{phi.depth:.2f} {phi.width:.2f} {phi.resolution:.2f}"
    '3.22 3.53 3.78'
    """
    scaled, start = spec(variant), spec(base)
    coefficients = Coefficients(alpha, beta, gamma)
    if scaled.blocks != start.blocks:
        raise UsageError(f"{scaled.name} has other rows than {start.name}: it is no scaling of it.")
    return Phi(
        _exponent(scaled.depth / start.depth, coefficients.alpha),
        _exponent(scaled.width / start.width, coefficients.beta),
        _exponent(scaled.image_size / start.image_size, coefficients.gamma),
    )


def _apply(base: Spec, factors: Factors, suffix: str) -> Spec:
    scaled = base.replace(
        name=f"{base.name}{suffix}",
        depth=base.depth * factors.depth,
        width=base.width * factors.width,
        image_size=_round_image_size(base.image_size, factors.resolution),
    )
    if scaled.image_size < SMALLEST_IMAGE_SIZE:
        raise UsageError(
            f"{scaled.name} would take images of {scaled.image_size} pixels; at least {SMALLEST_IMAGE_SIZE} are needed."
        )
    needed = estimate_memory(scaled).total
    if needed > MEMORY_LIMIT:
        raise UsageError(
            f"{scaled.name} would need {needed / 2**40:.3g} TiB to train on a single image; "
            f"at most {MEMORY_LIMIT / 2**40:g} TiB are allowed."
        )
    return scaled


def _round_image_size(image_size: int, factor: float) -> int:
    """Return the scaled side as the nearest multiple of the step; unscaled it may be anything."""
    if factor == 1.0:
        return image_size
    return int(image_size * factor / IMAGE_SIZE_STEP + 0.5) * IMAGE_SIZE_STEP


def _unusual(coefficients: Coefficients) -> str:
    """Return what a name says of coefficients that are not the paper's."""
    usual = dataclasses.asdict(Coefficients())
    chosen = dataclasses.asdict(coefficients)
    return "".join(f"-{name}{value:.10g}" for name, value in chosen.items() if value != usual[name])


def _exponent(factor: float, coefficient: float) -> float | None:
    return None if coefficient == 1.0 else math.log(factor) / math.log(coefficient)
