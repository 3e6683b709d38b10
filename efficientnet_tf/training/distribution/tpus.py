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
        return tf.distribute.TPUStrategy(_started(_probed(tpu or "local")))
    except (ValueError, RuntimeError, OSError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise EfficientNetError(
            f"The TPU {tpu or 'local'!r} cannot be reached: {reason}. "
            "It needs pip install 'efficientnet_tf[tpu]' and a name, an address, or local on a TPU VM."
        ) from error


def _probed(tpu: str) -> str:
    """Return a TPU as TensorFlow's resolver takes it; if it is an address, after a connection was opened and closed.

    TensorFlow itself would try for ever.

    Raises:
        OSError: nobody listens there.
    """
    address = _ADDRESS.fullmatch(tpu)
    if not address:
        return tpu
    socket.create_connection((address["host"], int(address["port"])), timeout=PATIENCE / 5).close()
    return f"grpc://{address['host']}:{address['port']}"


def _started(tpu: str) -> tf.distribute.cluster_resolver.ClusterResolver:
    """Return the resolver of a TPU that is connected and started.

    In a thread of its own, which is left behind if it takes too long: none of these calls takes a time limit.
    """
    found: list[tf.distribute.cluster_resolver.ClusterResolver] = []
    errors: list[BaseException] = []

    def start() -> None:
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu)
            if tpu != "local":  # a TPU VM's own chips need no connection
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
