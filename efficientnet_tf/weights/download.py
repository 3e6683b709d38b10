"""Fetch public files once: with progress, resumed where it was cut off, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.files import atomic_write_text

LARGEST = 4 << 30
CHUNK = 1 << 20
TIMEOUT_SECONDS = 30
ATTEMPTS = 3
LOOPBACK = ("127.0.0.1", "localhost", "::1")

#: Called with the bytes that are there and those of the whole file, 0 where it is not known.
Progress = Callable[[int, int], None]


def fetch(url: str, target: Path, *, md5: str | None = None, progress: Progress = lambda done, whole: None) -> Path:
    """Return a file of the cache, downloaded if it is not there.

    What is there is checked again: against the published md5, or against the sha256 that the first download recorded
    in `NAME.sha256` beside it. A download that was cut off is resumed from `NAME.partial`.

    Args:
        url: https, or http on this machine.
        target: where it goes; its folder is made.
        md5: of the whole file, where it is published.
        progress: told after every megabyte.

    Raises:
        EfficientNetError: no connection, no such file, or another content than expected; the message says where
            to put the file by hand.
    """
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            # Another process may have fetched it while this one waited.
            if not target.is_file():
                partial = target.with_name(f"{target.name}.partial")
                _download(url, partial, target, progress)
                _check(partial, url, md5, None)
                if md5 is None:
                    atomic_write_text(_record(target), f"{_digest(partial, 'sha256')}\n")
                os.replace(partial, target)
                return target
    recorded = _record(target).read_text(encoding="ascii").strip() if _record(target).is_file() else None
    _check(target, url, md5, recorded)
    return target


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Wait until no other process downloads the same file; on Windows, where there is no such lock, do not."""
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _record(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def _check(path: Path, url: str, md5: str | None, sha256: str | None) -> None:
    """Remove a file and raise, if it is not the expected one."""
    for kind, expected in (("md5", md5), ("sha256", sha256)):
        received = _digest(path, kind) if expected else None
        if received != expected:
            path.unlink()
            raise EfficientNetError(
                f"{url} is not the expected file: {kind} {received}, expected {expected}. It was removed; try again."
            )


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def _download(url: str, partial: Path, target: Path, progress: Progress) -> None:
    problem: Exception | None = None
    for _ in range(ATTEMPTS):
        try:
            _append(url, partial, progress)
            return
        except urllib.error.HTTPError as error:
            error.close()
            problem = error
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                partial.unlink(missing_ok=True)
            elif error.code < 500:
                break
        except (OSError, http.client.HTTPException) as error:
            problem = error
    raise EfficientNetError(
        f"{url} could not be downloaded: {problem}. Without a network, fetch it elsewhere and put it at {target}."
    ) from problem


def _append(url: str, partial: Path, progress: Progress) -> None:
    """Download what is missing of a file; a server that cannot resume, or has another file by now, sends all of it."""
    done = partial.stat().st_size if partial.is_file() else 0
    tag = partial.with_name(f"{partial.name}.etag")
    expected = tag.read_text(encoding="utf-8") if done and tag.is_file() else ""
    _refuse_plain(url)
    request = urllib.request.Request(url)
    if expected:
        request.add_header("Range", f"bytes={done}-")
        request.add_header("If-Range", expected)
    with _opener().open(request, timeout=TIMEOUT_SECONDS) as response:
        resumes = response.status == http.client.PARTIAL_CONTENT
        if resumes and not _continues(response.headers, done, expected):
            partial.unlink()
            raise OSError("the server resumed elsewhere, or another file")
        done = done if resumes else 0
        whole = done + int(response.headers.get("Content-Length") or 0)
        if whole > LARGEST:
            raise OSError(f"it states {whole} bytes, more than {LARGEST}")
        if response.headers.get("ETag"):
            atomic_write_text(tag, response.headers["ETag"])
        with partial.open("ab" if resumes else "wb") as file:
            for chunk in _chunks(response):
                file.write(chunk)
                done += len(chunk)
                if done > LARGEST:
                    raise OSError(f"it is larger than {LARGEST} bytes")
                progress(done, whole)
        if whole and done < whole:
            raise OSError(f"the connection ended after {done} of {whole} bytes")
    tag.unlink(missing_ok=True)


def _continues(headers: Any, done: int, tag: str) -> bool:
    start = (headers.get("Content-Range") or "").startswith(f"bytes {done}-")
    return start and headers.get("ETag", tag) == tag


def _chunks(response: Any) -> Iterator[bytes]:
    while chunk := response.read(CHUNK):
        yield chunk


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to https alone."""

    def redirect_request(self, *arguments: Any) -> Any:
        """Return the request that follows; the arguments end in the new address."""
        _, response, *_, address = arguments
        try:
            _refuse_plain(address)
        except urllib.error.URLError:
            response.close()
            raise
        return super().redirect_request(*arguments)


def _refuse_plain(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise urllib.error.URLError(f"{parts.scheme}://{parts.hostname} is not https")


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_SafeRedirects)
