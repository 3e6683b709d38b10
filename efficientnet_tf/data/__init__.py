"""Where photographs come from and how they reach a network.

`sources` names images and labels, `files` finds images, `checking` and `structure` tell which can be used, `splits`
divides them, `sharding` shares them among workers; none of these loads TensorFlow. `decoding` turns the bytes of one
image into pixels; `indexed` and `streams` say in which order they come, `batching` what becomes of them together,
`caching` where they are kept, and `pipeline` joins all of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from efficientnet_tf.data.sharding import Shard
from efficientnet_tf.data.sources import Examples, Records, read_source

if TYPE_CHECKING:
    from efficientnet_tf.data.pipeline import load_data, make_dataset

__all__ = ["Examples", "Records", "Shard", "load_data", "make_dataset", "read_source"]


def __getattr__(name: str) -> Any:
    """Import what needs TensorFlow on first use."""
    if name not in ("load_data", "make_dataset"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.pipeline"), name)
