"""The errors that users meet, each one line that says what was received and what is allowed.

A command turns them into its exit code: `UsageError` into 2, any other `EfficientNetError` into 1.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable


class EfficientNetError(RuntimeError):
    """Something that a user can put right: a missing file, a full disk, a folder without pictures."""


class UsageError(EfficientNetError, ValueError):
    """A name, a value, or a combination of them that is not allowed."""


class MissingDependencyError(EfficientNetError, ImportError):
    """A package or a program that is not installed; the message says how to install it."""


def unknown_name(kind: str, received: str, allowed: Iterable[str]) -> UsageError:
    """Return the error for a name that is not in a list, with the closest name if there is one.

    >>> raise unknown_name("variant", "lit0", ["b0", "lite0"])
    Traceback (most recent call last):
    efficientnet_tf.errors.UsageError: Unknown variant 'lit0'. Did you mean 'lite0'? Allowed: b0, lite0.
    """
    names = list(allowed)
    close = difflib.get_close_matches(received.lower(), names, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return UsageError(f"Unknown {kind} {received!r}.{hint} Allowed: {', '.join(names)}.")


def require_tensorflow() -> None:
    """Raise one clear line where TensorFlow is not installed.

    Raises:
        MissingDependencyError: with the extras that install it.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingDependencyError(
            "TensorFlow is not installed. Run: pip install 'efficientnet_tf[cpu]' "
            "(or efficientnet_tf[gpu], efficientnet_tf[tpu])."
        )
