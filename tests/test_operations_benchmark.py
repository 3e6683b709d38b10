"""results/operations.csv has every operation, and says of each what its documentation does."""

from __future__ import annotations

import csv
import importlib.util
import math
import re
from pathlib import Path
from types import ModuleType

import pytest
from augment_pictures import edge_cases

from efficientnet_tf.augment import ops
from efficientnet_tf.augment.policies.levels import OPERATIONS

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "results" / "operations.csv"
OFFICIAL = "official arithmetic"
# Shares of values, at any level, that may differ from the official ones: by float32 for Pillow's double precision, by
# the order of a sum, or because a pixel lies half-way between two.
ROUNDED = {"auto_contrast": 0.05, "color": 1e-4, "sharpness": 0.1}
MOVED = {"rotate": 2e-3, "shear_x": 0.1, "shear_y": 0.1}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        # Under another name than docs/operations.py may have in this process.
        spec = importlib.util.spec_from_file_location("operations_benchmark", ROOT / "benchmarks" / "operations.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


@pytest.fixture(scope="module")
def table() -> list[dict[str, str]]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_operation_is_compared_at_every_level(table: list[dict[str, str]], script: ModuleType) -> None:
    names = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in OPERATIONS if name != "Identity"}
    assert {row["operation"] for row in table} == names == set(script.ARGUMENTS)
    for name, at_level in script.ARGUMENTS.items():
        levels = [str(level) for level in script.LEVELS] if at_level else [""]
        for official in (False, True):
            rows = [row for row in table if row["operation"] == name and (row["reference"] == OFFICIAL) is official]
            assert [row["level"] for row in rows] == levels, name
            assert all(int(row["images"]) > 100 for row in rows)


def test_every_operation_equals_pillow(table: list[dict[str, str]]) -> None:
    compared = [row for row in table if row["reference"] != OFFICIAL]
    assert {row["operation"] for row in compared if row["reference"] == "NumPy model"} == {"solarize_add", "cutout"}
    assert all(row["reference"].startswith("Pillow ") for row in compared if row["reference"] != "NumPy model")
    assert {(row["largest_difference"], row["differing_share"]) for row in compared} == {("0", "0")}
    assert "equal to Pillow's, value for value (`results/operations.csv`)" in " ".join((ops.__doc__ or "").split())


def test_legacy_is_as_close_to_the_official_code_as_can_be(table: list[dict[str, str]]) -> None:
    for row in table:
        name, largest, share = row["operation"], int(row["largest_difference"]), float(row["differing_share"])
        if row["reference"] != OFFICIAL or name in MOVED:
            assert share <= MOVED.get(name, 0), row
        elif name in ROUNDED:
            # One grey level, blended.
            factor = float(row["argument"] or 0)
            assert (largest <= math.ceil(abs(1 - factor)), share <= ROUNDED[name]) == (True, True), row
        else:
            assert largest == 0, row


def test_machine_and_versions_are_told(table: list[dict[str, str]], script: ModuleType) -> None:
    columns = script.machine(script.COMMON_PACKAGES)
    assert list(table[0]) == [*script.FIELDS, *columns]
    assert {row["pillow"] for row in table} == {table[0]["reference"].removeprefix("Pillow ")}


def test_the_script_finds_what_the_table_says(table: list[dict[str, str]], script: ModuleType) -> None:
    names = ("one pixel", "noise", "checkers of two colours", "nearly all one value")
    images = [edge_cases()[name] for name in names]
    found = list(script.rows(images, levels=(0, 9)))
    kept = [row for row in table if row["level"] in ("", "0", "9")]
    for row, old in zip(found, kept, strict=True):
        assert [str(row[field]) for field in ("operation", "level", "argument", "reference")] == [
            old[field] for field in ("operation", "level", "argument", "reference")
        ]
        assert int(row["largest_difference"]) <= int(old["largest_difference"]), row
