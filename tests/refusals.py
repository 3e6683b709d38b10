"""How a weight file is refused, for the tests of every format."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from efficientnet_tf.errors import EfficientNetError
from efficientnet_tf.weights.files import read_weights


def assert_refused(path: Path, reason: str) -> None:
    """Read a weight file and hold the error against the reason it must give."""
    message = f"{path} is not a weight file that can be read: {reason}."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        read_weights(path)
