"""Downloads from a server on this machine: resumed, checked, and told in one line where they fail."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.server
import os
import re
import threading

import numpy as np
import pytest
from test_archive import archive
from test_official_checkpoints import official_variables, write_checkpoint

import efficientnet_tf as efn
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.files import CACHE_VARIABLE
from efficientnet_tf.weights import download, published
from efficientnet_tf.weights.download import fetch

CONTENT = bytes(range(256)) * 5000


class Server(http.server.BaseHTTPRequestHandler):
    """A server with one file, which may cut a download off, ignore ranges, or lead elsewhere."""

    files: dict[str, bytes]
    cut_after: int | None
    ranges: bool
    # What a server says amiss of the rest that it sends.
    wrong: dict[str, str]
    seen: list[str | None]

    def do_GET(self):  # the name that http.server wants
        self.seen.append(self.headers["Range"])
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "http://example.invalid/file")
            self.end_headers()
            return
        content = self.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        tag, begin = f'"{hashlib.md5(content).hexdigest()}"', 0
        if self.ranges and self.headers["Range"] and self.headers["If-Range"] == tag:
            begin = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1])
        if begin >= len(content):
            self.send_error(416)
            return
        said = {"Content-Length": str(len(content) - begin), "ETag": tag}
        if begin:
            said |= {"Content-Range": f"bytes {begin}-{len(content) - 1}/{len(content)}", **Server.wrong}
        self.send_response(206 if begin else 200)
        for name, value in said.items():
            self.send_header(name, value)
        self.end_headers()
        end, Server.cut_after = Server.cut_after, None
        # A client that refuses what it is sent goes away.
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content[begin:end])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    Server.files, Server.cut_after, Server.ranges, Server.seen = {"/file.bin": CONTENT}, None, True, []
    Server.wrong = {}
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
    thread.join()


def test_a_file_is_fetched_once_and_watched(server, tmp_path):
    steps = []
    target = fetch(f"{server}/file.bin", tmp_path / "a" / "file.bin", progress=lambda *step: steps.append(step))
    assert target.read_bytes() == CONTENT
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert (tmp_path / "a" / "file.bin.sha256").read_text().strip() == hashlib.sha256(CONTENT).hexdigest()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [".file.bin.lock", "file.bin", "file.bin.sha256"]
    fetch(f"{server}/file.bin", target)
    assert len(Server.seen) == 1
    target.write_bytes(b"changed")
    with pytest.raises(
        EfficientNetError, match=r"is not the expected file: sha256 [0-9a-f]{64}, expected [0-9a-f]{64}\. "
    ):
        fetch(f"{server}/file.bin", target)
    assert not target.exists()


@pytest.mark.parametrize("ranges", [True, False])
def test_what_was_cut_off_is_resumed(server, ranges, tmp_path):
    Server.ranges, Server.cut_after = ranges, 700_000
    assert fetch(f"{server}/file.bin", tmp_path / "file.bin").read_bytes() == CONTENT
    assert Server.seen[0] is None
    assert re.fullmatch(r"bytes=\d+-", Server.seen[1])


def test_a_file_that_changed_meanwhile_starts_anew(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    Server.cut_after = 700_000
    with pytest.raises(EfficientNetError, match="could not be downloaded: "):
        fetch(f"{server}/file.bin", tmp_path / "file.bin")
    assert not (tmp_path / "file.bin").exists()
    Server.files["/file.bin"] = CONTENT[::-1]
    assert fetch(f"{server}/file.bin", tmp_path / "file.bin").read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("wrong", [{"ETag": '"other"'}, {"Content-Range": "bytes 0-1279999/1280000"}])
def test_a_rest_of_something_else_is_not_appended(server, wrong, tmp_path):
    Server.cut_after, Server.wrong = 700_000, wrong
    assert fetch(f"{server}/file.bin", tmp_path / "file.bin").read_bytes() == CONTENT
    assert [seen is None for seen in Server.seen] == [True, False, True]


def test_a_partial_file_that_is_whole_starts_anew(server, tmp_path):
    (tmp_path / "file.bin.partial").write_bytes(CONTENT)
    (tmp_path / "file.bin.partial.etag").write_text(f'"{hashlib.md5(CONTENT).hexdigest()}"')
    assert fetch(f"{server}/file.bin", tmp_path / "file.bin").read_bytes() == CONTENT
    assert Server.seen == [f"bytes={len(CONTENT)}-", None]


def test_plain_addresses_are_refused(tmp_path):
    for url in ("http://example.invalid/file", "file:///etc/hostname"):
        with pytest.raises(EfficientNetError, match=r"could not be downloaded: .* is not https"):
            fetch(url, tmp_path / "file")


def test_a_wrong_hash_is_refused(server, tmp_path):
    message = (
        f"{server}/file.bin is not the expected file: md5 {hashlib.md5(CONTENT).hexdigest()}, expected {'0' * 32}. "
        "It was removed; try again."
    )
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        fetch(f"{server}/file.bin", tmp_path / "file.bin", md5="0" * 32)
    assert list(tmp_path.glob("file.bin*")) == []


def test_where_to_put_a_file_by_hand(server, tmp_path):
    message = (
        f"{server}/absent could not be downloaded: HTTP Error 404: Not Found. "
        f"Without a network, fetch it elsewhere and put it at {tmp_path / 'absent'}."
    )
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        fetch(f"{server}/absent", tmp_path / "absent")
    assert len(Server.seen) == 1
    with pytest.raises(EfficientNetError, match=r"http://example\.invalid is not https"):
        fetch(f"{server}/elsewhere", tmp_path / "elsewhere")


def test_too_large_a_file_is_refused(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 1000)
    with pytest.raises(EfficientNetError, match=r"it states 1280000 bytes, more than 1000\."):
        fetch(f"{server}/file.bin", tmp_path / "file.bin")


def test_published_weights_from_a_server_to_an_answer(server, tmp_path, monkeypatch, capfd):
    model = efn.EfficientNet("tiny", weights=None)
    (tmp_path / "made").mkdir()
    write_checkpoint(tmp_path / "made", official_variables(model, "efficientnet-tiny"))
    members = {f"tiny/{file.name}": file.read_bytes() for file in (tmp_path / "made").iterdir()}
    Server.files["/ckptsaug/tiny.tar.gz"] = archive(tmp_path / "tiny.tar.gz", **members).read_bytes()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(published, "GOOGLE", server)
    monkeypatch.setitem(published.ARCHIVES["imagenet"], "tiny", "ckptsaug/tiny.tar.gz")
    pixels = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    for _ in range(2):
        loaded = efn.EfficientNet("tiny", weights="imagenet")
        np.testing.assert_array_equal(loaded(pixels).numpy(), model(pixels).numpy())
    assert len(Server.seen) == 1
    said = capfd.readouterr().err
    assert f"Downloading {server}/ckptsaug/tiny.tar.gz (licence Apache-2.0) to {tmp_path / 'cache'}" in said


def test_what_is_no_archive_does_not_stay_in_the_cache(server, tmp_path, monkeypatch):
    Server.files["/ckptsaug/tiny.tar.gz"] = b"<html>Please log in</html>"
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(published, "GOOGLE", server)
    monkeypatch.setitem(published.ARCHIVES["imagenet"], "tiny", "ckptsaug/tiny.tar.gz")
    with pytest.raises(
        EfficientNetError, match=r"^[^\n]*is not an archive that can be unpacked: [^\n]* It was removed; try a"
    ):
        efn.EfficientNet("tiny", weights="imagenet")
    assert list(tmp_path.rglob("tiny*")) == []
    # Nor does an archive that holds no checkpoint, or what was unpacked of it.
    Server.files["/ckptsaug/tiny.tar.gz"] = archive(tmp_path / "other.tar.gz", readme=b"").read_bytes()
    with pytest.raises(EfficientNetError, match=r"must hold one checkpoint, got 0\. It was removed; try again\.$"):
        efn.EfficientNet("tiny", weights="imagenet")
    assert list(tmp_path.rglob("tiny*")) == []


def test_an_archive_stays_where_the_disk_is_full(server, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    Server.files["/ckptsaug/tiny.tar.gz"] = archive(tmp_path / "made.tar.gz", a=b"").read_bytes()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(published, "GOOGLE", server)
    monkeypatch.setitem(published.ARCHIVES["imagenet"], "tiny", "ckptsaug/tiny.tar.gz")
    monkeypatch.setattr("efficientnet_tf.weights.archive._extract", full)
    with pytest.raises(OSError, match=re.escape(os.strerror(errno.ENOSPC))):
        efn.EfficientNet("tiny", weights="imagenet")
    assert [path.name for path in tmp_path.rglob("tiny.tar.gz")] == ["tiny.tar.gz"]


def test_two_at_once_fetch_once(server, tmp_path):
    threads = [threading.Thread(target=fetch, args=(f"{server}/file.bin", tmp_path / "file.bin")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(Server.seen) == 1


def test_sets_that_a_variant_has_not():
    message = (
        "No 'imagenet-21k' weights of 'b8' are published; it has imagenet-advprop. "
        "Give a file as --weights=PATH, or start from random ones with --weights=none."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        efn.EfficientNet("b8", weights="imagenet-21k")
    with pytest.raises(
        UsageError, match=r"^No 'imagenet' weights of 'resnet50' are published; there are none for it\. "
    ):
        efn.EfficientNet("resnet50")


def test_hashes_are_those_in_the_source_of_keras_applications():
    from keras.src.applications import efficientnet, efficientnet_v2

    theirs = {name: hashes[0] for name, hashes in efficientnet.WEIGHTS_HASHES.items()}
    theirs |= {f"v2-{name.strip('-')}": hashes[0] for name, hashes in efficientnet_v2.WEIGHTS_HASHES.items()}
    assert {name: md5 for name, (_, md5) in published.KERAS_FILES.items()} == theirs
    for name, (url, _) in published.KERAS_FILES.items():
        module = efficientnet_v2 if name.startswith("v2") else efficientnet
        assert url.startswith(module.BASE_WEIGHTS_PATH)
