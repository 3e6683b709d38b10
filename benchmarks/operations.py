"""Compare every augmentation operation with Pillow, or NumPy's model where Pillow has none, and with the official code.

    .venv/bin/python benchmarks/operations.py results/operations.csv

On a third of the sample's photographs at two sizes, and the tests' edge cases. An operation without an argument has
one row for each reference; of a signed argument, a row has the worse of both signs. `official arithmetic` is that of
the official TensorFlow code, run by TensorFlow from tests/official_augmentation.py, beside `legacy=True`.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import tensorflow as tf

from efficientnet_tf.benchmarking.machine import COMMON_PACKAGES, machine

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from augment_models import NUMPY_ONLY, PILLOW, cutout  # noqa: E402
from augment_operations import in_graph, takes_legacy  # noqa: E402
from augment_pictures import OBLONG, SQUARE, edge_cases, sample  # noqa: E402
from official_augmentation import OFFICIAL  # noqa: E402

Array = np.ndarray[Any, Any]
Arguments = tuple[Any, ...]

#: Up to AutoAugment's last, and RandAugment's magnitudes of B5 and B7.
LEVELS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 28)
FIELDS = ("operation", "level", "argument", "reference", "images", "largest_difference", "differing_share")
#: Of a cutout, as shares of height and width.
CENTERS = ((0.0, 0.0), (0.5, 0.5), (0.1, 1.0))


def _signed(slope: float) -> Callable[[float], list[Arguments]]:
    return lambda level: [(sign * slope * level / 10,) for sign in ((1, -1) if level else (1,))]


def _enhancing(level: float) -> list[Arguments]:
    return [(1.8 * level / 10 + 0.1,)]


#: From a level to the arguments to try.
ARGUMENTS: Mapping[str, Callable[[float], list[Arguments]] | None] = {
    "auto_contrast": None,
    "equalize": None,
    "invert": None,
    "posterize": lambda level: [(min(max(int(level / 10 * 4), 1), 8),)],
    "solarize": lambda level: [(min(int(level / 10 * 256), 256),)],
    "solarize_add": lambda level: [(int(level / 10 * 110),)],
    "color": _enhancing,
    "contrast": _enhancing,
    "brightness": _enhancing,
    "sharpness": _enhancing,
    "rotate": _signed(30),
    "shear_x": _signed(0.3),
    "shear_y": _signed(0.3),
    "translate_x": _signed(100),
    "translate_y": _signed(100),
    "cutout": lambda level: [(center, int(level / 10 * 40)) for center in CENTERS],
}
#: What the official levels give where the operations' own are kept inside a byte.
OFFICIAL_ARGUMENTS: Mapping[str, Callable[[float], list[Arguments]] | None] = {
    **ARGUMENTS,
    "posterize": lambda level: [(int(level / 10 * 4),)],
    "solarize": lambda level: [(int(level / 10 * 256),)],
}
REFERENCES: Mapping[str, Callable[..., Array]] = {**PILLOW, "cutout": cutout}


def main(target: Path) -> None:
    """Compare all of them, and write a row for each operation, level and reference."""
    images = [*sample(*SQUARE)[::3], *sample(*OBLONG)[::3], *edge_cases().values()]
    columns = machine(COMMON_PACKAGES)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*FIELDS, *columns])
        for row in rows(images):
            writer.writerow([row[field] for field in FIELDS] + list(columns.values()))
            print(*row.values(), flush=True)


def rows(images: list[Array], levels: tuple[int, ...] = LEVELS) -> Iterator[dict[str, str | int]]:
    """Yield a row of the table for each operation, level and reference, without the columns of the machine."""
    for name in ARGUMENTS:
        yield from _rows(name, images, levels, official=False)
        yield from _rows(name, images, levels, official=True)


def _rows(name: str, images: list[Array], levels: tuple[int, ...], official: bool) -> Iterator[dict[str, str | int]]:
    if official:
        reference, label = _official(name), "official arithmetic"
        # The official Sharpness fails on fewer than 3 rows or columns.
        images = [image for image in images if name != "sharpness" or min(image.shape[:2]) >= 3]
    else:
        reference = REFERENCES[name]
        label = "NumPy model" if name in NUMPY_ONLY else f"Pillow {PIL.__version__}"
    at_level = (OFFICIAL_ARGUMENTS if official and takes_legacy(name) else ARGUMENTS)[name]
    for level in levels if at_level else ("",):
        arguments = at_level(level) if at_level else [()]
        largest, share = _difference(in_graph(name, official), reference, images, arguments)
        yield {
            "operation": name,
            "level": level,
            "argument": _shown(name, arguments[0]),
            "reference": label,
            "images": len(images),
            "largest_difference": largest,
            "differing_share": f"{share:.2g}",
        }


def _official(name: str) -> Callable[..., Array]:
    return lambda image, *arguments: OFFICIAL[name](tf.constant(image), *arguments).numpy()


def _shown(name: str, arguments: Arguments) -> str:
    return f"{arguments[-1]:.4g}" if arguments else ""


def _as_tensor(value: float) -> tf.Tensor:
    return tf.constant(value, tf.float64 if isinstance(value, float) else tf.int32)


def _within(image: Array, arguments: Arguments) -> Arguments:
    """Return the arguments for an image, with a centre in pixels."""
    if not arguments or not isinstance(arguments[0], tuple):
        return arguments
    center, *others = arguments
    return tuple(int(share * (side - 1)) for share, side in zip(center, image.shape[:2], strict=True)), *others


def _difference(
    operation: Callable[..., tf.Tensor],
    reference: Callable[..., Array],
    images: list[Array],
    arguments: list[Arguments],
) -> tuple[int, float]:
    """Return the largest difference in grey levels and the share of values that differ, the worse of the arguments."""
    worst = (0, 0.0)
    for each in arguments:
        largest = differing = values = 0
        for image in images:
            given = _within(image, each)
            tensors = tf.nest.map_structure(_as_tensor, given)
            difference = np.abs(operation(tf.constant(image), *tensors).numpy().astype(int) - reference(image, *given))
            largest = max(largest, int(difference.max()))
            differing += np.count_nonzero(difference)
            values += difference.size
        worst = max(worst, (largest, differing / values))
    return worst


if __name__ == "__main__":
    main(Path(sys.argv[1]))
