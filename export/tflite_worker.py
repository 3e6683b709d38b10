"""TensorFlow Lite's converter, in a process of its own: see `tflite_conversion`.

Run as a program, never imported: it reads one request a line, JSON, from standard input, and answers each with a line
on standard output. It loads TensorFlow and nothing of this package, and ends with its standard input.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from typing import TextIO


def _requests() -> queue.Queue[str]:
    """Return a queue of the lines of standard input; where that ends, so does the process, at whatever it is."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _convert(source: str, target: str, optimise: str) -> None:
    """Write the `.tflite` file of a SavedModel's `serving_default`.

    Args:
        source: the SavedModel's folder.
        target: the file.
        optimise: `none`, or `dynamic` (weights in int8, with a scale for each channel; computed in int8 where the
            runtime can).
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(source, signature_keys=["serving_default"])
    # An operation that needs TensorFlow in the runtime is an error.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if optimise != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    with open(target, "wb") as file:
        file.write(converter.convert())


def _answers() -> TextIO:
    """Return standard output for answers alone; what TensorFlow prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def main() -> None:
    """Convert until standard input ends."""
    # Ctrl-C is for the process that waits for the answer.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = _answers()
    requests = _requests()
    while True:
        request = json.loads(requests.get())
        try:
            _convert(**request)
            answer = {}
        # The converter raises errors of its own and of MLIR, without a common class.
        except Exception as error:
            answer = {"error": " ".join(str(error).split())[:300] or type(error).__name__}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
