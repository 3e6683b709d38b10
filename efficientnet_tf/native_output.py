"""What native code writes to standard error, kept back unless it matters."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Keep back whatever reaches standard error, and show it only if an error follows.

    TensorFlow announces its build at every import and its converters narrate, past any setting of theirs.
    """
    if sys.stderr is None:  # started with standard error closed
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except Exception:
            sys.stderr.flush()
            kept.seek(0)
            os.write(saved, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
