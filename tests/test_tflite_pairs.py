"""Two pixels at a time: the same integers as one at a time."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from networks import randomise

from efficientnet_tf.exporting import tflite, tflite_pairs
from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.exporting.quantization.graph import Graph
from efficientnet_tf.exporting.quantization.sqnr import layer_sqnr
from efficientnet_tf.exporting.tflite_pairs import in_pairs
from efficientnet_tf.pretrained import EfficientNet


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def path(pixels, tmp_path_factory):
    """Return a small network of integers, written as files of that size are: one pixel at a time."""
    keras.utils.set_random_seed(7)
    model = deploy(randomise(EfficientNet("tiny", weights=None, image_size=64, classes=4), seed=0))
    folder = tmp_path_factory.mktemp("pairs")
    return tflite.write(model, folder / "int8.tflite", quantize="int8", calibration=pixels, integer_io="int8")


def run(content: bytes, image: np.ndarray) -> np.ndarray:
    runner = Interpreter(model_content=content).get_signature_runner()
    return runner(image=(image[None].astype(np.int16) - 128).astype(np.int8))["probabilities"]


def test_same_integers(path, pixels, monkeypatch, tmp_path):
    content = path.read_bytes()
    assert in_pairs(content) is content, "the maps are small"
    monkeypatch.setattr(tflite_pairs, "MANY_PIXELS", 16 * 16)
    paired = in_pairs(content)
    before, after = Graph(content), Graph(paired)
    shapes = {after.name(step.outputs[0]): after.shape(step.outputs[0]) for step in after.operations()}
    assert [shape for name, shape in shapes.items() if name.endswith("/pairs/out")] == [
        (1, 32, 16, 16),  # the first convolution, of stride 2
        (1, 32, 16, 16),  # the first block's projection
        (1, 32, 16, 32),  # the second's expansion
        (1, 16, 8, 32),  # its projection
        (1, 16, 8, 64),
        (1, 16, 8, 32),
        (1, 16, 8, 64),
    ]
    assert {before.name(step.outputs[0]): before.shape(step.outputs[0]) for step in before.operations()}.items() <= (
        shapes.items()
    )
    for image in pixels:
        np.testing.assert_array_equal(run(paired, image), run(content, image))
    other = tmp_path / "paired.tflite"
    other.write_bytes(paired)
    assert {layer.sqnr_db for layer in layer_sqnr(path, other, pixels[:1])} == {200.0}


def test_other_convolutions_stay(path, monkeypatch):
    monkeypatch.setattr(tflite_pairs, "MANY_PIXELS", 16 * 16)
    monkeypatch.setattr(tflite_pairs, "SMALL_KERNEL", 100)
    content = path.read_bytes()
    kinds = [step.kind for step in Graph(in_pairs(content)).operations()]
    assert kinds.count("RESHAPE") == 2, "only the first block's projection has so few weights"


def test_convolution_with_zeros_on_both_sides_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(tflite_pairs, "MANY_PIXELS", 8 * 8)
    image = keras.Input((16, 16, 3), name="image")
    for padding, stride, paired in (
        ("same", 1, False),  # a zero on the left and one on the right
        ("same", 2, True),  # one on the right
        ("valid", 1, False),
    ):
        x = keras.layers.Conv2D(4, 3, strides=stride, padding=padding, use_bias=True)(image)
        model = keras.Model(image, {"probabilities": keras.layers.GlobalAveragePooling2D()(x)})
        pixels = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
        path = tflite.write(model, tmp_path / "m.tflite", quantize="int8", calibration=pixels, integer_io="int8")
        kinds = [step.kind for step in Graph(path.read_bytes()).operations()]
        assert ("RESHAPE" in kinds) is paired, (padding, stride)


def test_kernel_of_stride_two():
    kernel = np.arange(1, 4).reshape(1, 1, 3, 1)
    found = tflite_pairs.paired_kernel(kernel, 2)
    assert found.shape == (2, 1, 2, 4)
    assert found.reshape(2, 8).tolist() == [[1, 2, 3, 0, 0, 0, 0, 0], [0, 0, 1, 2, 3, 0, 0, 0]]
