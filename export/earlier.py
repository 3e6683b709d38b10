"""What an earlier export left in the same folder: what still holds is kept, and the rest goes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from efficientnet_tf.config import QUANTIZATIONS
from efficientnet_tf.exporting.photographs import Photographs
from efficientnet_tf.exporting.writers import file_name
from efficientnet_tf.run import REPORT, digest
from efficientnet_tf.runtimes.artifact import GRAPHS
from efficientnet_tf.specs import Preprocessing

Row = dict[str, Any]

#: The kinds of artifacts by the names of their files.
KINDS = {file_name(form, kind): (form, kind) for form, kinds in QUANTIZATIONS.items() for kind in kinds}
#: What a row must have to be written into another report.
NEEDED = {"format", "quantize", "file", "bytes", "sha256", "interface", "compared_on"}
NEEDED |= {"photographs", "verified", "reason"}


@dataclasses.dataclass(frozen=True)
class Earlier:
    """Artifacts of an earlier export.

    Attributes:
        rows: of its report, those that hold for the network too: the same weights, and files that have not changed.
        stale: artifacts that nothing vouches for any more, each with the reason.
    """

    rows: tuple[Row, ...] = ()
    stale: Mapping[str, str] = dataclasses.field(default_factory=dict)


def network_digest(model: keras.Model, labels: Sequence[str], record: Preprocessing) -> str:
    """Return the SHA-256 of a network's weights and of what its inputs and outputs mean, as hexadecimal digits.

    Layers' names do not count, which Keras numbers anew in every process.

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    >>> first = network_digest(model, ["cat"], Preprocessing((32, 32)))
    >>> _ = model.layers[-1].bias.assign([1.0])
    >>> first == network_digest(model, ["cat"], Preprocessing((32, 32)))
    False
    """
    told = hashlib.sha256(json.dumps([list(labels), record.to_json()]).encode())
    for weight in model.weights:
        values = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        told.update(f"{values.dtype} {values.shape}\n".encode())
        told.update(values.tobytes())
    return told.hexdigest()


def earlier_artifacts(folder: Path, network: str, *, written: Collection[str], photographs: Photographs) -> Earlier:
    """Return which artifacts of an earlier export hold for a network, and which must go.

    Args:
        folder: of the exports; without the report of one, nothing in it is ours to remove.
        network: the digest of the network, as of `network_digest`.
        written: names of the artifacts that take the places of their predecessors.
        photographs: that these were compared on. Rows of artifacts that were compared on others lose the list of the
            photographs that differ most, since they cannot be shown.
    """
    report = _report(folder)
    if report is None:
        return Earlier()
    by_name = {row["file"]: row for row in report["artifacts"] if isinstance(row, dict) and row.keys() >= NEEDED}
    rows: list[Row] = []
    stale: dict[str, str] = {}
    for name in KINDS:
        if name in written or not is_artifact(folder / name):
            continue
        reason = _reason(folder / name, by_name.get(name), network, report.get("network"))
        if reason:
            stale[name] = reason
        else:
            row = by_name[name]
            same = row.get("compared_on") == photographs.origin
            rows.append(row if same else {**row, "pictures": []})
    return Earlier(tuple(rows), stale)


def _reason(path: Path, row: Row | None, network: str, reported: str | None) -> str | None:
    """Return why nothing vouches for an artifact, or None."""
    if row is None:
        return "not named by its report"
    if reported != network:
        return "of another network" if reported else "of a network that its report does not tell"
    return None if digest(path) == row["sha256"] else "changed since it was verified"


def is_artifact(path: Path) -> bool:
    """Return whether a file, or a folder with a graph, is there."""
    return path.is_file() or any((path / name).is_file() for name in GRAPHS)


def _report(folder: Path) -> dict[str, Any] | None:
    """Return the report of an export; None where there is none that can be read."""
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    is_report = isinstance(report, dict) and isinstance(report.get("artifacts"), list)
    return report if is_report else None
