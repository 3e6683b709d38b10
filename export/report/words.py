"""Figures in words, as the report and the model card write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from efficientnet_tf.exporting.figures import CLEAR

#: What nobody knows.
UNKNOWN = "\u2013"

#: Why classes are not checked where no photograph is clear.
NONE_CLEAR = f"on none of the photographs does Keras\u2019 top class lead the next by {100 * CLEAR:g}\u00a0% or more."
#: What each quantisation stores and computes, in a few words.
QUANTIZATIONS = {
    "none": "float32",
    "float16": "float16 weights",
    "dynamic": "int8 weights, int8 maps where the runtime can",
    "weights": "int8 weights, float32 maps",
    "int8": "int8 weights and maps",
    "mixed": "int8, float32 where it matters",
    "int16x8": "int8 weights, int16 maps",
    "uint8": "8-bit weights, float32 maps",
}
FORMATS = {
    "saved_model": "SavedModel",
    "tflite": "TensorFlow Lite",
    "tfjs": "TensorFlow.js",
    "onnx": "ONNX",
    "keras": "Keras",
}


def megabytes(size: int) -> str:
    r"""Return a size in megabytes, with three figures.

    >>> megabytes(18_623_400), megabytes(5_000_400), megabytes(1_234_500_000)
    ('18.6\xa0MB', '5.00\xa0MB', '1,234\xa0MB')
    """
    return f"{_three(size / 1e6)}\u00a0MB"


def milliseconds(value: float | None) -> str:
    r"""Return a time with three figures.

    >>> milliseconds(0.0436), milliseconds(26.0), milliseconds(1234.5), milliseconds(None)
    ('0.0436\xa0ms', '26.0\xa0ms', '1,234\xa0ms', '\u2013')
    """
    return UNKNOWN if value is None else f"{_three(value)}\u00a0ms"


def small_percent(share: float | None) -> str:
    r"""Return a share of which the first figures matter, however small it is.

    >>> small_percent(0.0312), small_percent(4.2e-08), small_percent(0.0), small_percent(None)
    ('3.1\xa0%', '<\xa00.001\xa0%', '0\xa0%', '\u2013')
    """
    if share is None:
        return UNKNOWN
    if 0 < share < 1e-5:
        return "<\u00a00.001\u00a0%"
    return f"{100 * share:.2g}\u00a0%" if share else "0\u00a0%"


def decibels(value: float | None) -> str:
    r"""Return a ratio in decibels.

    >>> decibels(31.26), decibels(200.0), decibels(None)
    ('31.3\xa0dB', 'equal', '\u2013')
    """
    if value is None:
        return UNKNOWN
    return "equal" if value >= 200 else f"{value:.1f}\u00a0dB"


def agreement(row: Mapping[str, Any]) -> str:
    """Return of how many photographs an artifact has Keras' top class.

    >>> agreement({"top1_agreement": 0.9375, "photographs": 16}), agreement({"top1_agreement": None})
    ('15 of 16', '\u2013')
    """
    share = row.get("top1_agreement")
    return UNKNOWN if share is None else f"{round(share * row['photographs']):,} of {row['photographs']:,}"


def kind(row: Mapping[str, Any]) -> str:
    """Return what an artifact is: its format, and how it is quantised.

    >>> kind({"format": "tflite", "quantize": "int8"})
    'TensorFlow Lite, int8 weights and maps'
    """
    form, quantize = row["format"], row["quantize"]
    return f"{FORMATS.get(form, form)}, {QUANTIZATIONS.get(quantize, quantize)}"


def times(row: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    """Return an artifact's latencies, of one thread first.

    >>> list(times({"latency": {"8": {}, "1": {}}}))
    ['1', '8']
    """
    found: Mapping[str, Mapping[str, float]] = row.get("latency") or {}
    return {count: found[count] for count in sorted(found, key=int)}


def _three(value: float) -> str:
    """Return a number with three figures, or with all that are before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
