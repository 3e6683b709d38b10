"""Settings of TensorFlow's native code, which are read once, when it loads."""

from __future__ import annotations

import os
import platform
import sys


def set_native_defaults(*, debug: bool = False) -> None:
    """Set, before TensorFlow loads, what the environment does not set already.

    - `TF_CPP_MIN_LOG_LEVEL`: what native code calls an error reaches us as one, or is none: oneDNN says so of a slower
      way. So nothing is logged, or with `debug` errors alone.
    - `TF_ENABLE_ONEDNN_OPTS`: on x86, TensorFlow uses oneDNN's kernels on processors with AVX-512 or AMX only; on those
      with AVX2 they train EfficientNets faster as well. The two round differently.

    Only commands and benchmarks do this, never the library: the environment is the program's.

    Args:
        debug: whether native errors are wanted.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if debug else "3")
    # Afterwards it would reach only processes that this one starts, which would round differently from it.
    if "tensorflow" not in sys.modules and platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
