"""Unpack the archives that checkpoints are published in; nothing of them may land outside their folder."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.files import atomic_directory

# Weights hardly compress; the graph that some archives hold as well does, and is small.
LARGEST_EXPANSION = 4
ALLOWANCE = 64 << 20
MOST_MEMBERS = 1000
LONGEST_NAME = 255
CHUNK = 1 << 20


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a `.tar.gz` into a folder that appears when all of it is there.

    Args:
        archive: the file; regular files and folders are taken, anything else is refused.
        folder: what it becomes; an older one is replaced.

    Raises:
        EfficientNetError: the archive is damaged, too large for its size, or would write elsewhere.
        OSError: the folder cannot be written, or the disk is full; the archive is not to blame.
    """
    try:
        with gzip.open(archive) as file, atomic_directory(folder) as unfinished:
            bounded = _Bounded(file, ALLOWANCE + LARGEST_EXPANSION * archive.stat().st_size)
            _extract(bounded, unfinished)
            # Only at its very end does a compressed file tell whether all of it was right.
            while bounded.read(CHUNK):
                pass
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = str(error).splitlines()[0] if str(error) else "it ends early"
        raise EfficientNetError(f"{archive} is not an archive that can be unpacked: {reason}.") from error
    return folder


class _Bounded:
    """A stream that ends in an error when too much was read of it, headers and long names included."""

    def __init__(self, file: Any, most: int) -> None:
        self.file, self.most, self.done = file, most, 0

    def read(self, size: int) -> bytes:
        data: bytes = self.file.read(size)
        self.done += len(data)
        if self.done > self.most:
            raise tarfile.TarError(f"more than {self.most} bytes come out of it")
        return data


def _extract(stream: Any, folder: Path) -> None:
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for number, member in enumerate(tar, start=1):
            if number > MOST_MEMBERS:
                raise tarfile.TarError(f"more than {MOST_MEMBERS} files")
            _refuse_strangers(member, folder)
            tar.extract(member, folder, filter="data")


def _refuse_strangers(member: tarfile.TarInfo, folder: Path) -> None:
    if len(member.name) > LONGEST_NAME:
        raise tarfile.TarError(f"a name of {len(member.name)} characters")
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        raise tarfile.TarError(f"{member.name!r} would be written outside its folder")
    if not (member.isfile() or member.isdir()) or member.issparse():
        raise tarfile.TarError(f"{member.name!r} is neither a file nor a folder")
    if member.isfile() and (folder / path).exists():
        raise tarfile.TarError(f"{member.name!r} is there twice")
