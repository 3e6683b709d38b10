"""Augmentation: pictures and labels changed at random, so that a network sees no picture twice.

policies     tables of the papers, and the grammar of `--augment`; no TensorFlow
ops          operations on one picture, equal to Pillow's
choosing     from levels to arguments          dispatch   from an operation's number to the picture
stages, hiding, mixtures, mixing, foreign      the kinds of augmentation
chains       all of them behind one function, `augmenter`
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from efficientnet_tf.augment.chains import Augmenter, augmenter

__all__ = ["Augmenter", "augmenter"]


def __getattr__(name: str) -> Any:
    """Import what needs TensorFlow on first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.chains"), name)
