"""Reaching a TPU, or saying within a minute that there is none."""

from __future__ import annotations

import re
import socket
import threading

import tensorflow as tf

from efficientnet_tf.errors import EfficientNetError

#: Seconds that a TPU has to answer.
PATIENCE = 50.0

_ADDRESS = re.compile(r"(?:grpc://)?(?P<host>[\w.-]+):(?P<port>\d+)")


def tpu_strategy(tpu: str | None) -> tf.distribute.Strategy:
    """Connect to a TPU, start it, and return its strategy.

    Args:
        tpu: its name, its address (`HOST:PORT` or `grpc://HOST:PORT`), or `local`, for which None and "" stand too.

    Raises:
        EfficientNetError: it cannot be reached, or does not answer within `PATIENCE` seconds.
    """
    try:
        _probe(tpu or "")
        return tf.distribute.TPUStrategy(_started(tpu))
    except (ValueError, RuntimeError, OSError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise EfficientNetError(
            f"The TPU {tpu or 'local'!r} cannot be reached: {reason}. "
            "It needs pip install 'efficientnet_tf[tpu]' and a name, an address, or local on a TPU VM."
        ) from error


def _probe(tpu: str) -> None:
    """Open and close a connection if an address is given: TensorFlow would try for ever.

    Raises:
        OSError: nobody listens there.
    """
    address = _ADDRESS.fullmatch(tpu)
    if address:
        socket.create_connection((address["host"], int(address["port"])), timeout=PATIENCE / 5).close()


def _started(tpu: str | None) -> tf.distribute.cluster_resolver.ClusterResolver:
    """Return the resolver of a TPU that is connected and started.

    In a thread of its own, which is left behind if it takes too long: none of these calls takes a time limit.
    """
    local = tpu in (None, "", "local")
    found: list[tf.distribute.cluster_resolver.ClusterResolver] = []
    errors: list[BaseException] = []

    def start() -> None:
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver("local" if local else tpu)
            if not local:  # a TPU VM's own chips need no connection
                tf.config.experimental_connect_to_cluster(resolver)
            tf.tpu.experimental.initialize_tpu_system(resolver)
            found.append(resolver)
        except BaseException as error:  # raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=start, name="start of the TPU", daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if errors:
        raise errors[0]
    if not found:
        raise RuntimeError(f"no answer within {PATIENCE:g} seconds")
    return found[0]
