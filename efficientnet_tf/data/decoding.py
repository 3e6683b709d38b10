"""From the bytes of an image file to the pixels that a network takes, in TensorFlow's own operations.

The same functions serve training, evaluation and the `encoded` signature of an exported model, so that a photograph
is the same picture in all of them. Pixels are those of Pillow: exactly in decoding (within one grey level for CMYK); in
bicubic resizing within one grey level, but for one value of a million that differs by two.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from efficientnet_tf.data.decoders import decode_whole
from efficientnet_tf.data.headers import apart, bounded
from efficientnet_tf.data.orientation import Window, jpeg_orientation, stored_window, upright, upright_size
from efficientnet_tf.data.resizing import resize
from efficientnet_tf.specs.preprocessing import Preprocessing

#: The part of a photograph that a random crop covers, and its width over its height (official preprocessing.py).
CROP_AREA = (0.08, 1.0)
CROP_ASPECT = (3 / 4, 4 / 3)
_CROP_ATTEMPTS = 10
_MIN_COVERED = 0.1

# A decoder that starts inside a JPEG has no neighbours from which to interpolate the colours of its first and last
# columns; these are decoded in addition and cut off again.
_JPEG_MARGIN = 2

_JPEG_START = b"\xff\xd8"
# Version 100, no flags, no transform.
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"


def decode_and_crop(image_bytes: tf.Tensor, record: Preprocessing) -> tf.Tensor:
    """Return the centre of an encoded image, cropped and resized as in the official evaluation.

    The crop is a square of side `int(size / (size + crop_padding) * min(height, width))`, `((height - side) + 1) // 2`
    from the top and likewise from the left (official preprocessing.py). For a target that is not square, `size` is its
    shorter side, and the crop is the same fraction of the largest rectangle of the target's shape that fits into the
    image, so that nothing is distorted. A record whose crop is `none` takes the whole image, whatever its shape.

    Args:
        image_bytes: a JPEG, PNG, BMP (8 bits with a palette, 24 or 32 bits), GIF or WebP file, of an animation the
            first frame: a string scalar.
        record: image_size, crop, crop_padding and interpolation are used.

    Returns:
        RGB, uint8 [height, width, 3], 0...255, turned upright as EXIF says. Grey, palette, CMYK and 16-bit images
        become 8-bit RGB. Alpha is dropped, as by Pillow's `convert("RGB")`, torchvision and Keras: transparent pixels
        have the colour that the file holds for them.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are not such an image, or it has more than `MAX_PIXELS` pixels.

    >>> photograph = tf.io.encode_png(tf.fill([40, 60, 3], tf.constant(200, tf.uint8)))
    >>> decode_and_crop(photograph, Preprocessing(image_size=(32, 32))).shape
    TensorShape([32, 32, 3])
    """
    image = _decode_window(image_bytes, lambda height, width: _center_window(height, width, record))
    return resize(image, record)


def resize_crop(image: tf.Tensor, record: Preprocessing) -> tf.Tensor:
    """Return the centre of an image as `decode_and_crop` does, from pixels: uint8 [h, w, 3] to [height, width, 3]."""
    image = tf.convert_to_tensor(image, tf.uint8)
    shape = tf.shape(image)
    return resize(_slice(image, _center_window(shape[0], shape[1], record)), record)


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
    return tf.image.stateless_random_flip_left_right(resize(image, record), flip_seed)


def random_resized_crop_pixels(
    image: tf.Tensor, record: Preprocessing, seed: tf.Tensor, *, area: tuple[float, float] = CROP_AREA
) -> tf.Tensor:
    """Return a random part of an image as `random_resized_crop` does, from pixels: uint8 [h, w, 3].

    The same seed gives the picture that `random_resized_crop` gives of a PNG of these pixels.

    >>> image = tf.fill([28, 28, 3], tf.constant(200, tf.uint8))
    >>> random_resized_crop_pixels(image, Preprocessing(image_size=(32, 32)), tf.constant([1, 2])).shape
    TensorShape([32, 32, 3])
    """
    crop_seed, flip_seed = tf.unstack(tf.random.split(seed, 2))
    image = tf.convert_to_tensor(image, tf.uint8)
    shape = tf.shape(image)
    crop = _slice(image, _random_window(shape[0], shape[1], record, seed=crop_seed, area=area))
    return tf.image.stateless_random_flip_left_right(resize(crop, record), flip_seed)


def _center_window(height: tf.Tensor, width: tf.Tensor, record: Preprocessing) -> Window:
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
) -> Window:
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


def _decode_window(image_bytes: tf.Tensor, choose: Callable[[tf.Tensor, tf.Tensor], Window]) -> tf.Tensor:
    """Decode the part of an upright image that `choose(height, width)` returns; of a JPEG, no more than that part."""

    def jpeg() -> tf.Tensor:
        height, width, channels = tf.unstack(tf.io.extract_jpeg_shape(image_bytes))
        checked = bounded(image_bytes, height, width)
        checked = tf.cond(channels == 4, lambda: _marked_as_adobe(checked), lambda: checked)
        orientation = jpeg_orientation(image_bytes)

        def turned() -> tf.Tensor:
            window = _stored(choose, height, width, orientation)
            return upright(_decode_jpeg_window(checked, window, width), orientation)

        return tf.cond(
            orientation > 1, lambda: apart(turned), lambda: _decode_jpeg_window(checked, choose(height, width), width)
        )

    def other() -> tf.Tensor:
        image, orientation = apart(decode_whole, image_bytes)
        height, width, _ = tf.unstack(tf.shape(image))
        return upright(_slice(image, _stored(choose, height, width, orientation)), orientation)

    image = tf.cond(tf.io.is_jpeg(image_bytes), jpeg, lambda: apart(other))
    return tf.ensure_shape(image, [None, None, 3])


def _stored(
    choose: Callable[[tf.Tensor, tf.Tensor], Window], height: tf.Tensor, width: tf.Tensor, orientation: tf.Tensor
) -> Window:
    size = upright_size(height, width, orientation)
    return stored_window(choose(*size), *size, orientation)


def _marked_as_adobe(image_bytes: tf.Tensor) -> tf.Tensor:
    # The decoder inverts four inks only after this mark, where Pillow and browsers always do. A mark that the file has
    # itself comes later, and holds.
    return tf.strings.join(
        [_JPEG_START, _ADOBE, tf.strings.substr(image_bytes, len(_JPEG_START), tf.strings.length(image_bytes))]
    )


def _decode_jpeg_window(image_bytes: tf.Tensor, window: Window, full_width: tf.Tensor) -> tf.Tensor:
    y, x, height, width = window
    left = tf.maximum(x - _JPEG_MARGIN, 0)
    right = tf.minimum(x + width + _JPEG_MARGIN, full_width)
    # The accurate transform is Pillow's; the fast one differs by up to four grey levels.
    image = tf.io.decode_and_crop_jpeg(
        image_bytes, tf.stack([y, left, height, right - left]), channels=3, dct_method="INTEGER_ACCURATE"
    )
    return image[:, x - left : x - left + width]


def _slice(image: tf.Tensor, window: Window) -> tf.Tensor:
    y, x, height, width = window
    return image[y : y + height, x : x + width]
