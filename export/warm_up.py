"""Requests that TensorFlow Serving sends itself before it answers, so that no user waits for the first one.

A file of TFRecords, each a `PredictionLog` (tensorflow_serving/apis/prediction_log.proto), in the SavedModel's
`assets.extra/`. It is written without the package tensorflow-serving-api, which requires the whole of `tensorflow` and
would put it over `tensorflow-cpu`: of the message only its outermost fields are needed, and these are texts and other
messages, which protocol buffers encode alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

#: Where TensorFlow Serving looks, in the folder of a SavedModel.
FILE = Path("assets.extra", "tf_serving_warmup_requests")

# Field numbers of prediction_log.proto, predict.proto and model.proto.
_LOG_PREDICT = 6
_PREDICT_REQUEST = 1
_REQUEST_MODEL, _REQUEST_INPUTS = 1, 2
_MODEL_NAME, _MODEL_SIGNATURE = 1, 3
_ENTRY_KEY, _ENTRY_VALUE = 1, 2

_LENGTH_DELIMITED = 2


class Request(NamedTuple):
    """One call of a signature.

    Attributes:
        signature: its name.
        input: the name of its one input.
        value: what is sent, a TensorProto.
    """

    signature: str
    input: str
    value: Any


def write(saved_model: Path, model_name: str, requests: Iterable[Request]) -> Path:
    """Write the requests into the folder of a SavedModel, and return the file.

    Args:
        saved_model: the folder.
        model_name: what the network is called; TensorFlow Serving takes its own name for it.
        requests: at most 1,000, which is all that TensorFlow Serving reads.
    """
    path = saved_model / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests:
            writer.write(prediction_log(model_name, request))
    return path


def prediction_log(model_name: str, request: Request) -> bytes:
    """Return a `PredictionLog` with one request, encoded.

    >>> prediction_log("b0", Request("features", "image", tf.make_tensor_proto(1.0))).hex(" ")[:35]
    '32 27 0a 25 0a 0e 0a 02 62 30 1a 08'
    """
    model = _field(_MODEL_NAME, model_name.encode()) + _field(_MODEL_SIGNATURE, request.signature.encode())
    entry = _field(_ENTRY_KEY, request.input.encode()) + _field(_ENTRY_VALUE, request.value.SerializeToString())
    predict = _field(_REQUEST_MODEL, model) + _field(_REQUEST_INPUTS, entry)
    return _field(_LOG_PREDICT, _field(_PREDICT_REQUEST, predict))


def _field(number: int, content: bytes) -> bytes:
    """Return a field of a message: a text or another message (protobuf.dev, Encoding)."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])
