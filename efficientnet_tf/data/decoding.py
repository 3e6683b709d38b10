"""From the bytes of an image file to the pixels that a network takes, in TensorFlow's own operations.

The same functions serve training, evaluation and the `encoded` signature of an exported model, so that a photograph
is the same picture in all of them. Pixels are those of Pillow: exactly in decoding; in bicubic resizing within one grey
level, but for one value of a million that differs by two.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from efficientnet_tf.specs.preprocessing import Preprocessing

#: The part of a photograph that a random crop covers, and its width over its height (official preprocessing.py).
CROP_AREA = (0.08, 1.0)
CROP_ASPECT = (3 / 4, 4 / 3)
_CROP_ATTEMPTS = 10
_MIN_COVERED = 0.1

# A decoder that starts inside a JPEG has no neighbours from which to interpolate the colours of its first and last
# columns; these are decoded in addition and cut off again.
_JPEG_MARGIN = 2

# y, x, height, width: int32 scalars, in pixels.
_Window = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]


def decode_and_crop(image_bytes: tf.Tensor, record: Preprocessing) -> tf.Tensor:
    """Return the centre of an encoded image, cropped and resized as in the official evaluation.

    The crop is a square of side `int(size / (size + crop_padding) * min(height, width))`, `((height - side) + 1) // 2`
    from the top and likewise from the left (official preprocessing.py). For a target that is not square, `size` is its
    shorter side, and the crop is the same fraction of the largest rectangle of the target's shape that fits into the
    image, so that nothing is distorted. A record whose crop is `none` takes the whole image, whatever its shape.

    Args:
        image_bytes: a JPEG, PNG, BMP (grey, 24 or 32 bits) or GIF file (its first frame): a string scalar.
        record: image_size, crop, crop_padding and interpolation are used.

    Returns:
        RGB, uint8 [height, width, 3], 0...255. Grey, palette, CMYK and 16-bit images become 8-bit RGB; alpha is
        dropped.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are not such an image.

    >>> photograph = tf.io.encode_png(tf.fill([40, 60, 3], tf.constant(200, tf.uint8)))
    >>> decode_and_crop(photograph, Preprocessing(image_size=(32, 32))).shape
    TensorShape([32, 32, 3])
    """
    image = _decode_window(image_bytes, lambda height, width: _center_window(height, width, record))
    return _resize(image, record)


def resize_crop(image: tf.Tensor, record: Preprocessing) -> tf.Tensor:
    """Return the centre of an image as `decode_and_crop` does, from pixels: uint8 [h, w, 3] to [height, width, 3]."""
    image = tf.convert_to_tensor(image, tf.uint8)
    shape = tf.shape(image)
    return _resize(_slice(image, _center_window(shape[0], shape[1], record)), record)


def random_resized_crop(
    image_bytes: tf.Tensor, record: Preprocessing, seed: tf.Tensor, *, area: tuple[float, float] = CROP_AREA
) -> tf.Tensor:
    """Return a random part of an encoded image, resized, and mirrored half of the time.

    The crop of the official training: area and aspect ratio are drawn up to ten times until they fit and cover a tenth
    of the image; if none does, or the draw is the whole image, the centre crop is taken. For a target that is not
    square, the aspect ratios are relative to the target's.

    Args:
        image_bytes: as for `decode_and_crop`.
        record: image_size, interpolation and (for the centre crop) crop and crop_padding are used.
        seed: int32 or int64 [2]; the same seed gives the same picture.
        area: the smallest and the largest part of the image that the crop covers, of 1.

    Returns:
        RGB, uint8 [height, width, 3].

    >>> photograph = tf.io.encode_png(tf.fill([40, 60, 3], tf.constant(200, tf.uint8)))
    >>> random_resized_crop(photograph, Preprocessing(image_size=(32, 32)), tf.constant([1, 2])).shape
    TensorShape([32, 32, 3])
    """
    crop_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    image = _decode_window(
        image_bytes, lambda height, width: _random_window(height, width, record, seed=crop_seed, area=area)
    )
    return tf.image.stateless_random_flip_left_right(_resize(image, record), flip_seed)


def _center_window(height: tf.Tensor, width: tf.Tensor, record: Preprocessing) -> _Window:
    if record.crop == "none":
        return tf.constant(0), tf.constant(0), height, width
    target_height, target_width = record.image_size
    size = min(record.image_size)
    # float64, as Python computes it: float32 would lose the last pixel of some large images.
    fraction = size / (size + record.crop_padding)
    full_height, full_width = tf.cast(height, tf.float64), tf.cast(width, tf.float64)
    crop_height = fraction * tf.minimum(full_height, full_width * (target_height / target_width))
    crop_width = fraction * tf.minimum(full_width, full_height * (target_width / target_height))
    side_y, side_x = (tf.maximum(tf.cast(side, tf.int32), 1) for side in (crop_height, crop_width))
    return (height - side_y + 1) // 2, (width - side_x + 1) // 2, side_y, side_x


def _random_window(
    height: tf.Tensor, width: tf.Tensor, record: Preprocessing, *, seed: tf.Tensor, area: tuple[float, float]
) -> _Window:
    shape = record.image_size[1] / record.image_size[0]
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        image_size=tf.stack([height, width, 3]),
        bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        seed=seed,
        min_object_covered=_MIN_COVERED,
        aspect_ratio_range=[shape * bound for bound in CROP_ASPECT],
        area_range=area,
        max_attempts=_CROP_ATTEMPTS,
        use_image_if_no_bounding_boxes=True,
    )
    drawn = tf.stack([begin[0], begin[1], size[0], size[1]])
    whole = tf.reduce_all(size[:2] == tf.stack([height, width]))
    window = tf.where(whole, tf.stack(_center_window(height, width, record)), drawn)
    return window[0], window[1], window[2], window[3]


def _decode_window(image_bytes: tf.Tensor, choose: Callable[[tf.Tensor, tf.Tensor], _Window]) -> tf.Tensor:
    """Decode the part of an image that `choose(height, width)` returns; of a JPEG, no more than that part."""

    def jpeg() -> tf.Tensor:
        shape = tf.io.extract_jpeg_shape(image_bytes)
        return _decode_jpeg_window(image_bytes, choose(shape[0], shape[1]), shape[1])

    def other() -> tf.Tensor:
        image = _decode_other(image_bytes)
        shape = tf.shape(image)
        return _slice(image, choose(shape[0], shape[1]))

    image = tf.cond(tf.io.is_jpeg(image_bytes), jpeg, other)
    return tf.ensure_shape(image, [None, None, 3])


def _decode_jpeg_window(image_bytes: tf.Tensor, window: _Window, full_width: tf.Tensor) -> tf.Tensor:
    y, x, height, width = window
    left = tf.maximum(x - _JPEG_MARGIN, 0)
    right = tf.minimum(x + width + _JPEG_MARGIN, full_width)
    # The accurate transform is Pillow's; the fast one differs by up to four grey levels.
    image = tf.io.decode_and_crop_jpeg(
        image_bytes, tf.stack([y, left, height, right - left]), channels=3, dct_method="INTEGER_ACCURATE"
    )
    return image[:, x - left : x - left + width]


def _decode_other(image_bytes: tf.Tensor) -> tf.Tensor:
    def bmp() -> tf.Tensor:
        # The decoder refuses to change the number of channels.
        image = tf.io.decode_bmp(image_bytes, channels=0)
        return tf.cond(tf.shape(image)[2] == 1, lambda: tf.repeat(image, 3, axis=2), lambda: image[..., :3])

    def other() -> tf.Tensor:
        return tf.io.decode_image(image_bytes, channels=3, expand_animations=False)

    return tf.cond(tf.strings.substr(image_bytes, 0, 2) == b"BM", bmp, other)


def _slice(image: tf.Tensor, window: _Window) -> tf.Tensor:
    y, x, height, width = window
    return image[y : y + height, x : x + width]


def _resize(image: tf.Tensor, record: Preprocessing) -> tf.Tensor:
    if record.interpolation == "tf1_bicubic":
        resized = tf.raw_ops.ResizeBicubic(images=image[tf.newaxis], size=record.image_size, half_pixel_centers=False)
        return _to_uint8(resized[0])
    if record.interpolation in ("bilinear", "tf2_bilinear"):
        antialias = record.interpolation == "bilinear"
        return _to_uint8(tf.image.resize(image, record.image_size, "bilinear", antialias=antialias))
    return tf.ensure_shape(_resize_as_pillow(image, *record.image_size), [*record.image_size, 3])


def _resize_as_pillow(image: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Resize by antialiased bicubic interpolation in two passes, with 8-bit pixels between them as in Pillow.

    In one pass, overshoots at sharp edges differ from Pillow's by up to 18 grey levels.
    """
    columns = _resize_first_axis(_transposed(image), width)
    return _resize_first_axis(_transposed(columns), height)


def _transposed(image: tf.Tensor) -> tf.Tensor:
    # As float32, which the resize makes of it anyway: of 8-bit numbers oneDNN logs an error on many processors.
    return tf.transpose(tf.cast(image, tf.float32), [1, 0, 2])


def _resize_first_axis(image: tf.Tensor, size: int) -> tf.Tensor:
    # As one column of many channels: the kernel then computes along the channels, three to four times faster.
    shape = tf.shape(image)
    column = tf.reshape(image, [shape[0], 1, shape[1] * 3])
    column = _to_uint8(tf.image.resize(column, [size, 1], "bicubic", antialias=True))
    return tf.reshape(column, [size, shape[1], 3])


def _to_uint8(image: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(tf.floor(image + 0.5), 0.0, 255.0), tf.uint8)
