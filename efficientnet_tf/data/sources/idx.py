"""`idx:FOLDER`: the files of MNIST and of sets in its form, small grey pictures in one and their labels in another.

The format (Y. LeCun's): four bytes that give type and number of dimensions, each dimension as a big-endian 32-bit
number, then the values.
"""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from efficientnet_tf.data.sources.examples import Examples, no_split, short_name
from efficientnet_tf.data.sources.png import encode_png
from efficientnet_tf.data.splits import validation_names
from efficientnet_tf.errors import EfficientNetError, UsageError

#: Names of the classes, one a line, beside the files; without it those of MNIST or Fashion-MNIST.
LABELS = "labels.txt"

#: The largest file that is read, uncompressed, in bytes, and the largest side of a picture, in pixels.
MAX_BYTES = 2**30
MAX_SIDE = 4096

FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)  # fmt: skip
DIGITS = tuple(str(digit) for digit in range(10))

_SETS = {"train": "train", "validation": "train", "test": "t10k"}
_CHUNK = 2**20

Array = np.ndarray[Any, Any]


def read_idx(path: str, split: str, *, validation_fraction: float) -> Examples:
    """Return the pictures of one split: of `train-...` less a part for validation, or of `t10k-...` for testing.

    Args:
        path: a folder of `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and perhaps `t10k-...`, with or without
            `.gz`.
        split: `"train"`, `"validation"` or `"test"`.
        validation_fraction: the part of every class that is held out, by the rule of `splits` from a picture's number.

    Raises:
        UsageError: there is no such folder.
        EfficientNetError: a file is missing, or is not what its header says; or a label has no name.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"No such folder: {path!r}. Allowed: idx:FOLDER with train-images-idx3-ubyte and its labels.")
    kind = _SETS[split]
    if split == "test" and _find(folder, "t10k", "images", 3) is None:
        raise no_split(repr(path), split, "train, validation")
    images_file, labels_file = (_need(folder, kind, what, rank) for what, rank in (("images", 3), ("labels", 1)))
    images, labels = _read_array(images_file, 3), _read_array(labels_file, 1)
    if len(images) != len(labels):
        raise EfficientNetError(
            f"{str(images_file)!r} has {len(images)} pictures and {str(labels_file)!r} has {len(labels)} labels."
        )
    class_names = _class_names(folder, labels, labels_file)
    rows = range(len(labels))
    if kind == "train":
        names = [f"train/{row}" for row in rows]
        chosen = validation_names(names, labels.tolist(), validation_fraction)
        rows = [row for row in rows if (names[row] in chosen) == (split == "validation")]
        if not rows:
            raise EfficientNetError(f"No images for validation in {path!r}: every class has a single image.")
    return Examples(
        paths=tuple(f"{images_file}#{row}" for row in rows),
        labels=tuple(int(labels[row]) for row in rows),
        class_names=class_names,
        skipped=(),
        name=short_name(folder),
        # So small that compression would cost more time than it saves memory.
        contents=tuple(encode_png(images[row], level=0) for row in rows),
    )


def _find(folder: Path, kind: str, what: str, rank: int) -> Path | None:
    names = [f"{kind}-{what}{mark}idx{rank}-ubyte{ending}" for mark in "-." for ending in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _need(folder: Path, kind: str, what: str, rank: int) -> Path:
    file = _find(folder, kind, what, rank)
    if file is None:
        raise EfficientNetError(f"There is no {kind}-{what}-idx{rank}-ubyte or .gz of it in {str(folder)!r}.")
    if not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder)):
        raise EfficientNetError(f"{str(file)!r} is a link that leads out of the folder.")
    return file


def _read_array(path: Path, rank: int) -> Array:
    """Read one file, and no more of it than its header and the limits allow."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            shape = _read_shape(path, file, rank)
            size = int(np.prod(shape, dtype=object))
            values = _read_at_most(file, size + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise EfficientNetError(f"{str(path)!r} is damaged or not gzip: {error}.") from None
    except OSError as error:
        raise EfficientNetError(f"Cannot read {str(path)!r}: {error.strerror}.") from None
    if len(values) != size:
        what = "is truncated" if len(values) < size else "is longer than its header says"
        found = f"{len(values)}" if len(values) < size else "more"
        raise EfficientNetError(f"{str(path)!r} {what}: expected {size} values, got {found}.")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _read_shape(path: Path, file: IO[bytes], rank: int) -> tuple[int, ...]:
    header = file.read(4 + 4 * rank)
    if header[:4] != bytes([0, 0, 8, rank]):
        raise EfficientNetError(
            f"{str(path)!r} is not an idx file of {rank} dimensions of bytes: "
            f"it begins with {header[:4].hex() or 'nothing'}, not {bytes([0, 0, 8, rank]).hex()}."
        )
    if len(header) < 4 + 4 * rank:
        raise EfficientNetError(f"{str(path)!r} is truncated in its header.")
    shape = tuple(int(side) for side in np.frombuffer(header, ">u4", offset=4))
    if not all(shape) or max(shape[1:], default=1) > MAX_SIDE or np.prod(shape, dtype=object) > MAX_BYTES:
        raise EfficientNetError(
            f"{str(path)!r} cannot have the dimensions {'x'.join(map(str, shape))}. "
            f"Allowed: sides up to {MAX_SIDE} pixels, {MAX_BYTES} values in all."
        )
    return shape


def _read_at_most(file: IO[bytes], size: int) -> bytes:
    # Piece by piece: what the header promises is not set aside before it is there.
    values = bytearray()
    while len(values) < size and (piece := file.read(min(_CHUNK, size - len(values)))):
        values += piece
    return bytes(values)


def _class_names(folder: Path, labels: Array, labels_file: Path) -> tuple[str, ...]:
    path = folder / LABELS
    if path.is_file():
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
            raise EfficientNetError(f"{str(path)!r} is a link that leads out of the folder {str(folder)!r}.")
        try:
            names = tuple(path.read_text(encoding="utf-8-sig").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise EfficientNetError(f"Cannot read {str(path)!r}: {' '.join(str(error).split())}.") from None
        if len(set(names)) < len(names) or not all(name.strip() and name.isprintable() for name in names):
            raise EfficientNetError(f"{str(path)!r} must hold one name a line, each another.")
        if len(names) < 2:
            raise EfficientNetError(f"{str(path)!r} names {len(names)} classes; two or more are needed.")
    else:
        fashion = "fashion-mnist" in os.path.realpath(folder).lower().replace("_", "-")
        names = FASHION if fashion else DIGITS
    row = int(labels.argmax())
    if labels[row] >= len(names):
        raise EfficientNetError(
            f"{str(labels_file)!r} has the label {labels[row]}, of picture {row}. Allowed: 0 to {len(names) - 1}; "
            f"names of other classes go into {LABELS} in the folder, one a line."
        )
    return names
