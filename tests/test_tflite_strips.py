"""Maps in strips: the same answers, whatever the sizes, strides and kernels, in the operations that are expected."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from networks import randomise

from efficientnet_tf.exporting import tflite, tflite_strips
from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.exporting.outputs import answers
from efficientnet_tf.exporting.quantization.graph import Graph
from efficientnet_tf.exporting.quantization.observing import Observer
from efficientnet_tf.exporting.quantization.sqnr import layer_sqnr
from efficientnet_tf.exporting.tflite_strips import blocks, in_strips, strips_of
from efficientnet_tf.exporting.tflite_whole_maps import with_whole_maps
from efficientnet_tf.pretrained import EfficientNet

# Height and width: even, odd, and of such numbers that strips differ in their rows.
SIZES = [(64, 64), (53, 38)]


@pytest.fixture(scope="module", params=SIZES, ids=str)
def network(request) -> tuple[keras.Model, bytes]:
    """Return a deployed network of SiLU and squeeze-and-excitation, and its file without strips."""
    keras.utils.set_random_seed(7)
    trained = randomise(EfficientNet("tiny", weights=None, image_size=64, classes=4), seed=0)
    model = deploy(trained, outputs=["logits", "reduction_1"], image_size=request.param)
    return model, tflite.converted(model)


@pytest.fixture
def small_strips(monkeypatch):
    """Let maps of a few kilobytes be cut into strips, most of which may be computed twice."""
    monkeypatch.setattr(tflite_strips, "WORTH", 1 << 10)
    monkeypatch.setattr(tflite_strips, "STRIP", 3 << 10)
    monkeypatch.setattr(tflite_strips, "REPEATED", 1.5)


def run(content: bytes, image: np.ndarray) -> dict[str, np.ndarray]:
    return Interpreter(model_content=content, num_threads=1).get_signature_runner()(image=image)


def test_same_answers(network, small_strips):
    model, content = network
    graph = Graph(content)
    cut = []
    for block in blocks(graph):
        convolution = next(step for step in block.rows if step.kind == "DEPTHWISE_CONV_2D")
        if strips_of(graph, block) > 1:
            cut.append((graph.shape(convolution.inputs[1])[1], convolution.record.builtinOptions.strideH))
    # All but the first block, whose input is what it adds in the end.
    assert cut == [(3, 2), (3, 1), (5, 2), (5, 1)]
    image = np.random.default_rng(1).integers(0, 256, (1, *model.input_shape[1:])).astype(np.float32)
    expected, before, found = answers(model, image), run(content, image), run(in_strips(content), image)
    for name, answer in found.items():
        scale = np.abs(before[name]).max()
        np.testing.assert_allclose(answer, before[name], rtol=0, atol=2e-6 * scale)
        np.testing.assert_allclose(answer, expected[name].numpy(), rtol=0, atol=1e-5 * scale)


def test_whole_maps_again(network, small_strips):
    _, content = network
    whole = with_whole_maps(in_strips(content))
    image = np.random.default_rng(2).integers(0, 256, network[0].input_shape[1:], dtype=np.uint8)
    plain, graph = Graph(content), Graph(whole)
    numbers = {graph.name(step.outputs[0]): step.outputs[0] for step in graph.operations()}
    expected, found = Observer(content), Observer(whole)
    expected.see(image)
    found.see(image)
    for step in plain.operations():
        (tensor,) = step.outputs
        values = expected.map(tensor)
        np.testing.assert_allclose(
            found.map(numbers[plain.name(tensor)]), values, rtol=0, atol=1e-5 * max(np.abs(values).max(), 1e-3)
        )
    assert with_whole_maps(content) is content


def test_same_layers_in_the_report(network, small_strips, tmp_path):
    """What a layer answers is found in the strips, under the same name and in the same order."""
    model, content = network
    files = {name: tmp_path / f"{name}.tflite" for name in ("whole", "strips", "rounded")}
    files["whole"].write_bytes(content)
    files["strips"].write_bytes(with_whole_maps(in_strips(content)))
    images = np.random.default_rng(3).integers(0, 256, (2, *model.input_shape[1:]), dtype=np.uint8)
    tflite.write(model, files["rounded"], quantize="weights", calibration=images)
    expected, found = (layer_sqnr(files[name], files["rounded"], images) for name in ("whole", "strips"))
    assert len(expected) > 50
    assert [layer.name for layer in found] == [layer.name for layer in expected]
    np.testing.assert_allclose([each.sqnr_db for each in found], [each.sqnr_db for each in expected], atol=0.05)


def test_small_maps_stay_whole(network):
    _, content = network
    assert in_strips(content) is content


def test_large_kernels_are_read_once(network, small_strips, monkeypatch):
    _, content = network
    graph = Graph(content)
    counts = [strips_of(graph, block) for block in blocks(graph)]
    monkeypatch.setattr(tflite_strips, "KERNELS", 10 << 10)
    fewer = [strips_of(graph, block) for block in blocks(graph)]
    assert sum(count > 1 for count in counts) > sum(count > 1 for count in fewer) > 0
    assert fewer[-1] == 1, "the last blocks have the largest kernels"


def test_inner_output_keeps_its_block_whole(network):
    _, content = network
    graph = Graph(content)
    found = blocks(graph)
    # What somebody reads from outside must be there as it was.
    graph.model.signatureDefs[0].outputs[0].tensorIndex = found[0].rows[0].outputs[0]
    assert [block.mean.outputs for block in blocks(graph)] == [block.mean.outputs for block in found[1:]]


def test_written_file_is_in_strips(network, small_strips, tmp_path, monkeypatch):
    model, content = network
    monkeypatch.setattr(tflite, "converted", lambda *args, **options: content)

    def cut(**options) -> bool:
        path = tflite.write(model, tmp_path / "model.tflite", **options)
        return "CONCATENATION" in [step.kind for step in Graph(path.read_bytes()).operations()]

    assert cut()
    assert cut(batch=2)
    assert not cut(batch=None)
    pixels = np.random.default_rng(3).integers(0, 256, (2, *model.input_shape[1:]), dtype=np.uint8)
    assert not cut(quantize="weights", calibration=pixels)
    assert not cut(quantize="float16")
    assert not cut(tuned_for="accelerator")


def test_block_without_expansion(small_strips):
    image = keras.Input((31, 10, 3), name="image")
    x = keras.layers.ZeroPadding2D(((0, 0), (1, 1)))(image)
    # No padding of its own, and 29 rows, which ten strips cannot share equally.
    x = y = keras.layers.DepthwiseConv2D(3, depth_multiplier=8, activation="silu", bias_initializer="normal")(x)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = keras.layers.Multiply()([y, keras.layers.Conv2D(24, 1, activation="sigmoid")(x)])
    model = keras.Model(image, keras.layers.Conv2D(5, 1)(x))
    content = tflite.converted(model)
    graph = Graph(content)
    (block,) = blocks(graph)
    assert ([step.kind for step in block.rows], strips_of(graph, block)) == (
        ["DEPTHWISE_CONV_2D", "LOGISTIC", "MUL"],
        10,
    )
    pixels = np.random.default_rng(1).normal(size=(1, 31, 10, 3)).astype(np.float32)
    found = run(in_strips(content), pixels)["probabilities"]
    np.testing.assert_allclose(found, model(pixels).numpy(), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_b0_is_one_piece_for_xnnpack():
    """At its own size: these blocks in so many strips, all of it by XNNPACK, and the answers of Keras."""
    keras.utils.set_random_seed(5)
    model = deploy(randomise(EfficientNet("b0", weights=None, classes=10), seed=1), outputs=["logits"])
    content = tflite.converted(model)
    graph = Graph(content)
    assert [strips_of(graph, block) for block in blocks(graph)] == [3, 7, 3, 3, *[1] * 12]
    image = np.random.default_rng(1).integers(0, 256, (1, *model.input_shape[1:])).astype(np.float32)
    interpreter = Interpreter(model_content=in_strips(content), num_threads=1)
    logits = interpreter.get_signature_runner()(image=image)["logits"]
    expected = answers(model, image)["logits"].numpy()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert [detail["op_name"] for detail in interpreter._get_ops_details()].count("DELEGATE") == 1
