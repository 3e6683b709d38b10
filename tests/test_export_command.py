"""What `efficientnet-export` says in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from efficientnet_tf.cli.export import print_report

ROW = {
    "file": "model_int8.tflite",
    "bytes": 5_012_345,
    "max_difference": 0.0312,
    "top1_agreement": 0.9375,
    "clear_photographs": 12,
    "latency_ms": 11.04,
    "photographs": 16,
    "verified": True,
}
UNKNOWN = {**ROW, "file": "model.onnx", "photographs": 0, "verified": False, "reason": "ONNX Runtime is not installed."}
FEATURES = {**ROW, "file": "tfjs", "max_difference": None, "top1_agreement": None, "clear_photographs": None}


def printed(capsys, *rows) -> list[str]:
    print_report(rows, Path("out"))
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_the_table(capsys):
    lines = printed(capsys, ROW, FEATURES, UNKNOWN)
    assert lines[0] == "Beside Keras, on 16 photographs"
    assert "artifact MB max diff. same class ms verified" in lines
    assert "model_int8.tflite 5.0 3.1e-02 15 of 16 11.0 yes" in lines
    assert "tfjs 5.0 11.0 yes" in lines
    assert "model.onnx 5.0 no" in lines
    assert lines[-2:] == [
        "Warning: model.onnx was not verified. ONNX Runtime is not installed.",
        "Written to out; look at out/report.html. The figures are in out/report.json.",
    ]


@pytest.mark.parametrize(("clear", "said"), [(0, True), (1, False), (None, False)])
def test_that_no_photograph_is_clear_is_said(clear, said, capsys):
    warning = (
        "Warning: classes were not checked, since on none of the photographs Keras' top class leads the next by 10 % "
        "or more. Give others by --verify, or more of them by --verify_images."
    )
    assert (warning in printed(capsys, {**ROW, "clear_photographs": clear})) == said
