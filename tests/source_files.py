"""Small sources of every kind, written for the tests of what reads them."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from efficientnet_tf.data.sources.png import encode_png


def save(path: Path, shade: int = 0) -> Path:
    """Write a small image of one shade."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), (shade % 256, 90, 30)).save(path)
    return path


def noise(number: int) -> bytes:
    """Return a PNG of noise; its mean tells the number, from 0 to 99."""
    pixels = np.random.default_rng(number).integers(0, 50, (20, 24, 3)) + 2 * number
    return encode_png(pixels.astype(np.uint8))


def number_of(image: np.ndarray) -> int:
    """Return which picture of noise an image was cut from."""
    return round((float(image.mean()) - 24.5) / 2)


def write_records(path: Path, examples: Iterable[tuple[bytes, int]]) -> Path:
    """Write a TFRecord file of (encoded image, label from 1)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for image, label in examples:
            features = {
                "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
                "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return path


def write_shards(
    folder: Path, counts: Sequence[int], *, split: str = "train", damaged: Sequence[int] = (), first: int = 0
) -> Path:
    """Write shards of noise in three classes, and labels.txt; the damaged pictures are cut off."""
    number = first
    for shard, count in enumerate(counts):
        pictures = range(number, number + count)
        write_records(
            folder / f"{split}-{shard:05d}-of-{len(counts):05d}",
            ((noise(n)[: 40 if n in damaged else None], n % 3 + 1) for n in pictures),
        )
        number += count
    (folder / "labels.txt").write_text("a\nb\nc\n")
    return folder


def write_idx(path: Path, values: np.ndarray) -> Path:
    """Write an idx file of bytes, compressed if it is called so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
