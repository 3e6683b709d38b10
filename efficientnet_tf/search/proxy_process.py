"""The process of one candidate's training: `python -m efficientnet_tf.search.proxy_process SETTINGS THREADS`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.native_settings import set_native_defaults


def main(settings: str, threads: str) -> int:
    """Train, and return the exit code: 0, 2 for settings that are wrong, 1 for another failure."""
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    set_native_defaults()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    from efficientnet_tf.config import TrainConfig
    from efficientnet_tf.training.loop import train

    try:
        train(TrainConfig.from_json(json.loads(settings)), report=False)  # of which nobody looks at so many
    except EfficientNetError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def _stop_with_parent() -> None:
    """Ask this process to stop once the search is gone, however it ended: training then puts its state away."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
