"""TensorFlow Lite files: what is in them, and that their runtime answers as the network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
from networks import randomise

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.exporting import tflite, tflite_conversion, tflite_half
from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.exporting.outputs import answers
from efficientnet_tf.exporting.quantization.graph import Graph
from efficientnet_tf.pretrained import EfficientNet
from efficientnet_tf.runtimes.litert import LiteRTModel

SHAPE_ARITHMETIC = {"SHAPE", "STRIDED_SLICE", "PACK"}


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Return a small network with SiLU and squeeze-and-excitation, and three outputs."""
    keras.utils.set_random_seed(7)
    network = randomise(EfficientNet("tiny", weights=None, image_size=64, classes=4), seed=0)
    return deploy(network, outputs=["probabilities", "logits", "features"])


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("batch", [2, None])
def test_every_output_by_its_name_for_any_batch(model, pixels, tmp_path, batch):
    path = tflite.write(model, tmp_path / "model.tflite", batch=batch)
    artifact = LiteRTModel(path, threads=1)
    expected = answers(model, pixels)
    found = artifact.answers(pixels)
    assert sorted(found) == sorted(expected)
    for name, answer in found.items():
        assert answer.dtype == np.float32
        np.testing.assert_allclose(answer, expected[name].numpy(), atol=1e-4, rtol=1e-4)
    np.testing.assert_array_equal(artifact.predict(pixels), found["probabilities"])
    assert artifact.batch == (batch or 1)
    operations = artifact.operations()
    assert not SHAPE_ARITHMETIC & set(operations), operations
    assert operations["SOFTMAX"] == operations["FULLY_CONNECTED"] == 1


@pytest.fixture(scope="module")
def artifact(model, tmp_path_factory) -> LiteRTModel:
    return LiteRTModel(tflite.write(model, tmp_path_factory.mktemp("float") / "model.tflite"))


def test_no_pictures_no_answers(artifact):
    assert artifact.predict(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0, 4)


def test_wrong_pictures_are_refused(artifact):
    with pytest.raises(UsageError, match=r"^This file takes pictures of \[64, 64, 3\], got \[32, 32, 3\]\.$"):
        artifact.answers(np.zeros((1, 32, 32, 3), np.uint8))


def test_weights_take_less_room(model, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr(tflite_half, "SMALL", 64)  # all kernels of this network are
    size = {}
    expected = answers(model, pixels)["logits"].numpy()
    calibration = np.random.default_rng(2).integers(0, 256, (4, *model.input_shape[1:]), dtype=np.uint8)
    for kind, bound in {"none": 1e-4, "float16": 0.02, "dynamic": 0.5, "weights": 0.5}.items():
        path = tflite.write(model, tmp_path / f"{kind}.tflite", quantize=kind, calibration=calibration)
        size[kind] = path.stat().st_size
        difference = np.abs(LiteRTModel(path).answers(pixels)["logits"] - expected).max()
        assert difference < bound * np.abs(expected).max(), kind
        assert kind == "none" or difference > 1e-7
    # So small a network is mostly names and operations, of which the quantised ones have more.
    assert size["float16"] < size["none"]
    assert size["dynamic"] < size["none"]
    assert size["weights"] < size["none"]


def test_large_kernels_alone_are_of_16_bits(tmp_path):
    keras.utils.set_random_seed(3)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(96, 1, name="first_conv")(image)
    x = keras.layers.DepthwiseConv2D(3, name="dwconv")(x)
    x = keras.layers.Conv2D(64, 1, name="project_conv")(x)
    model = keras.Model(image, {"probabilities": keras.layers.GlobalAveragePooling2D()(x)})
    graph = Graph(tflite.write(model, tmp_path / "half.tflite", quantize="float16").read_bytes())
    steps = list(graph.operations())
    assert [step.kind for step in steps] == ["CONV_2D", "DEPTHWISE_CONV_2D", "DEQUANTIZE", "CONV_2D", "MEAN"]
    stored = graph.constant(steps[2].inputs[0])
    assert stored.dtype == np.float16
    kernel = model.get_layer("project_conv").kernel.numpy().reshape(96, 64).T.reshape(64, 1, 1, 96)
    np.testing.assert_array_equal(stored, kernel.astype(np.float16))
    assert steps[3].inputs[1] == steps[2].outputs[0]


def test_wrong_arguments(model, tmp_path):
    path = tmp_path / "model.tflite"
    allowed = "none, float16, dynamic, weights, int8, mixed, int16x8"
    with pytest.raises(
        UsageError, match=rf"^Unknown quantisation 'int4'\. Did you mean 'int8'\? Allowed: {allowed}\.$"
    ):
        tflite.write(model, path, quantize="int4")
    with pytest.raises(UsageError, match=r"^int8 needs pictures to calibrate on, got none\.$"):
        tflite.write(model, path, quantize="int8")
    with pytest.raises(UsageError, match=r"^weights needs pictures to calibrate on, got none\.$"):
        tflite.write(model, path, quantize="weights")
    with pytest.raises(UsageError, match=r"^Unknown tuned_for 'gpu'\. Allowed: processor, accelerator\.$"):
        tflite.write(model, path, tuned_for="gpu")
    with pytest.raises(UsageError, match=r"^mixed needs pictures to calibrate on, got none\.$"):
        tflite.write(model, path, quantize="mixed", calibration=np.zeros((0, 64, 64, 3), np.uint8))
    message = r"^calibration must be uint8 \[N, 64, 64, 3\], got float32 \[1, 64, 64, 3\]\.$"
    with pytest.raises(UsageError, match=message):
        tflite.write(model, path, quantize="int8", calibration=np.zeros((1, 64, 64, 3), np.float32))
    with pytest.raises(UsageError, match=r"^Unknown integer_io 'uint16'\. Did you mean 'uint8'\? Allowed: "):
        tflite.write(model, path, quantize="int8", integer_io="uint16")
    assert not list(tmp_path.iterdir())


def test_file_that_is_none(tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(b"not a model")
    with pytest.raises(EfficientNetError, match=r"a\.tflite is not a TensorFlow Lite file that can be run: "):
        LiteRTModel(path)


def test_operation_that_lite_lacks_is_one_line(tmp_path):
    image = keras.Input((8, 8, 3), name="image")
    # The inverse of a matrix is TensorFlow's alone.
    inverse = keras.layers.Lambda(lambda x: keras.ops.linalg.inv(x[:, :3, :3, 0]))(image)
    model = keras.Model(image, {"inverse": inverse})
    with pytest.raises(EfficientNetError, match=r"^TensorFlow Lite cannot represent this network: ") as caught:
        tflite.write(model, tmp_path / "model.tflite")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_converter_that_crashes_is_one_line_and_comes_back(model, tmp_path, monkeypatch):
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import os, sys\nsys.stdin.readline()\nprint('out of luck', file=sys.stderr, flush=True)\nos.abort()"
    )
    converter = tflite_conversion._Converter()
    with monkeypatch.context() as patch:
        patch.setattr(tflite_conversion, "PROGRAM", broken)
        message = r"^TensorFlow Lite's converter crashed: out of luck \(exit code -6\)$"
        with pytest.raises(EfficientNetError, match=message):
            converter.convert(tmp_path, "none")
    assert converter._popen is None


def test_converter_is_renewed(monkeypatch, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import json, os, sys\n"
        "for line in sys.stdin:\n"
        "    open(json.loads(line)['target'], 'w').write(str(os.getpid()))\n"
        "    print('{}', flush=True)\n"
    )
    monkeypatch.setattr(tflite_conversion, "PROGRAM", program)
    monkeypatch.setattr(tflite_conversion, "CONVERSIONS", 2)
    converter = tflite_conversion._Converter()
    first, second, third = (converter.convert(tmp_path, "none") for _ in range(3))
    converter.end()
    assert first == second != third


def test_converter_ends_with_its_parent(tmp_path):
    """Neither a parent that ends nor one that is killed leaves a process behind."""
    code = textwrap.dedent("""
        import importlib.util, sys
        # Alone, without the room around it, which takes seconds.
        spec = importlib.util.spec_from_file_location("tflite_conversion", sys.argv[1])
        conversion = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(conversion)
        conversion._CONVERTER._start()
        print(conversion._CONVERTER._popen.pid, flush=True)
        sys.stdin.readline()
    """)
    command = [sys.executable, "-c", code, tflite_conversion.__file__]
    for killed in (True, False):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
            worker = int(parent.stdout.readline())
            if killed:
                parent.send_signal(signal.SIGKILL)
            else:
                parent.communicate("\n")
        _wait_until_gone(worker)


def test_converter_loads_nothing_of_this_package():
    program = Path(tflite_conversion.PROGRAM).read_text(encoding="utf-8")
    assert "efficientnet_tf" not in program


def _wait_until_gone(pid: int) -> None:
    # An orphan is reaped by the system, whenever it likes; a zombie has ended.
    for _ in range(10_000_000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        os.sched_yield()
    raise AssertionError(f"process {pid} still runs")
