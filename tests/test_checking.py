"""Finding the images to predict, and checking that both Pillow and TensorFlow can read a file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from efficientnet_tf.data import checking
from efficientnet_tf.data.checking import check_image, check_images, problem
from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.files import find_images, readable_images
from efficientnet_tf.data.sources import SAMPLE
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.specs import Preprocessing

PHOTOGRAPH = SAMPLE / "animals" / "cat.jpg"
# Without padding the crop reaches the last row.
RECORD = Preprocessing(image_size=(32, 32), crop_padding=0)


def save(path: Path) -> Path:
    """Write a small image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), (200, 90, 30)).save(path)
    return path


def encode(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """Return a photograph of 80 x 60 in a format and a mode."""
    with Image.open(PHOTOGRAPH) as photograph:
        image = photograph.resize((80, 60))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    data = io.BytesIO()
    (image if mode == "I;16" else image.convert(mode)).save(data, kind, **options)
    return data.getvalue()


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def decode(image_bytes: tf.Tensor) -> tf.Tensor:
    return decode_and_crop(image_bytes, RECORD)


def tensorflow_reads(data: bytes) -> bool:
    try:
        decode(tf.constant(data))
    except tf.errors.InvalidArgumentError:
        return False
    return True


def test_find_images_in_files_and_folders(tmp_path: Path) -> None:
    for name in ("z/2.png", "z/10.png", "z/a/1.JPG", "single.png", "odd.data"):
        path = save(tmp_path / name if not name.endswith("data") else tmp_path / "odd.png")
    path.rename(tmp_path / "odd.data")
    found = find_images([tmp_path / "single.png", tmp_path / "z", tmp_path / "odd.data", tmp_path / "z" / "2.png"])
    assert [Path(file).relative_to(tmp_path).as_posix() for file in found.files] == [
        "single.png",
        "z/10.png",
        "z/2.png",
        "z/a/1.JPG",
        "odd.data",
    ]
    assert found.named == {str(tmp_path / name) for name in ("single.png", "odd.data", "z/2.png")}
    assert found.skipped == ()


def test_a_broken_image_is_an_error_alone_and_skipped_in_a_folder(tmp_path: Path) -> None:
    good = save(tmp_path / "good.png")
    broken = tmp_path / "broken.png"
    broken.write_bytes(good.read_bytes()[:-20])
    reason = "truncated (the PNG has no end)"
    assert readable_images([tmp_path]) == ((str(good),), ((str(broken), reason),))
    with pytest.raises(EfficientNetError, match=r"^Cannot read '.*broken\.png': truncated \(the PNG has no end\)\.$"):
        readable_images([tmp_path, broken])
    good.unlink()
    with pytest.raises(EfficientNetError, match=r"^None of the 1 images in '.*' can be read \(first: 'broken\.png'"):
        readable_images([tmp_path])


def test_no_images_to_predict(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^No image given\. Allowed: image files and folders of images\.$"):
        find_images([])
    with pytest.raises(UsageError, match=r"^No such file or folder: 'none\.png'\. Allowed: image files and folders"):
        find_images(["none.png"])
    with pytest.raises(EfficientNetError) as caught:
        find_images([tmp_path])
    assert str(caught.value) == f"No images in '{tmp_path}'; searched for .jpg, .jpeg, .png, .bmp, .gif, .webp."


def test_a_repaired_file_is_checked_again(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.touch()
    assert check_image(path) == "an empty file"
    save(path)
    assert check_image(path) is None
    assert check_image(tmp_path) == "Is a directory"


def test_images_are_bounded_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = tmp_path / "huge.png"
    Image.new("1", (20_000, 10_000)).save(huge)
    assert check_image(huge) == "more than 178956970 pixels"
    monkeypatch.setattr(checking, "MAX_PIXELS", 12 * 10)
    monkeypatch.setattr(checking, "MAX_BYTES", 5000)
    # Of an animation the first frame is decoded, and counted.
    frames = [Image.new("L", (12, 10), shade) for shade in (0, 100, 200)]
    frames[0].save(tmp_path / "frames.gif", save_all=True, append_images=frames[1:])
    Image.new("L", (12, 11)).save(tmp_path / "larger.gif")
    assert check_image(tmp_path / "frames.gif") is None
    assert check_image(tmp_path / "larger.gif") == "more than 120 pixels"
    large = tmp_path / "large.jpg"
    large.write_bytes(PHOTOGRAPH.read_bytes())
    assert check_image(large) == "larger than 5000 bytes"


def test_progress_is_told_after_every_file(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{number}.png") for number in range(20)]
    paths[3].write_bytes(b"no image")
    done: list[int] = []
    reasons = check_images(paths, progress=done.append)
    assert done == list(range(1, 21))
    assert [number for number, reason in enumerate(reasons) if reason] == [3]
    assert readable_images(paths[4:6], progress=done.append)[0] == tuple(map(str, paths[4:6]))
    assert done[20:] == [1, 2]


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("2.21.0", None),
        ("2.22.0-rc1", None),
        ("3.0.0", None),
        ("2.20.0", "WebP files need TensorFlow 2.21 or newer; 2.20.0 is installed"),
        ("2.9.3", "WebP files need TensorFlow 2.21 or newer; 2.9.3 is installed"),
    ],
)
def test_webp_needs_a_new_tensorflow(version: str, reason: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    checking._webp_unsupported.cache_clear()
    monkeypatch.setattr(checking.importlib.metadata, "version", lambda name: version)
    try:
        assert problem(encode("WEBP")) == reason
        assert problem(encode("PNG")) is None
    finally:
        checking._webp_unsupported.cache_clear()


# Agreement with TensorFlow

GOOD = {
    **{f"jpeg {mode}": encode("JPEG", mode) for mode in ("L", "RGB", "CMYK")},
    "jpeg progressive": encode("JPEG", progressive=True),
    "jpeg with something after it": encode("JPEG") + b"appended",
    "jpeg whose comment contains markers": encode("JPEG", comment=b"\xff\xd9\xff\xc3\xff\xda"),
    **{f"png {mode}": encode("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")},
    **{f"bmp {mode}": encode("BMP", mode) for mode in ("L", "P", "RGB", "RGBA")},
    **{f"gif {mode}": encode("GIF", mode) for mode in ("L", "P", "RGB")},
    **{f"webp {mode}": encode("WEBP", mode) for mode in ("L", "RGB", "RGBA")},
    "webp lossless": encode("WEBP", "RGBA", lossless=True),
    "webp animation": encode("WEBP", save_all=True, append_images=[Image.new("RGB", (80, 60), "red")]),
    "webp exif": encode("WEBP", exif=b"Exif\0\0II*\0" + bytes(41)),
    "bmp with something after it": encode("BMP") + b"\0\0",
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_accepted_is_decoded(name: str) -> None:
    assert problem(GOOD[name]) is None
    assert tensorflow_reads(GOOD[name])


RARE_BMP = "a BMP that is compressed, old or of few bits; only 8-bit, 24-bit and 32-bit BMP are supported"
# A false marker (DNL) that claims what follows, up to beyond the end: Pillow and a browser show the image.
FALSE_MARKER = encode("JPEG").replace(b"\xff\x00", b"\xff\xdc", 1)
# 32 colours in place of 64.
LONG_CHUNK = (webp := encode("WEBP"))[:16] + (len(webp)).to_bytes(4, "little") + webp[20:]
HALF_PALETTE = (whole := encode("GIF", "P"))[:10] + b"\x84" + whole[11 : 13 + 3 * 32] + whole[13 + 3 * 64 :]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode("TIFF"), "its content is not JPEG, PNG, BMP, GIF or WebP"),
        (b"<html>", "its content is not JPEG, PNG, BMP, GIF or WebP"),
        (b"RIFF....WAVE", "its content is not JPEG, PNG, BMP, GIF or WebP"),
        (encode("BMP", "1"), RARE_BMP),
        (encode("BMP")[:40], "truncated"),
        (encode("BMP")[:-1], "truncated"),
        (encode("WEBP")[:-3], "truncated (the WebP has no end)"),
        (encode("WEBP")[:20], "truncated (the WebP has no end)"),
        (LONG_CHUNK, "damaged (a chunk of the WebP reaches beyond its end)"),
        (encode("PNG")[:-3], "truncated (the PNG has no end)"),
        (
            encode("PNG").replace(b"\x00\x00\x00\x50", b"\x00\x00\x00\x51", 1),
            "damaged (the checksum of PNG chunk 'IHDR' is wrong)",
        ),
        (encode("JPEG")[:-2], "truncated or damaged (the JPEG has no end)"),
        (encode("GIF")[:-1], "truncated (the GIF has no end)"),
        (HALF_PALETTE, "damaged (a GIF with colours outside its palette)"),
        (FALSE_MARKER, "truncated or damaged (the JPEG has no end)"),
        (
            encode("JPEG").replace(b"\xff\xc0", b"\xff\xc9", 1),
            "a JPEG that is lossless, hierarchical or arithmetic-coded",
        ),
    ],
)
def test_what_is_refused_has_a_reason(data: bytes, reason: str) -> None:
    assert problem(data) == reason


def test_pillow_alone_would_let_pass_what_tensorflow_refuses() -> None:
    for data in (FALSE_MARKER, HALF_PALETTE, encode("PNG")[:-3]):
        Image.open(io.BytesIO(data)).load()
        assert not tensorflow_reads(data)


@pytest.mark.parametrize(
    "name",
    [
        "jpeg RGB",
        "jpeg progressive",
        "jpeg CMYK",
        "png P",
        "png I;16",
        "bmp RGB",
        "bmp P",
        "gif P",
        "webp RGB",
        "webp lossless",
        "webp animation",
        "webp exif",
    ],
)
def test_damaged_files_never_reach_tensorflow(name: str) -> None:
    """Cut and flip bytes at random: whatever passes the check must be decoded."""
    rng = np.random.default_rng(7)
    passed = 0
    for _ in range(60):
        data = bytearray(GOOD[name])
        if rng.random() < 0.4:
            del data[-int(rng.integers(1, 60)) :]
        else:
            for _ in range(rng.integers(1, 6)):
                data[rng.integers(len(data))] = rng.integers(256)
        if problem(bytes(data)) is None:
            passed += 1
            assert tensorflow_reads(bytes(data))
    assert passed < 60
