"""The training input of others: of the official TensorFlow code, and made of Keras' layers."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import keras
import tensorflow as tf

from efficientnet_tf.benchmarking import official_augment
from efficientnet_tf.benchmarking.passes import Function, encoded
from efficientnet_tf.data.decoding import CROP_AREA, CROP_ASPECT
from efficientnet_tf.errors import MissingDependencyError

#: What Keras' pictures are resized to before a crop of 224 is taken, as a share of the crop.
_BEFORE_CROP = 256 / 224
#: RandAugment's level 10 on Keras' scale of 0 to 1.
_FACTOR = 1.0


def decoded(photographs: tuple[bytes, ...], count: int, batch_size: int) -> tf.data.Dataset:
    """Return batches of one pixel of each photograph, which TensorFlow has decoded whole."""

    def pixel(photograph: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return tf.io.decode_jpeg(photograph, channels=3)[0, 0]

    return encoded(photographs, count).map(pixel, tf.data.AUTOTUNE).batch(batch_size).prefetch(tf.data.AUTOTUNE)


def official(policy: str) -> Function:
    """Return AutoAugment's v0 or RandAugment as the official code computes it; the seed is not used."""
    functions: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
        "autoaugment": official_augment.autoaugment,
        "randaugment": official_augment.randaugment,
    }
    return lambda image, seed: functions[policy](image)


def model_garden(policy: str) -> Function:
    """Return the same from the TensorFlow Model Garden's own package.

    Raises:
        MissingDependencyError: it is not installed, or cannot be imported.
    """
    try:
        augment = importlib.import_module("official.vision.ops.augment")
    except ImportError as error:
        raise MissingDependencyError(f"tf-models-official cannot be imported: {error}.") from None
    if policy == "autoaugment":
        policies = augment.AutoAugment("v0")
    else:
        policies = augment.RandAugment(num_layers=2, magnitude=10.0)
    return lambda image, seed: policies.distort(image)


def official_window(photograph: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return a random part of an encoded photograph, decoded without the rest: uint8 [h, w, 3]; no seed is used."""
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        tf.io.extract_jpeg_shape(photograph),
        tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        min_object_covered=0.1,
        aspect_ratio_range=CROP_ASPECT,
        area_range=CROP_AREA,
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
    )
    window = tf.stack([begin[0], begin[1], size[0], size[1]])
    return tf.io.decode_and_crop_jpeg(photograph, window, channels=3)


def official_crop(side: int) -> Function:
    """Return the official training crop: from an encoded photograph to uint8 [side, side, 3], mirrored or not."""

    def crop(photograph: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        image = official_window(photograph, seed)
        image = tf.raw_ops.ResizeBicubic(images=image[tf.newaxis], size=[side, side])[0]
        image = tf.image.random_flip_left_right(image)
        return tf.cast(tf.clip_by_value(image, 0.0, 255.0), tf.uint8)

    return crop


def keras_augmentation() -> Function:
    """Return Keras' RandAugment of two operations; the seed is not used."""
    layer = keras.layers.RandAugment(value_range=(0, 255), num_ops=2, factor=_FACTOR)
    return lambda images, seed: layer(images, training=True)


def keras_input(
    photographs: tuple[bytes, ...],
    count: int,
    batch_size: int,
    *,
    side: int,
    augment: bool = True,
    batched: bool = False,
) -> tf.data.Dataset:
    """Return batches of photographs that Keras' layers resize, crop, mirror and augment.

    Keras has no layer that resizes a random part of a photograph; its own examples resize, and crop a little.

    Args:
        photographs: JPEG files.
        count: of pictures.
        batch_size: pictures per batch.
        side: of the pictures.
        augment: whether RandAugment follows; Keras has no AutoAugment.
        batched: whether all layers after the first are given whole batches.
    """
    larger = round(side * _BEFORE_CROP)
    resize = keras.layers.Resizing(larger, larger, crop_to_aspect_ratio=True)
    layers = [keras.layers.RandomCrop(side, side), keras.layers.RandomFlip("horizontal")]
    if augment:
        layers.append(keras.layers.RandAugment(value_range=(0, 255), num_ops=2, factor=_FACTOR))

    def resized(photograph: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return resize(tf.io.decode_jpeg(photograph, channels=3))

    def changed(images: tf.Tensor) -> tf.Tensor:
        for layer in layers:
            images = layer(images, training=True)
        return images

    pictures = encoded(photographs, count).map(resized, tf.data.AUTOTUNE)
    if batched:
        dataset = pictures.batch(batch_size).map(changed, tf.data.AUTOTUNE)
    else:
        dataset = pictures.map(changed, tf.data.AUTOTUNE).batch(batch_size)
    return dataset.prefetch(tf.data.AUTOTUNE)
