"""From finished files in a folder of their own to the folder of an export: all of them, or none.

No system call replaces several files at once. So the old ones step aside first, the new ones are moved in, and the
report, which vouches for them, comes last: as long as it is not there, nothing looks finished. What goes wrong in
between is taken back, at once or, where the process was killed, by the next export.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from efficientnet_tf.run import REPORT, write_json
from efficientnet_tf.signals import uninterrupted

#: How the folder begins in which an export works until all is verified.
UNFINISHED = ".unfinished-"
#: What lies in it: the new files, the old ones, and which files were to be moved.
NEW, OLD, NAMES = "new", "old", "names.json"


@contextlib.contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder to work in, within that of an export, with an empty `new`; it is removed in the end.

    What is left of it when the process is killed is what `recover` removes.
    """
    scratch = Path(tempfile.mkdtemp(dir=folder, prefix=UNFINISHED))
    try:
        (scratch / NEW).mkdir()
        yield scratch
    finally:
        with uninterrupted():
            shutil.rmtree(scratch, ignore_errors=True)


def publish(scratch: Path, folder: Path, *, removed: Collection[str] = ()) -> None:
    """Move all files of `scratch/new` into a folder, in place of those of the same names.

    SIGINT and SIGTERM have to wait while that happens, which takes milliseconds.

    Args:
        scratch: as of `scratch_folder`; its `new` holds a report.json.
        folder: of the export.
        removed: names of older files and folders that go too.

    Raises:
        OSError: one of them cannot be moved; the folder is as it was before.
    """
    new, old = scratch / NEW, scratch / OLD
    names = _report_last([path.name for path in new.iterdir()])
    with uninterrupted():
        old.mkdir()
        write_json(scratch / NAMES, {"names": names})
        try:
            # The old report goes first: it must not vouch for new files.
            for name in reversed(_report_last({*names, *removed})):
                if os.path.lexists(folder / name):
                    os.rename(folder / name, old / name)
            for name in names:
                os.rename(new / name, folder / name)
        except BaseException:
            _take_back(scratch, folder)
            raise


def recover(folder: Path) -> None:
    """Bring a folder into the state before an export that was killed, and remove what that left.

    Nobody else may be writing to it.

    Args:
        folder: of an export.

    Raises:
        OSError: a file cannot be moved back.
    """
    for scratch in sorted(folder.glob(f"{UNFINISHED}*")):
        # Without the list nothing had been moved yet; and where the report has gone, all had been.
        if (scratch / NAMES).is_file() and (scratch / NEW / REPORT).is_file():
            _take_back(scratch, folder)
        shutil.rmtree(scratch, ignore_errors=True)


def _take_back(scratch: Path, folder: Path) -> None:
    """Move new files out of a folder again and the old ones in; can itself be interrupted and repeated."""
    new, old = scratch / NEW, scratch / OLD
    for name in json.loads((scratch / NAMES).read_text(encoding="utf-8"))["names"]:
        if os.path.lexists(folder / name) and not os.path.lexists(new / name):
            os.rename(folder / name, new / name)
    for name in _report_last([path.name for path in old.iterdir()]):
        os.rename(old / name, folder / name)
    # Nothing is to be taken back any more, even if only a part of the folder is then removed.
    (scratch / NAMES).unlink()


def _report_last(names: Collection[str]) -> list[str]:
    return sorted(names, key=lambda name: (name == REPORT, name))
