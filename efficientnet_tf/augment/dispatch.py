"""From the number of an operation and its argument to a picture; only what is chosen is computed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf

from efficientnet_tf.augment import ops

#: (image uint8 [h, w, 3], argument float64 [], place float32 [2], each 0 to below 1) -> uint8 [h, w, 3]
Operation = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Dispatcher:
    """Applies one of some operations.

    Attributes:
        names: of the operations; a place in it is an operation's number here.
        legacy: as in the official code, mistakes and all.
    """

    names: tuple[str, ...]
    legacy: bool = False

    def __call__(self, image: tf.Tensor, number: tf.Tensor, argument: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
        """Return the image after operation `number`: uint8 [h, w, 3]."""
        operations = [_operation(name, self.legacy) for name in self.names]
        if tf.executing_eagerly():
            branches = [lambda operation=operation: operation(image, argument, place) for operation in operations]
            return tf.switch_case(number, branches)
        inputs = [image, argument, place]
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in inputs]
        functions = [tf.function(operation, autograph=False).get_concrete_function(*specs) for operation in operations]
        # The op of tf.switch_case as it is. By default its branches are laid out in the graph that calls it, where each
        # costs something for each of its nodes, taken or not.
        (changed,) = tf.raw_ops.StatelessCase(
            branch_index=number, input=inputs, Tout=[tf.uint8], branches=functions, output_shapes=[image.shape]
        )
        return tf.ensure_shape(changed, image.shape)


def dispatcher(names: Sequence[str], *, legacy: bool = False) -> Dispatcher:
    """Return a dispatcher of the named operations, each once, and of Identity, which is number 0."""
    return Dispatcher(tuple(dict.fromkeys(("Identity", *names))), legacy)


def _operation(name: str, legacy: bool) -> Operation:
    if name in _WITH_PLACE:
        return _WITH_PLACE[name]
    if legacy and name in _LEGACY:
        return lambda image, argument, place: _LEGACY[name](image, argument)
    return lambda image, argument, place: _OPERATIONS[name](image, argument)


def _cutout(image: tf.Tensor, half_size: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    center = tf.cast(place * tf.cast(tf.shape(image)[:2], tf.float32), tf.int32)
    return ops.cutout(image, (center[0], center[1]), half_size)


_WITH_PLACE: dict[str, Operation] = {"Cutout": _cutout}

_OPERATIONS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    # A picture that stays must still come out of the branch as a new tensor.
    "Identity": lambda image, argument: tf.identity(image),
    "AutoContrast": lambda image, argument: ops.auto_contrast(image),
    "Equalize": lambda image, argument: ops.equalize(image),
    "Invert": lambda image, argument: ops.invert(image),
    "Posterize": ops.posterize,
    "Solarize": ops.solarize,
    "SolarizeAdd": ops.solarize_add,
    "Color": ops.color,
    "Contrast": ops.contrast,
    "Brightness": ops.brightness,
    "Sharpness": ops.sharpness,
    "Rotate": ops.rotate,
    "ShearX": ops.shear_x,
    "ShearY": ops.shear_y,
    "TranslateX": ops.translate_x,
    "TranslateY": ops.translate_y,
}

_LEGACY: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "Posterize": lambda image, bits: ops.posterize(image, bits, legacy=True),
    "Solarize": lambda image, threshold: ops.solarize(image, threshold, legacy=True),
    "Color": lambda image, factor: ops.color(image, factor, legacy=True),
    "Contrast": lambda image, factor: ops.contrast(image, factor, legacy=True),
    "Sharpness": lambda image, factor: ops.sharpness(image, factor, legacy=True),
    "Rotate": lambda image, degrees: ops.rotate(image, degrees, legacy=True),
    "ShearX": lambda image, shear: ops.shear_x(image, shear, legacy=True),
    "ShearY": lambda image, shear: ops.shear_y(image, shear, legacy=True),
    "TranslateX": lambda image, pixels: ops.translate_x(image, pixels, legacy=True),
    "TranslateY": lambda image, pixels: ops.translate_y(image, pixels, legacy=True),
}
