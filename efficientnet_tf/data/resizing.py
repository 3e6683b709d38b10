"""Resizing to the size that a network takes, by each interpolation that a preprocessing record can name."""

from __future__ import annotations

import tensorflow as tf

from efficientnet_tf.specs.preprocessing import Preprocessing


def resize(image: tf.Tensor, record: Preprocessing) -> tf.Tensor:
    """Resize a picture to `record.image_size` by `record.interpolation`; see `specs.preprocessing.INTERPOLATIONS`.

    `bicubic` is Pillow's within one grey level, but for one value of a million that differs by two; `tf1_bicubic` is
    TensorFlow 1's: cubic convolution with a = -0.75, whose weights come from a table of 1,024 steps.

    Args:
        image: uint8 [h, w, 3].
        record: image_size and interpolation are used.

    Returns:
        uint8 [height, width, 3].

    >>> resize(tf.fill([40, 60, 3], tf.constant(200, tf.uint8)), Preprocessing(image_size=(20, 10)))[0, 0].numpy()
    array([200, 200, 200], dtype=uint8)
    """
    height, width = record.image_size
    if record.interpolation == "tf1_bicubic":
        resized = tf.raw_ops.ResizeBicubic(images=image[tf.newaxis], size=[height, width], half_pixel_centers=False)[0]
    elif record.interpolation in ("bilinear", "tf2_bilinear"):
        antialias = record.interpolation == "bilinear"
        resized = tf.image.resize(image, [height, width], "bilinear", antialias=antialias)
    else:
        return _resize_as_pillow(image, height, width)
    return tf.ensure_shape(_to_uint8(resized), [height, width, 3])


def _resize_as_pillow(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Resize by antialiased bicubic interpolation in two passes, with 8-bit pixels between them as in Pillow.

    The first pass is the horizontal one. (Pillow 13 begins with the vertical one where an image is tall.)

    In one pass, overshoots at sharp edges differ from Pillow's by up to 18 grey levels. The axis that is resized comes
    first and all others are one row of many channels: the kernel computes along the channels, three to four times
    faster than across them. Both transpositions are those of a plain matrix of bytes, the fastest there are.
    """
    rows, columns = tf.unstack(tf.shape(image)[:2])
    by_column = tf.reshape(tf.transpose(tf.reshape(image, [rows, columns * 3])), [columns, 3 * rows])
    narrow = tf.reshape(_resize_first_axis(by_column, width), [width * 3, rows])
    return tf.reshape(_resize_first_axis(tf.transpose(narrow), height), [height, width, 3])


def _resize_first_axis(matrix: tf.Tensor, size: int) -> tf.Tensor:
    rows, columns = tf.unstack(tf.shape(matrix))
    resized = tf.image.resize(tf.reshape(matrix, [rows, 1, columns]), [size, 1], "bicubic", antialias=True)
    return _to_uint8(tf.reshape(resized, [size, columns]))


def _to_uint8(image: tf.Tensor) -> tf.Tensor:
    # Clips and rounds halves up in one pass over the memory; clipping, adding, rounding and converting take four.
    return tf.cast(tf.quantization.fake_quant_with_min_max_args(image, 0.0, 255.0, num_bits=8), tf.uint8)
