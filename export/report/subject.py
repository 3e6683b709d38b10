"""What a report is about."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from efficientnet_tf.exporting.photographs import Photographs
from efficientnet_tf.exporting.report.about import About
from efficientnet_tf.markup import count
from efficientnet_tf.specs import Preprocessing

Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """An export, and what is known of it.

    Attributes:
        rows: of report.json, one for each artifact.
        photographs: that they were compared on.
        labels: names of the classes, in the order of the outputs.
        record: how photographs become the input.
        about: the network.
        machine: what it was verified on, in words.
    """

    rows: Sequence[Row]
    photographs: Photographs
    labels: Sequence[str]
    record: Preprocessing
    about: About
    machine: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def verified(self) -> list[Row]:
        """The artifacts that were run and keep their bounds."""
        return [row for row in self.rows if row["verified"]]

    @property
    def unverified(self) -> list[Row]:
        """The others."""
        return [row for row in self.rows if not row["verified"]]

    @property
    def where(self) -> str:
        """Where the photographs are from, after a number of them."""
        part = {"test": ", the part for testing", "validation": ", the part for validation"}
        name = "the bundled photographs" if self.photographs.source == "sample" else self.photographs.source
        return f"of {name}{part.get(self.photographs.part, '')}"

    def number_of(self, examples: int) -> str:
        """Return so many of the photographs, in words."""
        if self.photographs.source == "sample":
            return f"{examples:,} {self.where}"
        return f"{count(examples, 'photograph')} {self.where}"

    @property
    def has_other_outputs(self) -> bool:
        """Whether artifacts answer with more, or others, than probabilities."""
        return tuple(self.about.outputs) != ("probabilities",)

    @property
    def has_classes(self) -> bool:
        """Whether any artifact answers with probabilities."""
        return "probabilities" in self.about.outputs or any(row["format"] == "keras" for row in self.rows)

    def label(self, index: int) -> str:
        """Return the name of a class."""
        return self.labels[index] if index < len(self.labels) else str(index)
