"""Telling which image files can be used, by decoding them; without TensorFlow.

A file is good if Pillow decodes it *and* TensorFlow's decoders will. They are stricter in places: a PNG must be whole
up to its last chunk, a JPEG must not lose itself in a false marker, a BMP must not have a palette (`structure` looks at
this). What only one of the two could read would otherwise stop a training that has run for hours.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from efficientnet_tf.data.structure import first_gif_palette, structure_problem

#: The largest image that is decoded, in pixels (of all frames together): as 8-bit RGB it takes half a gigabyte.
MAX_PIXELS = 178_956_970

#: The largest file that is read, in bytes.
MAX_BYTES = 2**30

#: How the accepted formats begin. The content decides, as in `tf.io.decode_image`, not the name.
_SIGNATURES = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"BM", "BMP"), (b"GIF8", "GIF"))


def check_image(path: str | os.PathLike[str]) -> str | None:
    """Return why an image file cannot be used, in a few words, or None if it can.

    The outcome is remembered until the size of the file or its time of change is another.

    >>> check_image("no-such-file.jpg")
    'No such file or directory'
    """
    return check_images([path])[0]


def check_images(paths: Sequence[str | os.PathLike[str]]) -> list[str | None]:
    """Return what `check_image` says of each file, with a few files decoded at a time."""
    with _without_warnings(), ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        return list(pool.map(_check, map(os.fspath, paths)))


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

    >>> problem(b"RIFF....WEBPVP8 ")
    'its content is not JPEG, PNG, BMP or GIF'
    """
    kind = next((kind for signature, kind in _SIGNATURES if data.startswith(signature)), None)
    if kind is None:
        return "its content is not JPEG, PNG, BMP or GIF"
    try:
        return structure_problem(kind, data) or _pixel_problem(kind, data)
    except Image.DecompressionBombError:
        return f"more than {MAX_PIXELS} pixels"
    # Pillow's decoders raise almost anything on damaged data, and every one of these means the same here.
    except Exception as error:
        return f"truncated or damaged ({' '.join(str(error).split()) or type(error).__name__})"


def _pixel_problem(kind: str, data: bytes) -> str | None:
    with Image.open(io.BytesIO(data), formats=(kind,)) as image:
        frames = image.n_frames if kind == "GIF" else 1
        if image.width * image.height * frames > MAX_PIXELS:
            return f"more than {MAX_PIXELS} pixels"
        if kind == "BMP" and image.mode not in ("L", "RGB", "RGBA"):
            return "a BMP with a palette; only grey, 24-bit and 32-bit BMP are supported"
        # An eighth of the size: every byte is still decoded, but few pixels are computed.
        if kind == "JPEG":
            image.draft(None, (1, 1))
        image.load()
        if kind == "GIF" and image.getextrema()[1] >= first_gif_palette(data):
            return "damaged (a GIF with colours outside its palette)"
    return None
