"""Files and folders that are either complete or absent, and the folder for what can be fetched again.

A run may be interrupted, and a disk may be full, in the middle of a write. Whatever is written through
this module appears under its name only when all of it is there; what stood there before stays until then.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

#: The variable that names the cache folder; without it the user's own cache folder is used.
CACHE_VARIABLE = "EFFICIENTNET_TF_CACHE"


def atomic_write_bytes(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write a file so that `path` holds either all of `data` or what it held before.

    Folders above it are made. A link at `path` is replaced, never written through.

    Raises:
        OSError: the folder cannot be written, or the disk is full; nothing is left behind.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     atomic_write_bytes(f"{folder}/labels/one.txt", b"cat").read_bytes()
    b'cat'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _sibling(target)
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return target


def atomic_write_text(path: str | os.PathLike[str], text: str) -> Path:
    r"""Write a text file, UTF-8, as `atomic_write_bytes` does; line ends are written as they are.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     atomic_write_text(f"{folder}/labels.txt", "caf\u00e9\n").read_bytes()
    b'caf\xc3\xa9\n'
    """
    return atomic_write_bytes(path, text.encode("utf-8"))


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a new folder beside `path`; it becomes `path` when the block ends, and is removed when it fails.

    An older folder at `path` is replaced as a whole, at the very end. A link at `path` is replaced too,
    and what it points to is left alone.

    Raises:
        FileExistsError: `path` is a file; it is left alone.
        OSError: the folder above cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_directory(f"{folder}/model") as unfinished:
    ...         _ = (unfinished / "weights.bin").write_bytes(b"1234")
    ...     sorted(str(file.relative_to(folder)) for file in Path(folder).rglob("*"))
    ['model', 'model/weights.bin']
    """
    target = Path(path)
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"Expected a folder or nothing at {target}, got a file.")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _sibling(target)
    temporary.mkdir()
    try:
        yield temporary
        _replace_directory(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def cache_directory() -> Path:
    """Return the folder for what can be fetched again; it need not exist yet.

    The environment variable EFFICIENTNET_TF_CACHE, else `efficientnet_tf` in the user's cache folder.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser().absolute() if chosen else _user_cache_directory() / "efficientnet_tf"


def _user_cache_directory() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _sibling(target: Path) -> Path:
    # In the same folder, since a rename is atomic only within one file system.
    return target.parent / f".{target.name}.{secrets.token_hex(4)}.partial"


def _replace_directory(temporary: Path, target: Path) -> None:
    # No system call replaces a folder that is not empty, so the old one steps aside first.
    if not os.path.lexists(target):
        os.rename(temporary, target)
        return
    old = _sibling(target)
    os.rename(target, old)
    try:
        os.rename(temporary, target)
    except BaseException:
        os.rename(old, target)
        raise
    if old.is_symlink():
        old.unlink()
    else:
        shutil.rmtree(old, ignore_errors=True)
