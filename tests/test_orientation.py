"""Pictures as a person sees them: EXIF orientation in JPEG, PNG and WebP, against Pillow's."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from efficientnet_tf.data.decoding import decode_and_crop, random_resized_crop
from efficientnet_tf.data.orientation import jpeg_orientation, png_orientation, webp_orientation
from efficientnet_tf.data.sources import SAMPLE
from efficientnet_tf.specs import Preprocessing

PHOTOGRAPH = SAMPLE / "animals" / "cat.jpg"
RECORD = Preprocessing(image_size=(64, 64))
READERS = {"JPEG": jpeg_orientation, "PNG": png_orientation, "WEBP": webp_orientation}
ORIENTATION = 0x0112


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def center_crop(image_bytes: tf.Tensor) -> tf.Tensor:
    return decode_and_crop(image_bytes, RECORD)


@tf.function(input_signature=[tf.TensorSpec([], tf.string), tf.TensorSpec([2], tf.int32)])
def random_crop(image_bytes: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return random_resized_crop(image_bytes, RECORD, seed)


def photograph(width: int = 120, height: int = 90) -> Image.Image:
    with Image.open(PHOTOGRAPH) as image:
        return image.convert("RGB").crop((20, 10, 20 + width, 10 + height))


def exif(orientation: int, endian: str = "<") -> bytes:
    """Return EXIF with an orientation among other entries."""
    tags = Image.Exif()
    tags.endian = endian
    for tag in (0x010E, 0x010F, 0x0110):
        tags[tag] = "text that is longer than four bytes"
    tags[ORIENTATION] = orientation
    tags[0x0131] = "software"
    return tags.tobytes()


def encode(kind: str, data: bytes | None = None, image: Image.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (image or photograph()).save(file, kind, **({"exif": data} if data else {}), **options)
    return file.getvalue()


def upright(data: bytes) -> np.ndarray:
    """Return the picture as Pillow turns it."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def png_of(pixels: np.ndarray) -> tf.Tensor:
    return tf.constant(encode("PNG", image=Image.fromarray(pixels)))


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", READERS)
def test_all_eight_are_pillows(kind: str, orientation: int) -> None:
    for endian in "<>":
        data = encode(kind, exif(orientation, endian))
        assert int(READERS[kind](tf.constant(data))) == orientation
        pixels = upright(data)
        whole = Preprocessing(image_size=pixels.shape[:2], crop="none", interpolation="tf2_bilinear")
        np.testing.assert_array_equal(decode_and_crop(tf.constant(data), whole), pixels)
        np.testing.assert_array_equal(center_crop(tf.constant(data)), center_crop(png_of(pixels)))


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 7, 8])
def test_random_crops_are_those_of_the_upright_picture(orientation: int) -> None:
    """Decoded and cropped in one step, wherever the window lies among the blocks of the stored picture."""
    data = encode("JPEG", exif(orientation), subsampling=2, quality=90)
    png = png_of(upright(data))
    for number in range(12):
        seed = tf.constant([number, 1])
        np.testing.assert_array_equal(random_crop(tf.constant(data), seed), random_crop(png, seed))


def test_in_a_dataset_and_in_a_saved_model(tmp_path: Path) -> None:
    files = [encode(kind, exif(orientation)) for kind in READERS for orientation in (1, 6, 3)]
    expected = [center_crop(png_of(upright(data))).numpy() for data in files]
    dataset = tf.data.Dataset.from_tensor_slices(files).map(lambda data: decode_and_crop(data, RECORD))
    np.testing.assert_array_equal(list(dataset.as_numpy_iterator()), expected)

    module = tf.Module()
    picture = tf.TensorSpec([64, 64, 3], tf.uint8)
    module.decode = tf.function(
        lambda batch: tf.map_fn(lambda data: decode_and_crop(data, RECORD), batch, fn_output_signature=picture),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, tmp_path)
    np.testing.assert_array_equal(tf.saved_model.load(tmp_path).decode(tf.constant(files)), expected)


EXIF = segment(0xE1, exif(6))
JFIF = segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
ICC, XMP = segment(0xE2, b"ICC_PROFILE\0" + bytes(50_000)), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], 1),
        ([EXIF], 6),
        ([JFIF], 1),
        ([JFIF, EXIF], 6),
        ([JFIF, XMP, EXIF], 6),
        ([XMP, ICC, ICC, segment(0xFE, b"a comment"), EXIF], 6),
        ([segment(0xE0, b"JFXX\0"), segment(0xEE, b"Adobe"), EXIF, segment(0xE1, exif(3))], 6),
        ([JFIF, segment(0xE1, exif(6, ">"))], 6),
        ([JFIF, segment(0xE1, exif(6) + bytes(60_000))], 6),
        ([segment(0xFE, b"")] * 200 + [EXIF], 1),
        ([segment(0xDB, bytes(65)), EXIF], 1),
    ],
    ids=[
        "none",
        "first",
        "JFIF",
        "second",
        "after XMP",
        "late",
        "two",
        "big-endian",
        "thumbnail",
        "too late",
        "in tables",
    ],
)
def test_exif_is_found_among_the_segments(before: list[bytes], expected: int) -> None:
    data = b"\xff\xd8" + b"".join(before) + encode("JPEG")[20:]
    assert int(jpeg_orientation(tf.constant(data))) == expected


def tiff(entry: bytes, *, magic: bytes = b"II*\0", start: int = 8, count: int = 1) -> bytes:
    return magic + start.to_bytes(4, "little") + bytes(start - 8) + count.to_bytes(2, "little") + entry + bytes(4)


GOOD = b"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (tiff(GOOD), 6),
        (tiff(GOOD, start=5000), 6),
        (tiff(bytes(12) * 99 + GOOD, count=100), 6),
        (tiff(GOOD.replace(b"\x06", b"\x00")), 1),
        (tiff(GOOD.replace(b"\x06", b"\x09")), 1),
        (tiff(GOOD.replace(b"\x03", b"\x02")), 1),
        (tiff(GOOD[:4] + b"\x02" + GOOD[5:]), 1),
        (tiff(GOOD, magic=b"MM\0*"), 1),
        (tiff(GOOD, magic=b"II+\0"), 1),
        (tiff(GOOD, count=0), 1),
        (tiff(bytes(12) + GOOD), 1),
        (tiff(GOOD)[:16], 1),
        (b"II*\0\xff\xff\xff\xff" + GOOD, 1),
        (b"II*\0\xff\xff\xff\x7f" + GOOD, 1),
        (b"II*\0", 1),
        (b"", 1),
    ],
    ids=[
        "good", "far", "many", "zero", "nine", "type", "count", "order", "magic", "no entries", "beyond", "cut",
        "negative", "outside", "short", "empty",
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_upright(data: bytes, expected: int) -> None:
    jpeg = b"\xff\xd8" + segment(0xE1, b"Exif\0\0" + data) + encode("JPEG")[20:]
    assert int(jpeg_orientation(tf.constant(jpeg))) == expected
    assert center_crop(tf.constant(jpeg)).shape == (64, 64, 3)


@pytest.mark.parametrize("kind", READERS)
def test_no_bytes_whatever_raise_an_error(kind: str) -> None:
    """Change, cut and stretch what surrounds the pixels, at random."""
    read = tf.function(READERS[kind], input_signature=[tf.TensorSpec([], tf.string)])
    rng = np.random.default_rng(11)
    image = photograph(8, 8)
    files = [encode(kind, exif(orientation, endian), image) for orientation in (6, 8) for endian in "<>"]
    found = set()
    for number in range(400):
        data = bytearray(files[number % 4])
        # At the end of a WebP, elsewhere at the beginning.
        place = max(data.find(b"EXIF"), 0)
        for _ in range(rng.integers(1, 8)):
            data[place + rng.integers(min(len(data) - place, 250))] = rng.choice([0, 1, 6, 0x7F, 0x80, 0xFF])
        if number % 3 == 0:
            del data[place + rng.integers(min(len(data) - place, 250)) :]
        found.add(int(read(tf.constant(bytes(data)))))
    assert found <= set(range(1, 9))
    assert {1, 6, 8} <= found
    for data in (b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1", b"RIFF", bytes(40)):
        assert int(read(tf.constant(data))) == 1


def test_damaged_exif_does_not_keep_a_picture_from_being_decoded() -> None:
    rng = np.random.default_rng(12)
    good = encode("JPEG", exif(6, ">"))
    start = good.index(b"Exif\0\0") + 6
    for _ in range(60):
        data = bytearray(good)
        for _ in range(rng.integers(1, 12)):
            data[start + rng.integers(len(exif(6)) - 6)] = rng.integers(256)
        assert center_crop(tf.constant(bytes(data))).shape == (64, 64, 3)
