"""What every reader keeps to: damage is one kind of error, and tensors take no more bytes than their file has."""

from __future__ import annotations

import contextlib
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from efficientnet_tf.errors import EfficientNetError

# NumPy's own.
MOST_DIMENSIONS = 64

# What the libraries underneath raise of a file that is not what it says.
_RAISED = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    OSError,
    EOFError,
    MemoryError,
    RuntimeError,
    ArithmeticError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
)


class Damage(ValueError):
    """What is wrong with a file, as the end of a sentence."""


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn whatever a damaged file makes its reader raise into one error that names the file.

    Raises:
        EfficientNetError: instead of any of these.

    >>> with reading("b0.pth"):
    ...     raise Damage("it ends early")
    Traceback (most recent call last):
    efficientnet_tf.errors.EfficientNetError: b0.pth is not a weight file that can be read: it ends early.
    """
    try:
        yield
    except EfficientNetError:
        raise
    except _RAISED as error:
        text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        reason = " ".join(text.split()).rstrip(".") or type(error).__name__
        raise EfficientNetError(f"{path} is not a weight file that can be read: {reason}.") from error


class Allowance:
    """Bytes that may still be made from a file: as many as it has, for no writer of weights compresses them.

    This is what stops a small file that states large sizes, or that names the same numbers many times.

    >>> allowance = Allowance(100)
    >>> allowance.spend(60, "stem")
    >>> allowance.spend(60, "head")
    Traceback (most recent call last):
    efficientnet_tf.weights.files.bounds.Damage: with head it states more bytes than its 100
    """

    def __init__(self, size: int) -> None:
        self._size = self._left = size

    def spend(self, nbytes: int, name: str) -> None:
        """Take bytes off before they are read.

        Raises:
            Damage: there are not as many left.
        """
        self._left -= nbytes
        if self._left < 0:
            raise Damage(f"with {name} it states more bytes than its {self._size}")


def read_member(archive: zipfile.ZipFile, name: str, allowance: Allowance) -> bytes:
    """Return a file in a zip archive, which must lie there as it is.

    Raises:
        Damage: it is compressed, or states more bytes than the archive has.
        KeyError: there is none of this name.
    """
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise Damage(f"{name} is compressed, as no weights are")
    allowance.spend(entry.file_size, name)
    return archive.read(entry)
