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
    def elsewhere(self) -> list[Row]:
        """The artifacts that an earlier export compared on other photographs."""
        return [row for row in self.rows if row["photographs"] and row["compared_on"] != self.photographs.origin]

    @property
    def unclear(self) -> list[Row]:
        """The artifacts whose classes were not checked, since no photograph is clear."""
        return [row for row in self.rows if row.get("clear_photographs") == 0]

    @property
    def where(self) -> str:
        """Where the photographs are from, after a number of them."""
        return _where(self.photographs.source, self.photographs.part)

    def number_of(self, examples: int) -> str:
        """Return so many of the photographs, in words."""
        return _number_of(examples, self.photographs.source, self.photographs.part)

    @property
    def outputs(self) -> list[str]:
        """Names of what the artifacts answer."""
        return list(dict.fromkeys(name for row in self.rows for name in row["interface"]["outputs"]))

    @property
    def has_other_outputs(self) -> bool:
        """Whether artifacts answer with more, or others, than probabilities."""
        return self.outputs != ["probabilities"]

    @property
    def has_classes(self) -> bool:
        """Whether any artifact answers with probabilities."""
        return "probabilities" in self.outputs

    def label(self, index: int) -> str:
        """Return the name of a class."""
        return self.labels[index] if index < len(self.labels) else str(index)


def compared_in_words(row: Row) -> str:
    """Return what an artifact was compared on, in words.

    >>> compared_in_words({"photographs": 1, "compared_on": {"source": "mine", "part": "test"}})
    '1 photograph of mine, the part for testing'
    """
    return _number_of(row["photographs"], row["compared_on"]["source"], row["compared_on"]["part"])


def _where(source: str, part: str) -> str:
    parts = {"test": ", the part for testing", "validation": ", the part for validation"}
    return f"of {'the bundled photographs' if source == 'sample' else source}{parts.get(part, '')}"


def _number_of(examples: int, source: str, part: str) -> str:
    number = f"{examples:,}" if source == "sample" else count(examples, "photograph")
    return f"{number} {_where(source, part)}"
