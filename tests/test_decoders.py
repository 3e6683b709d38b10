"""Every format and mode against Pillow, and files that must not be decoded."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from efficientnet_tf.data import decoders
from efficientnet_tf.data.checking import problem
from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.sources import SAMPLE
from efficientnet_tf.specs import Preprocessing

WHOLE = Preprocessing(image_size=(61, 83), crop="none", interpolation="tf2_bilinear")


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def decode(image_bytes: tf.Tensor) -> tf.Tensor:
    return decode_and_crop(image_bytes, WHOLE)


def picture(mode: str = "RGB") -> Image.Image:
    """Return a photograph of 83 x 61; with alpha, a part is transparent and a part half so."""
    with Image.open(SAMPLE / "animals" / "cat.jpg") as photograph:
        image = photograph.convert("RGB").crop((60, 40, 143, 101))
    if mode in ("LA", "RGBA"):
        alpha = np.full((61, 83), 255, np.uint8)
        alpha[:30, :30], alpha[30:, :30] = 0, 77
        image.putalpha(Image.fromarray(alpha))
    if mode == "colors":
        return image.convert("P", palette=Image.Palette.ADAPTIVE, colors=40)
    return image.convert(mode)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def frames(mode: str) -> dict[str, object]:
    return {"save_all": True, "append_images": [picture(mode).rotate(180), picture(mode).rotate(90)], "duration": 50}


def on_canvas(gif: bytes, width: int, height: int, left: int, top: int) -> bytes:
    """Return a GIF whose first frame has another place and another canvas."""
    data = bytearray(gif)
    position = 13 + 3 * (2 << (data[10] & 7))
    while data[position] == 0x21:
        position += 2
        while data[position]:
            position += 1 + data[position]
        position += 1
    assert data[position] == 0x2C
    data[6:10] = struct.pack("<HH", width, height)
    data[position + 1 : position + 5] = struct.pack("<HH", left, top)
    return bytes(data)


def interlaced_png() -> bytes:
    """Return an Adam7 PNG of grey levels, which Pillow reads but does not write."""
    grey = np.asarray(picture("L"))
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = [b"\0" + row.tobytes() for y, x, down, right in passes for row in grey[y::down, x::right]]
    return png(struct.pack(">IIBBBBB", 83, 61, 8, 0, 0, 0, 1), zlib.compress(b"".join(rows)))


def png(header: bytes, pixels: bytes) -> bytes:
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def without_adobe(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee")
    return jpeg[:start] + jpeg[start + 16 :]


def with_transform(jpeg: bytes) -> bytes:
    """Return a JPEG whose four inks are said to be YCCK."""
    return jpeg.replace(b"Adobe\0d\0\0\0\0\0", b"Adobe\0d\0\0\0\0\2")


GIF, CLEAR_GIF = encode(picture("colors"), "GIF"), encode(picture("colors"), "GIF", transparency=3)
EXACT: dict[str, bytes] = {
    **{f"png {mode}": encode(picture(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")},
    "png of 2 bits": encode(picture().convert("P", palette=Image.Palette.ADAPTIVE, colors=4), "PNG", bits=2),
    "png with a transparent colour": encode(picture(), "PNG", transparency=(1, 2, 3)),
    "png with a transparent index": encode(picture("colors"), "PNG", transparency=3),
    "png interlaced": interlaced_png(),
    **{f"bmp {mode}": encode(picture(mode), "BMP") for mode in ("L", "P", "RGB", "RGBA")},
    "bmp of 40 colours": encode(picture("colors"), "BMP"),
    "gif": GIF,
    "gif interlaced": encode(picture("colors"), "GIF", interlace=1),
    "gif grey": encode(picture("L"), "GIF"),
    "gif with a comment": encode(picture("colors"), "GIF", comment=b"\x21\xf9\x04\x01,;" * 90),
    "gif with a transparent colour": CLEAR_GIF,
    "gif animation": encode(picture("colors"), "GIF", transparency=3, **frames("colors")),
    **{f"webp {mode}": encode(picture(mode), "WEBP") for mode in ("L", "RGB", "RGBA")},
    **{f"webp lossless {mode}": encode(picture(mode), "WEBP", lossless=True) for mode in ("RGB", "RGBA")},
    **{f"webp animation {mode}": encode(picture(mode), "WEBP", **frames(mode)) for mode in ("RGB", "RGBA")},
    **{f"jpeg {mode}": encode(picture(mode), "JPEG") for mode in ("L", "RGB")},
    **{f"jpeg {name}": encode(picture(), "JPEG", subsampling=name) for name in ("4:4:4", "4:2:2", "4:1:1")},
    "jpeg progressive": encode(picture(), "JPEG", progressive=True),
    "jpeg of RGB": encode(picture(), "JPEG", keep_rgb=True),
}


@pytest.mark.parametrize("name", EXACT)
def test_pixels_are_exactly_pillows(name: str) -> None:
    assert problem(EXACT[name]) is None
    np.testing.assert_array_equal(decode(tf.constant(EXACT[name])), pillow(EXACT[name]))
    np.testing.assert_array_equal(decode_and_crop(tf.constant(EXACT[name]), WHOLE), pillow(EXACT[name]))


@pytest.mark.parametrize("change", [bytes, without_adobe, with_transform])
def test_four_inks_are_pillows_within_one_level(change: Callable[[bytes], bytes]) -> None:
    """CMYK that Adobe wrote, inverted; the same without the mark of Adobe; and YCCK."""
    inks = np.array(picture("CMYK"))
    black = inks[..., :3].min(axis=-1, keepdims=True)
    data = change(encode(Image.fromarray(np.concatenate([inks[..., :3] - black, black], axis=-1), "CMYK"), "JPEG"))
    assert problem(data) is None
    assert np.abs(decode(tf.constant(data)).numpy().astype(int) - pillow(data)).max() <= 1


def test_of_sixteen_bits_the_upper_eight_are_kept() -> None:
    grey = np.asarray(picture("L"))
    data = encode(Image.fromarray(grey.astype(np.uint16) * 256 + 200), "PNG")
    np.testing.assert_array_equal(decode(tf.constant(data)), np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("gif", [GIF, CLEAR_GIF], ids=["opaque", "transparent"])
def test_a_first_frame_that_does_not_fill_the_canvas(gif: bytes) -> None:
    for canvas in [(100, 90, 10, 20), (83, 61, 5, 7), (120, 61, 0, 0), (20, 20, 0, 0)]:
        data = on_canvas(gif, *canvas)
        image, orientation = decoders.decode_whole(tf.constant(data))
        assert int(orientation) == 1
        np.testing.assert_array_equal(image, pillow(data))


def test_later_frames_of_a_gif_cost_nothing() -> None:
    """They may be of any size, or damaged."""
    data = encode(picture("colors"), "GIF", **frames("colors"))
    start = data.rindex(b"\x2c\0\0\0\0")
    huge = data[: start + 5] + b"\xff\xff\xff\xff" + data[start + 9 :]
    np.testing.assert_array_equal(decode(tf.constant(huge)), pillow(data))
    np.testing.assert_array_equal(decode(tf.constant(data[: start + 20])), pillow(data))


# What must not be decoded


def bomb(kind: str) -> bytes:
    """Return a small file that says, truly or not, that it is of 30,000 x 30,000 pixels."""
    if kind == "png":
        pixels = zlib.compressobj(9)
        rows = b"".join(pixels.compress(bytes(3751)) for _ in range(30_000)) + pixels.flush()
        return png(struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0), rows)
    if kind == "jpeg":
        data = bytearray(EXACT["jpeg RGB"])
        size = data.index(b"\xff\xc0") + 5
        data[size : size + 4] = struct.pack(">HH", 30_000, 30_000)
        return bytes(data)
    if kind == "gif":
        return on_canvas(GIF, 30_000, 30_000, 0, 0)
    if kind == "bmp":
        return EXACT["bmp RGB"][:18] + struct.pack("<ii", 30_000, -30_000) + EXACT["bmp RGB"][26:]
    if kind == "webp":
        data = bytearray(EXACT["webp animation RGB"])
        data[24:30] = (29_999).to_bytes(3, "little") * 2
        return bytes(data)
    # The largest that its fourteen bits to a side allow: 16,383 or 16,384.
    data = bytearray(EXACT["webp RGB" if kind == "webp lossy" else "webp lossless RGB"])
    place, size = (26, struct.pack("<HH", 16_383, 16_383)) if kind == "webp lossy" else (21, b"\xff\xff\xff\x1f")
    data[place : place + 4] = size
    return bytes(data)


@pytest.mark.parametrize(
    ("kind", "height", "width"),
    [
        *[(kind, 30_000, 30_000) for kind in ("png", "jpeg", "gif", "bmp", "webp")],
        ("webp lossy", 16_383, 16_383),
        ("webp lossless", 16_384, 16_384),
    ],
)
def test_too_many_pixels_are_refused_before_they_are_decoded(kind: str, height: int, width: int) -> None:
    data = bomb(kind)
    assert len(data) < 120_000
    # A BMP is not compressed, and this one too short for what it says.
    assert problem(data) == ("truncated" if kind == "bmp" else "more than 178956970 pixels")
    message = rf"the image has more than 178956970 pixels; its height and width:\] \[{height}\] \[{width}\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        decode(tf.constant(data))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the image has more than 178956970 pixels"):
        decode_and_crop(tf.constant(data), WHOLE)


@pytest.mark.parametrize(
    "data", [b"", b"GI", b"<html></html>", b"\xff\x0a jxl", b"\0\0\0\x0cJXL \r\n\x87\n", encode(picture(), "TIFF")]
)
def test_other_formats_are_refused(data: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="the bytes are not a JPEG, PNG, BMP, GIF or WebP image"):
        decode(tf.constant(data))


@pytest.mark.parametrize("data", [b"GIF89a", GIF[:13], GIF[:400], b"GIF89a" + b"\x21" * 40, GIF[:6] + bytes(20)])
def test_a_truncated_gif(data: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="the GIF is truncated or has no image"):
        decode(tf.constant(data))


@pytest.mark.parametrize(
    "name", ["png RGB", "bmp RGB", "bmp of 40 colours", "webp RGB", "webp animation RGB", "jpeg L"]
)
def test_a_truncated_file(name: str) -> None:
    for length in (12, 24, 60, len(EXACT[name]) // 2):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode(tf.constant(EXACT[name][:length]))


def test_a_tensorflow_that_does_not_know_webp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "DECODES_WEBP", False)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"WebP files need TensorFlow 2\.21 or newer"):
        decode_and_crop(tf.constant(EXACT["webp RGB"]), WHOLE)
