"""What all commands share: reading the command line, exit codes, signals, and quiet start-up."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from efficientnet_tf.errors import EfficientNetError, UsageError, require_tensorflow
from efficientnet_tf.flags import CommandLine, parse
from efficientnet_tf.flags.command_line import wants
from efficientnet_tf.native_output import held_back
from efficientnet_tf.native_settings import set_native_defaults

#: A command's work: it returns the result that `--json` prints.
Action = Callable[[CommandLine], dict[str, Any]]

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_TERMINATED = 1, 2, 130, 143


class Terminated(KeyboardInterrupt):
    """SIGTERM; handled like SIGINT wherever work is saved."""


def run_command(
    name: str,
    action: Action,
    argv: Sequence[str] | None = None,
    *,
    needs_tensorflow: bool | Callable[[CommandLine], bool] = True,
) -> int:
    """Run a command and return its exit code.

    0 done; 2 the command line or a value is wrong; 1 anything found while running; 130 after SIGINT
    and 143 after SIGTERM. Errors are one line on standard error; `--debug` adds the traceback.

    Args:
        name: a key of `flags.COMMANDS`.
        action: its work, called with TensorFlow loaded.
        argv: the words after the command's name; by default the process's own.
        needs_tensorflow: False for work that does without, and then nothing loads it here; or what tells from the
            command line.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = wants(words, "debug")
    try:
        line = parse(name, words)
        debug = line.debug
        if line.help is not None:
            print(line.help, end="")
            return 0
        needed = needs_tensorflow(line) if callable(needs_tensorflow) else needs_tensorflow
        if needed:
            require_tensorflow()
        signal.signal(signal.SIGTERM, _terminate)
        with contextlib.redirect_stdout(sys.stderr) if line.json else contextlib.nullcontext():
            if needed:
                set_native_defaults(debug=debug)
                with held_back():
                    import tensorflow  # noqa: F401 - loaded here, so that what it prints can be kept back
            result = action(line)
        if line.json:
            print(json.dumps(result, ensure_ascii=False))
        return 0
    except BrokenPipeError:  # who read our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except KeyboardInterrupt as error:
        print(f"efficientnet-{name}: stopped.", file=sys.stderr)
        return EXIT_TERMINATED if isinstance(error, Terminated) else EXIT_INTERRUPTED
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(f"efficientnet-{name}: {_one_line(error)}", file=sys.stderr)
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED


def _terminate(*_: object) -> None:
    raise Terminated


def _one_line(error: Exception) -> str:
    """Return an error's own words, with its kind where it is not one of ours."""
    text = " ".join(str(error).split()) or "no message"
    if isinstance(error, EfficientNetError):
        return text
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}." if error.filename and error.strerror else text
    return f"{type(error).__name__}: {text[:300]} (--debug shows where)"
