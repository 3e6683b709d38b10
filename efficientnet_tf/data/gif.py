"""The first frame of a GIF, as Pillow shows it, by TensorFlow's decoder.

That decoder takes time and memory for every frame, takes the largest frame for the canvas and makes transparent pixels
black. So it is given a file that holds the first frame only, without its place on the canvas and its transparency.
"""

from __future__ import annotations

import tensorflow as tf

from efficientnet_tf.data.headers import bounded, demanded

_EXTENSION, _CONTROL, _IMAGE = 0x21, 0xF9, 0x2C
_HEADER_BYTES = 13

# So many blocks hold fifty megabytes, of the 255 bytes that they are usually filled with.
_MOST_BLOCKS = 200_000


def decode_first_frame(image_bytes: tf.Tensor) -> tf.Tensor:
    """Decode the first frame on the whole canvas: uint8 [height, width, 3].

    Transparent pixels have the colour that the palette gives them; outside of the frame, the canvas has the transparent
    colour, or the first of the palette.

    Raises:
        tf.errors.InvalidArgumentError: the GIF is damaged, or it is too large.
    """
    data = tf.cast(tf.io.decode_raw(image_bytes, tf.uint8), tf.int32)
    header_end = _HEADER_BYTES + _palette_bytes(_at(data, 10))
    frame, background = _find_image(data, header_end)
    palette = _palette_bytes(_at(data, frame + 9))
    end = _after_blocks(data, frame + 11 + palette)
    is_whole = (_at(data, frame) == _IMAGE) & (end <= tf.size(data))
    checked = demanded(image_bytes, is_whole, "the GIF is truncated or has no image")

    left, top, width, height = (_word(data, frame + place) for place in (1, 3, 5, 7))
    canvas_width, canvas_height = tf.maximum(_word(data, 6), left + width), tf.maximum(_word(data, 8), top + height)
    checked = bounded(checked, canvas_height, canvas_width)
    size = tf.strings.substr(checked, frame + 5, 4)
    start, colors = tf.strings.substr(checked, 0, 6), tf.strings.substr(checked, 10, header_end - 10)
    image = tf.strings.substr(checked, frame + 9, end - frame - 9)
    alone = tf.strings.join([start, size, colors, b"\x2c\0\0\0\0", size, image, b";"])
    picture = tf.io.decode_image(alone, channels=3, expand_animations=False)

    color = tf.where(palette > 0, frame + 10, _HEADER_BYTES) + 3 * background
    fill = tf.cast(tf.stack([_at(data, color + channel) for channel in range(3)]), tf.uint8)
    around = [[top, canvas_height - top - height], [left, canvas_width - left - width], [0, 0]]
    # Padding is with zeros; differences of bytes wrap around, and back again.
    return tf.cond(tf.reduce_any(tf.stack(around) > 0), lambda: tf.pad(picture - fill, around) + fill, lambda: picture)


def _find_image(data: tf.Tensor, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return where the first image is described, and the number of its transparent colour, or 0."""

    def after_extension(position: tf.Tensor, transparent: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        states_one = (_at(data, position + 1) == _CONTROL) & (_at(data, position + 3) % 2 == 1)
        transparent = tf.where(states_one, _at(data, position + 6), transparent)
        return _after_blocks(data, position + 2), transparent

    position, transparent = tf.while_loop(
        lambda position, _: (position < tf.size(data)) & (_at(data, position) == _EXTENSION),
        after_extension,
        (position, tf.constant(0)),
        maximum_iterations=_MOST_BLOCKS,
    )
    return position, transparent


def _after_blocks(data: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Return the place after a chain of blocks, each led by its length, the last of length zero."""
    (last,) = tf.while_loop(
        lambda place: (place < tf.size(data)) & (_at(data, place) > 0),
        lambda place: (place + 1 + _at(data, place),),
        (position,),
        maximum_iterations=_MOST_BLOCKS,
    )
    return last + 1


def _palette_bytes(flags: tf.Tensor) -> tf.Tensor:
    return tf.where(flags >= 128, 3 * tf.bitwise.left_shift(2, flags % 8), 0)


def _word(data: tf.Tensor, position: tf.Tensor | int) -> tf.Tensor:
    return _at(data, position) + 256 * _at(data, position + 1)


def _at(data: tf.Tensor, position: tf.Tensor | int) -> tf.Tensor:
    # Beyond the end there is the last byte, again and again: what is made of it is refused later.
    return data[tf.minimum(position, tf.size(data) - 1)]
