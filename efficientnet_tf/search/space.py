"""The architectures that a search chooses from: MnasNet's space (Tan et al., 2019, section 4.1), around a base."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Block, Spec
from efficientnet_tf.specs.rounding import round_filters

#: A convolution of a block: how it is built, and its expand_ratio. MnasNet's third skip, pooling, is left out: no
#: EfficientNet has one.
CONVOLUTIONS = {
    "conv": ("fused", 1),
    "sepconv": ("mbconv", 1),
    "mbconv3": ("mbconv", 3),
    "mbconv6": ("mbconv", 6),
}
KERNEL_SIZES = (3, 5)
SE_RATIOS = (0.0, 0.25)
SKIPS = (True, False)
#: Of the base's: factors of its filters, and blocks more or fewer.
FILTERS = (0.75, 1.0, 1.25)
LAYERS = (-1, 0, 1)

Value = str | int | float | bool


@dataclasses.dataclass(frozen=True)
class Space:
    """All architectures around a base: each of its stages is chosen anew, but for its strides.

    Attributes:
        base: whose stem, head, strides and number of stages they have.
    """

    base: Spec

    def __post_init__(self) -> None:
        for row in self.base.blocks:
            if row.kind not in ("mbconv", "fused") or row.experts:
                kind = "CondConv" if row.experts else row.kind
                raise UsageError(
                    f"An architecture is searched for around blocks of kinds mbconv and fused; {self.base.name} has "
                    f"{kind} blocks."
                )

    def choices(self) -> dict[str, Sequence[Value]]:
        """Return what there is to choose, and from what: six dimensions for each stage.

        >>> from efficientnet_tf.specs import spec
        >>> list(Space(spec("b0")).choices().items())[:2]
        [('stage1_convolution', ('conv', 'sepconv', 'mbconv3', 'mbconv6')), ('stage1_kernel_size', (3, 5))]
        """
        found: dict[str, Sequence[Value]] = {}
        for stage, row in enumerate(self.base.blocks, start=1):
            filters = dict.fromkeys(round_filters(row.filters, factor, 0.0) for factor in FILTERS)
            layers = dict.fromkeys(max(1, row.repeats + more) for more in LAYERS)
            found |= {
                f"stage{stage}_convolution": tuple(CONVOLUTIONS),
                f"stage{stage}_kernel_size": KERNEL_SIZES,
                f"stage{stage}_se_ratio": SE_RATIOS,
                f"stage{stage}_skip": SKIPS,
                f"stage{stage}_filters": tuple(filters),
                f"stage{stage}_layers": tuple(layers),
            }
        return found

    @property
    def size(self) -> int:
        """How many architectures there are."""
        size = 1
        for values in self.choices().values():
            size *= len(values)
        return size

    def architecture(self, chosen: Mapping[str, Value], name: str) -> Spec:
        """Return the architecture of a choice in each dimension.

        >>> from efficientnet_tf.specs import spec
        >>> space = Space(spec("b0"))
        >>> space.architecture(space.choice_of(spec("b0")), "b0") == spec("b0")
        True
        """
        rows = []
        for stage, row in enumerate(self.base.blocks, start=1):
            kind, expand_ratio = CONVOLUTIONS[str(chosen[f"stage{stage}_convolution"])]
            rows.append(
                Block(
                    repeats=int(chosen[f"stage{stage}_layers"]),
                    kernel_size=int(chosen[f"stage{stage}_kernel_size"]),
                    strides=row.strides,
                    expand_ratio=expand_ratio,
                    filters=int(chosen[f"stage{stage}_filters"]),
                    se_ratio=float(chosen[f"stage{stage}_se_ratio"]),
                    kind=kind,  # type: ignore[arg-type]  # one of the table above
                    skip=bool(chosen[f"stage{stage}_skip"]),
                )
            )
        return self.base.replace(name=name, blocks=tuple(rows))

    def choice_of(self, architecture: Spec) -> dict[str, Value]:
        """Return what was chosen for an architecture of this space.

        Raises:
            UsageError: it lies outside.
        """
        names = {built: name for name, built in CONVOLUTIONS.items()}
        chosen: dict[str, Value] = {}
        for stage, row in enumerate(architecture.blocks, start=1):
            chosen |= {
                f"stage{stage}_convolution": names.get((row.kind, row.expand_ratio), f"{row.kind}{row.expand_ratio}"),
                f"stage{stage}_kernel_size": row.kernel_size,
                f"stage{stage}_se_ratio": row.se_ratio,
                f"stage{stage}_skip": row.skip,
                f"stage{stage}_filters": row.filters,
                f"stage{stage}_layers": row.repeats,
            }
        for name, allowed in self.choices().items():
            if chosen.get(name) not in allowed:
                raise UsageError(f"{architecture.name} lies outside the space: its {name} is {chosen.get(name)}.")
        return chosen
