"""Unpack the archives that checkpoints are published in; nothing of them may land outside their folder."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.files import atomic_directory

# The largest published archive, L2's, has a few files of 2 GB in all.
LARGEST_TOTAL = 8 << 30
MOST_MEMBERS = 1000


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a `.tar.gz` into a folder that appears when all of it is there.

    Args:
        archive: the file; regular files and folders are taken, anything else is refused.
        folder: what it becomes; an older one is replaced.

    Raises:
        EfficientNetError: the archive is damaged, too large, or would write elsewhere.
    """
    try:
        with tarfile.open(archive, "r:*") as tar, atomic_directory(folder) as unfinished:
            total = 0
            for number, member in enumerate(tar, start=1):
                _refuse_strangers(member)
                total += member.size
                if number > MOST_MEMBERS or total > LARGEST_TOTAL:
                    raise tarfile.TarError(f"more than {MOST_MEMBERS} files or {LARGEST_TOTAL} bytes")
                tar.extract(member, unfinished, filter="data")
            # Only at its very end does a compressed file tell whether all of it was right.
            while tar.fileobj is not None and tar.fileobj.read(1 << 20):
                pass
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it ends early"
        raise EfficientNetError(f"{archive} is not an archive that can be unpacked: {reason}.") from error
    return folder


def _refuse_strangers(member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        raise tarfile.TarError(f"{member.name!r} would be written outside its folder")
    if not member.isfile() and not member.isdir():
        raise tarfile.TarError(f"{member.name!r} is neither a file nor a folder")
