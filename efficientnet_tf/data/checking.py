"""Telling which image files can be used, by decoding them; without TensorFlow.

A file is good if Pillow decodes it *and* TensorFlow's decoders will. They are stricter in places: a PNG must be whole
up to its last chunk, a JPEG must not lose itself in a false marker, a BMP must not be compressed (`structure` looks at
this). What only one of the two could read would otherwise stop a training that has run for hours.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import io
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from efficientnet_tf.data.structure import MAX_PIXELS, WEBP_TENSORFLOW, first_gif_palette, structure_problem

#: The largest file that is read, in bytes.
MAX_BYTES = 2**30

#: How the accepted formats begin. The content decides, as in `tf.io.decode_image`, not the name.
_SIGNATURES = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"BM"), "BMP"),
    (re.compile(rb"GIF8"), "GIF"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "WEBP"),
)
#: The distributions that TensorFlow comes in.
_TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-tpu", "tensorflow-intel", "tensorflow-macos", "tf-nightly")


def check_image(path: str | os.PathLike[str]) -> str | None:
    """Return why an image file cannot be used, in a few words, or None if it can.

    The outcome is remembered until the size of the file or its time of change is another.

    >>> check_image("no-such-file.jpg")
    'No such file or directory'
    """
    return check_images([path])[0]


def check_images(
    paths: Sequence[str | os.PathLike[str]], progress: Callable[[int], None] | None = None
) -> list[str | None]:
    """Return what `check_image` says of each file, with a few files decoded at a time.

    Args:
        paths: the files.
        progress: called after every file, in the order of `paths`, with the number of files done.

    >>> check_images(["no-such-file.jpg", "nor-this.png"], progress=print)
    1
    2
    ['No such file or directory', 'No such file or directory']
    """
    reasons: list[str | None] = []
    with _without_warnings(), ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        for reason in pool.map(_check, map(os.fspath, paths)):
            reasons.append(reason)
            if progress:
                progress(len(reasons))
    return reasons


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    # Entered once around the threads, not in them: the list of filters belongs to the whole process.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check(path: str) -> str | None:
    try:
        status = os.stat(path)
    except OSError as error:
        return error.strerror
    return _check_version(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=200_000)
def _check_version(path: str, size: int, changed: int) -> str | None:
    if size == 0:
        return "an empty file"
    if size > MAX_BYTES:
        return f"larger than {MAX_BYTES} bytes"
    try:
        with open(path, "rb") as file:
            return problem(file.read())
    except OSError as error:
        return error.strerror


def problem(data: bytes) -> str | None:
    """Return why an encoded image cannot be used, in a few words, or None if it can.

    >>> problem(b"<html></html>")
    'its content is not JPEG, PNG, BMP, GIF or WebP'
    """
    kind = next((kind for signature, kind in _SIGNATURES if signature.match(data)), None)
    if kind is None:
        return "its content is not JPEG, PNG, BMP, GIF or WebP"
    try:
        unsupported = _webp_unsupported() if kind == "WEBP" else None
        return unsupported or structure_problem(kind, data) or _undecodable(kind, data)
    except Image.DecompressionBombError:
        return f"more than {MAX_PIXELS} pixels"
    # Pillow's decoders raise almost anything on damaged data, and every one of these means the same here.
    except Exception as error:
        return f"truncated or damaged ({' '.join(str(error).split()) or type(error).__name__})"


def _undecodable(kind: str, data: bytes) -> str | None:
    with Image.open(io.BytesIO(data), formats=(kind,)) as image:
        if image.width * image.height > MAX_PIXELS:
            return f"more than {MAX_PIXELS} pixels"
        # An eighth of the size: every byte is still decoded, but few pixels are computed.
        if kind == "JPEG":
            image.draft(None, (1, 1))
        image.load()
        if kind == "GIF" and np.asarray(image).max() >= first_gif_palette(data):
            return "damaged (a GIF with colours outside its palette)"
    return None


@functools.cache
def _webp_unsupported() -> str | None:
    """Return why the TensorFlow that is installed cannot decode WebP, or None if it can or there is none to ask."""
    for name in _TENSORFLOWS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            version = importlib.metadata.version(name)
            if [int(part) for part in re.findall(r"\d+", version)[:2]] < list(WEBP_TENSORFLOW):
                needed = ".".join(map(str, WEBP_TENSORFLOW))
                return f"WebP files need TensorFlow {needed} or newer; {version} is installed"
    return None
