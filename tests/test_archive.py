"""Archives that are hostile or damaged: nothing of them lands outside their folder, and nothing half unpacked stays."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.weights.archive import unpack

CONTENT = bytes(range(256)) * 5000


def archive(path: Path, **members: tarfile.TarInfo | bytes) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, member in members.items():
            if isinstance(member, bytes):
                info = tarfile.TarInfo(name)
                info.size = len(member)
                tar.addfile(info, io.BytesIO(member))
            else:
                tar.addfile(member)
    return path


def link(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"../outside": b"x"}, "'../outside' would be written outside its folder"),
        ({"/outside": b"x"}, "'/outside' would be written outside its folder"),
        ({"a/../../outside": b"x"}, "'a/../../outside' would be written outside its folder"),
        ({"a": link("a", tarfile.SYMTYPE, ".."), "a/outside": b"x"}, "'a' is neither a file nor a folder"),
        ({"a": link("a", tarfile.LNKTYPE, "../outside")}, "'a' is neither a file nor a folder"),
        ({"a": link("a", tarfile.CHRTYPE, "")}, "'a' is neither a file nor a folder"),
    ],
)
def test_archives_that_write_elsewhere(members, reason, tmp_path):
    path = archive(tmp_path / "a.tar.gz", **members)
    message = f"{path} is not an archive that can be unpacked: {reason}."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        unpack(path, tmp_path / "cache" / "a")
    assert [file.name for file in tmp_path.rglob("*")] == ["cache", "a.tar.gz"] or not list(tmp_path.rglob("outside"))
    assert not (tmp_path / "cache" / "a").exists()


def test_archives_that_are_damaged_or_too_large(tmp_path, monkeypatch):
    path = archive(tmp_path / "a.tar.gz", **{"model.ckpt.index": CONTENT})
    assert (unpack(path, tmp_path / "a") / "model.ckpt.index").read_bytes() == CONTENT
    whole = path.read_bytes()
    # A bit that is wrong shows only in the sum at the end.
    path.write_bytes(whole[:-8] + b"\0" * 4 + whole[-4:])
    with pytest.raises(EfficientNetError, match=r"is not an archive that can be unpacked: CRC check failed"):
        unpack(path, tmp_path / "b")
    path.write_bytes(whole[:100])
    with pytest.raises(EfficientNetError, match="is not an archive that can be unpacked: "):
        unpack(path, tmp_path / "b")
    monkeypatch.setattr("efficientnet_tf.weights.archive.ALLOWANCE", 20_000)
    # A name is read into memory before its member is seen.
    for members in ({"a": CONTENT}, {"a" * 1_000_000: b""}):
        with pytest.raises(EfficientNetError, match=r"more than \d{5} bytes come out of it\.$"):
            unpack(archive(tmp_path / "c.tar.gz", **members), tmp_path / "c")
    with pytest.raises(EfficientNetError, match=r"a name of 300 characters\.$"):
        unpack(archive(tmp_path / "c.tar.gz", **{"a" * 300: b""}), tmp_path / "c")
    with pytest.raises(EfficientNetError, match=r"'\./a' is there twice\.$"):
        unpack(archive(tmp_path / "c.tar.gz", **{"a": b"1", "./a": b"2"}), tmp_path / "c")
    monkeypatch.setattr("efficientnet_tf.weights.archive.MOST_MEMBERS", 2)
    with pytest.raises(EfficientNetError, match=r"more than 2 files\.$"):
        unpack(archive(tmp_path / "c.tar.gz", a=b"", b=b"", c=b""), tmp_path / "c")
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "c").exists()
