"""One labelled image as the official ImageNet pipeline records it: a serialised `tf.train.Example`."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import warnings

import tensorflow as tf
from PIL import Image

from efficientnet_tf.data.sources import Examples
from efficientnet_tf.data.tfrecord import IMAGE_KEY, LABEL_KEY
from efficientnet_tf.errors import EfficientNetError

# Pillow's modes in the words of the official records: colour space, and channels as they are stored.
_COLORSPACES = {
    "1": ("Grayscale", 1),
    "L": ("Grayscale", 1),
    "LA": ("Grayscale", 2),
    "I": ("Grayscale", 1),
    "I;16": ("Grayscale", 1),
    "I;16B": ("Grayscale", 1),
    "CMYK": ("CMYK", 4),
    "RGBA": ("RGB", 4),
}
_RGB = ("RGB", 3)

# Photographs of some telephones are JPEG files that hold more than one picture.
_FORMATS = {"MPO": "JPEG"}

_SYNSET = re.compile(r"n[0-9]{8}")


@dataclasses.dataclass(frozen=True)
class EncodedImage:
    """An image file and what its header says.

    Attributes:
        data: the file, byte for byte.
        name: the name of the file, without its folder.
        format: `JPEG`, `PNG` and so on.
        height: in pixels, as they are stored.
        width: likewise.
        colorspace: `RGB`, `Grayscale` or `CMYK`.
        channels: of the file, transparency among them.
    """

    data: bytes
    name: bytes
    format: str
    height: int
    width: int
    colorspace: str
    channels: int


def read_image(examples: Examples, number: int) -> EncodedImage:
    """Read one image of a source.

    Raises:
        EfficientNetError: it cannot be read, or is no image.
    """
    path = examples.paths[number]
    try:
        return describe_image(examples.read(number), os.fsencode(os.path.basename(path)))
    except OSError as error:  # Pillow's errors are of this kind too, without a number
        raise EfficientNetError(f"Cannot read {path!r}: {error.strerror or 'it is no image'}.") from error


def describe_image(data: bytes, name: bytes) -> EncodedImage:
    """Return an encoded image with what its header says.

    Raises:
        OSError: it is no image.
    """
    with warnings.catch_warnings():
        # No pixel is decoded here; how large a photograph may be was decided when the source was checked.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data)) as image:
            kind = image.format or "unknown"
            colorspace, channels = _COLORSPACES.get(image.mode, _RGB)
            return EncodedImage(
                data=data,
                name=name,
                format=_FORMATS.get(kind, kind),
                height=image.height,
                width=image.width,
                colorspace=colorspace,
                channels=channels,
            )


def serialize(image: EncodedImage, *, label: int, class_name: str) -> bytes:
    """Return the record of an image.

    Args:
        image: as `read_image` returns it.
        label: its class, from 1.
        class_name: the name of that; one such as n01440764 is a synset of WordNet and is recorded as one too.
    """
    features: dict[str, bytes | str | int] = {
        IMAGE_KEY: image.data,
        LABEL_KEY: label,
        "image/class/text": class_name,
        "image/filename": image.name,
        "image/format": image.format,
        "image/height": image.height,
        "image/width": image.width,
        "image/colorspace": image.colorspace,
        "image/channels": image.channels,
    }
    if _SYNSET.fullmatch(class_name):
        features["image/class/synset"] = class_name
    feature = {key: _feature(value) for key, value in features.items()}
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    # Otherwise the order of the keys may differ from process to process.
    return bytes(example.SerializeToString(deterministic=True))


def _feature(value: bytes | str | int) -> tf.train.Feature:
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    data = value.encode() if isinstance(value, str) else value
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[data]))
