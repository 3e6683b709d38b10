"""The lines that show how an artifact is used."""

from __future__ import annotations

from reports import interface

from efficientnet_tf.exporting.report.usage import SNIPPETS, snippets
from efficientnet_tf.specs import Preprocessing

RECORD = Preprocessing((32, 32))


def code(form, quantize="none", **changed):
    row = {"format": form, "quantize": quantize, "file": "FILE", "interface": interface(form, quantize, **changed)}
    return snippets(row, RECORD)


def test_code_fits_the_artifact():
    found = code("tflite", "int8")
    assert list(found) == ["Python, LiteRT", "Kotlin, Task Library"]
    assert found["Python, LiteRT"].endswith(
        'answer = run(image=pixels)["probabilities"]  # uint8 [1, 32, 32, 3], 0...255\n'
        'scale, zero_point = run.get_output_details()["probabilities"]["quantization"]\n'
        "answer = scale * (answer.astype(int) - zero_point)"
    )
    # The Task Library takes neither int8 pixels nor several pictures.
    assert list(code("tflite", "int8", pictures="int8")) == ["Python, LiteRT"]
    assert list(code("tflite", "int8", batch=None)) == ["Python, LiteRT"]
    of_four = [code(form, batch=4) for form in ("saved_model", "onnx", "tfjs")]
    ways = ["TensorFlow, whole files", "Python, ONNX Runtime", "JavaScript, TensorFlow.js"]
    assert [list(each) for each in of_four] == [[way] for way in ways]
    lines = ["\n".join(each.values()) for each in of_four]
    assert 'open("photo.jpg", "rb").read()] * 4)' in lines[0]
    assert "# float32 [4, 32, 32, 3], 0...255" in lines[1]
    assert ".expandDims(0).tile([4, 1, 1, 1]);" in lines[2]


def test_every_format_has_its_lines():
    from efficientnet_tf.config import QUANTIZATIONS

    assert set(SNIPPETS) == set(QUANTIZATIONS)
