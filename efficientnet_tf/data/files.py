"""Finding the images in files and folders; without TensorFlow.

What looks like an image and is left out is returned with the reason, never lost.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from efficientnet_tf.data.checking import check_images
from efficientnet_tf.errors import EfficientNetError, UsageError

#: File names that are taken for images, in lower case; capitals are taken too.
IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")

#: Images that are named as skipped rather than passed over in silence, as other files are.
OTHER_IMAGE_EXTENSIONS = (".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2")

#: An image that was left out, and why: (file, reason).
Skipped = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class FoundImages:
    """What `find_images` found.

    Attributes:
        files: paths, in the order of the arguments and sorted within each folder; each once.
        named: those of `files` that were given by themselves, not found in a folder.
        skipped: what was left out unread, such as links that lead out of a folder.
    """

    files: tuple[str, ...]
    named: frozenset[str]
    skipped: tuple[Skipped, ...]


def find_images(paths: Sequence[str | os.PathLike[str]]) -> FoundImages:
    """List the images of a mixed list of files and folders, without opening any.

    Folders are searched with their sub-folders, for names that end in one of `IMAGE_EXTENSIONS`; hidden files are
    ignored, and links that lead out of the folder are not followed. A file that is given by itself may have any name.

    Raises:
        UsageError: a path does not exist, or the list is empty.
        EfficientNetError: there is not one image.
    """
    if not paths:
        raise UsageError("No image given. Allowed: image files and folders of images.")
    files: dict[str, None] = {}
    named: set[str] = set()
    skipped: list[Skipped] = []
    for path in map(os.fspath, paths):
        if os.path.isdir(path):
            names, left_out = list_images(Path(path))
            files.update(dict.fromkeys(str(Path(path, name)) for name in names))
            skipped += left_out
        elif os.path.isfile(path):
            files[path] = None
            named.add(path)
        else:
            raise UsageError(f"No such file or folder: {path!r}. Allowed: image files and folders of images.")
    if not files:
        raise EfficientNetError(f"No images in {', '.join(map(repr, map(os.fspath, paths)))}; {_searched_for()}.")
    return FoundImages(tuple(files), frozenset(named), tuple(skipped))


def readable_images(
    paths: Sequence[str | os.PathLike[str]], progress: Callable[[int], None] | None = None
) -> tuple[tuple[str, ...], tuple[Skipped, ...]]:
    """Find the images of files and folders, check each, and return (those that can be read, those skipped).

    Args:
        paths: as for `find_images`.
        progress: called after every file that was checked, with the number of files done.

    Raises:
        UsageError: as `find_images`.
        EfficientNetError: an image that was given by itself cannot be read, or none in the folders can.
    """
    found = find_images(paths)
    reasons = check_images(found.files, progress)
    for path, reason in zip(found.files, reasons, strict=True):
        if reason and path in found.named:
            raise EfficientNetError(f"Cannot read {path!r}: {reason}.")
    broken = [(path, reason) for path, reason in zip(found.files, reasons, strict=True) if reason]
    readable = tuple(path for path, reason in zip(found.files, reasons, strict=True) if not reason)
    if not readable:
        raise EfficientNetError(none_readable(", ".join(repr(os.fspath(path)) for path in paths), broken))
    return readable, (*found.skipped, *broken)


def none_readable(where: str, broken: Sequence[Skipped]) -> str:
    """Return the one line for a place whose images are all unreadable."""
    name, reason = broken[0]
    return f"None of the {len(broken)} images in {where} can be read (first: {os.path.basename(name)!r}, {reason})."


def list_images(folder: Path, root: Path | None = None) -> tuple[list[str], list[Skipped]]:
    """List the images below a folder, without opening any.

    Args:
        folder: searched with its sub-folders.
        root: the folder that links must not lead out of; `folder` itself if not given.

    Returns:
        Sorted names relative to `folder`, with `/`; and what was left out.
    """
    inside = os.path.realpath(root or folder)
    names: list[str] = []
    skipped: list[Skipped] = []
    pending = [folder]
    while pending:
        for entry in scan(pending.pop()):
            extension = os.path.splitext(entry.name)[1].lower()
            reason = link_problem(entry, inside)
            if reason and (extension in IMAGE_EXTENSIONS or entry.is_dir()):
                skipped.append((entry.path, reason))
            elif entry.is_dir():
                pending.append(Path(entry.path))
            elif extension in OTHER_IMAGE_EXTENSIONS:
                skipped.append((entry.path, f"{extension} files are not supported, only {', '.join(IMAGE_EXTENSIONS)}"))
            elif extension in IMAGE_EXTENSIONS and not entry.is_file():
                skipped.append((entry.path, "not a regular file"))
            elif extension in IMAGE_EXTENSIONS:
                names.append(Path(entry.path).relative_to(folder).as_posix())
    return sorted(names), sorted(skipped)


def scan(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder that are not hidden, sorted by name.

    Raises:
        EfficientNetError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise EfficientNetError(f"Cannot read the folder {str(folder)!r}: {error.strerror}.") from error


def link_problem(entry: os.DirEntry[str], root: str) -> str | None:
    """Return why a symbolic link is not followed, or None for what is no link or leads to a file inside `root`."""
    if not entry.is_symlink():
        return None
    target = os.path.realpath(entry.path)
    if not Path(target).is_relative_to(root):
        return "a link that leads out of the folder"
    if not os.path.exists(target):
        return "a link to a file that does not exist"
    return "a link to a folder" if os.path.isdir(target) else None


def _searched_for() -> str:
    return f"searched for {', '.join(IMAGE_EXTENSIONS)}"
