"""Networks of integers: what they take and give, what they lose, and that every step is exact where it claims to be."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest
from networks import randomise

from efficientnet_tf.errors import MissingDependencyError
from efficientnet_tf.exporting import tflite
from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.exporting.quantization import layer_sqnr, logit_sqnr, quantise
from efficientnet_tf.exporting.quantization.bias import correct_biases
from efficientnet_tf.exporting.quantization.graph import CONVOLUTIONS, Graph, layer_of
from efficientnet_tf.exporting.quantization.observing import observe
from efficientnet_tf.exporting.quantization.pixels import centre_pixels
from efficientnet_tf.exporting.quantization.recipes import weights_only
from efficientnet_tf.exporting.quantization.rounding import InputMoments, Moments, round_kernels, rounded_kernel
from efficientnet_tf.exporting.quantization.statistics import gather
from efficientnet_tf.pretrained import EfficientNet
from efficientnet_tf.runtimes.litert import LiteRTModel

KINDS = ("int8", "mixed", "int16x8")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Return pictures with large and small structures, as photographs have."""
    generator = np.random.default_rng(3)
    coarse = generator.normal(0, 60, (24, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    return np.clip(127 + coarse + generator.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def model(pixels) -> keras.Model:
    """Return a network with SiLU and squeeze-and-excitation."""
    keras.utils.set_random_seed(7)
    network = randomise(EfficientNet("tiny", weights=None, image_size=32, classes=6), seed=0)
    return deploy(network, outputs=["probabilities", "logits"])


@pytest.fixture(scope="module")
def float_file(model, tmp_path_factory):
    return tflite.write(model, tmp_path_factory.mktemp("float") / "model.tflite")


@pytest.fixture(scope="module")
def files(model, float_file, pixels, tmp_path_factory):
    """Return every kind, with uint8 pictures, and `weights` without any."""
    folder = tmp_path_factory.mktemp("integers")
    paths = {kind: folder / f"{kind}.tflite" for kind in ("weights", *KINDS)}
    tflite.write(model, paths["int8"], quantize="int8", calibration=pixels[::2])
    for kind in ("weights", "mixed", "int16x8"):  # without the conversion, which is the same
        paths[kind].write_bytes(quantise(float_file.read_bytes(), pixels[::2], kind=kind, integer_io="uint8"))
    paths["nearest weights"] = folder / "nearest.tflite"
    paths["nearest weights"].write_bytes(weights_only(float_file.read_bytes()))
    return paths


def test_signal_is_kept(float_file, files, pixels):
    expected = LiteRTModel(float_file).answers(pixels[1::2])["logits"]
    left = {
        kind: logit_sqnr(expected, LiteRTModel(path).answers(pixels[1::2])["logits"]) for kind, path in files.items()
    }
    assert left["int8"] > 15
    assert left["mixed"] > 15
    assert left["int16x8"] > left["int8"] + 6, left
    assert left["weights"] > left["int8"] + 6, left


def test_weights_are_rounded_on_pictures(float_file, files, pixels):
    """Nearer than each to its nearest."""
    expected, found, nearest = (
        LiteRTModel(path).answers(pixels[1::2])["logits"]
        for path in (float_file, files["weights"], files["nearest weights"])
    )
    assert logit_sqnr(expected, found) > logit_sqnr(expected, nearest) + 3


def test_probabilities_in_float32_come_of_a_softmax_in_float32(float_file, files, pixels, tmp_path):
    path = tmp_path / "int8.tflite"
    path.write_bytes(quantise(float_file.read_bytes(), pixels[::2], kind="int8", integer_io="float32"))
    for each in (path, files["int16x8"], files["mixed"]):
        answers = LiteRTModel(each).answers(pixels[1::2])
        exact = np.exp(answers["logits"] - answers["logits"].max(-1, keepdims=True))
        np.testing.assert_allclose(answers["probabilities"], exact / exact.sum(-1, keepdims=True), atol=1e-6)


def test_types_of_the_interface(files):
    for kind, outputs in {"int8": "uint8", "mixed": "float32", "int16x8": "float32"}.items():
        runner = LiteRTModel(files[kind])._run
        assert [np.dtype(each["dtype"]).name for each in runner.get_input_details().values()] == ["uint8"]
        details = runner.get_output_details()
        assert sorted(details) == ["logits", "probabilities"]
        assert {np.dtype(each["dtype"]).name for each in details.values()} == {outputs}, kind
    scale, zero_point = LiteRTModel(files["int8"])._run.get_output_details()["probabilities"]["quantization"]
    assert (scale, zero_point) == (1 / 256, 0)


def test_only_the_integers_are_stored(files):
    """What a constant was before it was replaced is not in the file."""
    graph = Graph(files["int8"].read_bytes())
    stored = sum(len(buffer.data) for buffer in graph.model.buffers if buffer.data is not None)
    used = {tensor for operation in graph.operations() for tensor in operation.inputs if tensor >= 0}
    needed = sum(graph.constant(tensor).nbytes for tensor in used if graph.constant(tensor) is not None)
    assert stored < 1.02 * needed  # three numbers of the preprocessing stay


def test_operations_are_integers_and_shapes_are_fixed(files):
    artifact = LiteRTModel(files["int8"])
    assert artifact.operations() == {
        "QUANTIZE": 3,  # uint8 to int8, and back for both outputs
        "ADD": 4,  # the centres of the colours, and residuals
        "CONV_2D": 21,
        "LOGISTIC": 21,
        "MUL": 21,
        "DEPTHWISE_CONV_2D": 5,
        "MEAN": 6,
        "FULLY_CONNECTED": 1,
        "SOFTMAX": 1,
    }
    graph = Graph(files["int8"].read_bytes())
    used = {tensor for operation in graph.operations() for tensor in (*operation.inputs, *operation.outputs)}
    for tensor in used - {-1}:
        record = graph.subgraph.tensors[tensor]
        assert record.shapeSignature is None or -1 not in record.shapeSignature, graph.name(tensor)
        assert all(size > 0 for size in graph.shape(tensor)), graph.name(tensor)
        assert str(graph.dtype(tensor)) in ("int8", "uint8", "int32"), graph.name(tensor)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("integer_io", ["int8", "float32"])
def test_other_pictures_same_answers(float_file, files, pixels, tmp_path, kind, integer_io):
    path = tmp_path / "other.tflite"
    path.write_bytes(quantise(float_file.read_bytes(), pixels[::2], kind=kind, integer_io=integer_io))
    artifact = LiteRTModel(path)
    expected, found = LiteRTModel(files[kind]).answers(pixels[:4]), artifact.answers(pixels[:4])
    assert np.dtype(artifact._image["dtype"]).name == integer_io
    if integer_io == "int8":
        np.testing.assert_array_equal(found["logits"], expected["logits"])
    else:
        # The colours' centres are subtracted in float32, and in the other not.
        assert logit_sqnr(expected["logits"], found["logits"]) > 15


def test_any_batch(model, files, pixels, tmp_path):
    path = tflite.write(model, tmp_path / "batch.tflite", quantize="int8", calibration=pixels[:8], batch=2)
    artifact = LiteRTModel(path)
    assert artifact.batch == 2
    assert (
        logit_sqnr(LiteRTModel(files["int8"]).answers(pixels[:3])["logits"], artifact.answers(pixels[:3])["logits"])
        > 15
    )


def test_layers_that_lose_most_are_named(float_file, files, pixels):
    layers = layer_sqnr(float_file, files["int8"], pixels[:4])
    names = [layer.name for layer in layers]
    assert names[-2:] == ["logits", "probabilities"]
    assert {"stem_conv", "stem_activation", "top_conv"} <= set(names)
    report = tflite.explain(float_file, files["int8"], pixels[:4], quantize="int8")
    assert len(report["layers"]) == len(layers)
    values = [layer["sqnr_db"] for layer in report["layers"]]
    assert values == sorted(values)
    worst = min(layers, key=lambda layer: layer.sqnr_db)
    assert report["layers"][0] == {"name": worst.name, "sqnr_db": round(worst.sqnr_db, 2)}
    assert report["logit_sqnr_db"] == round(layers[-2].sqnr_db, 2)
    assert report["choices"]["float32"] == "nothing, but the softmax if the answers are float32"
    # A network compared with itself loses nothing.
    assert {layer.sqnr_db for layer in layer_sqnr(float_file, float_file, pixels[:1])} == {200.0}


@pytest.mark.parametrize("variant", ["tiny", "lite0"])
def test_preprocessing_moves_without_a_trace(variant, float_file, pixels, tmp_path):
    if variant == "lite0":
        float_file = tmp_path / "lite0.tflite"
        tflite.write(deploy(EfficientNet("lite0", weights=None, image_size=32, classes=2)), float_file)
    content = float_file.read_bytes()
    images = pixels[:2].astype(np.float32)
    outputs = [*Graph(content).signature()[1].values()]
    expected = [each[outputs[0]] for each in observe(content, images, outputs[:1])]
    for keep in (True, False):
        moved, centre = centre_pixels(content, keep_addition=keep)
        # (pixel - 127) / 128 is an integer less a zero point; ImageNet's three means are not one integer.
        assert centre == (127 if variant == "lite0" and not keep else 0)
        found = [each[outputs[0]] for each in observe(moved, images - centre, outputs[:1])]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_biases_take_back_the_mean_error():
    """A convolution of one pixel, whose kernel in int8 is off by a known amount, on maps of known mean."""
    image = keras.Input((4, 4, 3), name="image")
    convolution = keras.layers.Conv2D(2, 1, name="convolution")
    model = keras.Model(image, {"answer": convolution(image)})
    # With a scale of 1, as the largest is 127: 0.4 becomes 0, and 2.3 becomes 2.
    convolution.set_weights([np.array([[[[127.0, 127.0], [0.4, 2.3], [0.0, 1.0]]]]), np.array([1.0, 2.0])])
    content = tflite.converted(model)
    images = np.stack([np.full((4, 4, 3), value, np.float32) for value in (0, 10, 20)])
    corrected = Graph(correct_biases(content, gather(content, images), original=content))
    (operation,) = corrected.operations()
    np.testing.assert_allclose(corrected.constant(operation.inputs[2]), [1 + 0.4 * 10, 2 + 0.3 * 10], rtol=1e-5)
    np.testing.assert_array_equal(corrected.constant(operation.inputs[1])[0, 0, 0], np.float32([127, 0.4, 0]))


def test_rounding_errors_make_up_for_each_other(model, pixels):
    """Every kernel is what int8 holds, and what convolutions answer is nearer than with each weight to its nearest."""
    content, _ = centre_pixels(tflite.converted(model), keep_addition=True)
    images = pixels[::2].astype(np.float32)
    moments = InputMoments(content)
    gather(content, images, watch=moments.add)
    graph, rounded = Graph(content), Graph(round_kernels(content, moments))
    better = []
    for operation, made, covariance in zip(
        moments.convolutions,
        [each for each in rounded.operations() if each.kind in CONVOLUTIONS],
        moments.covariances(),
        strict=True,
    ):
        axis = CONVOLUTIONS[operation.kind]
        kernel, found = graph.constant(operation.inputs[1]), rounded.constant(made.inputs[1])
        np.testing.assert_allclose(rounded_kernel(found, axis), found, rtol=1e-6)
        # The scale is the one that it had.
        others = tuple(place for place in range(kernel.ndim) if place != axis)
        np.testing.assert_allclose(np.abs(found).max(others), np.abs(kernel).max(others), rtol=1e-6)
        errors = []
        for each in (found, rounded_kernel(kernel, axis)):
            rows = np.moveaxis(each - kernel, axis, 0).reshape(kernel.shape[axis], -1)
            errors.append(
                np.einsum("ci,cij,cj->", rows, np.broadcast_to(covariance, (len(rows), *covariance.shape[1:])), rows)
            )
        better.append(errors[0] / errors[1])
    assert len(better) == 27
    assert np.median(better) < 0.6, better


@pytest.mark.parametrize("pictures", ["one", "alike", "black"])
def test_pictures_that_do_not_differ(float_file, pixels, pictures, tmp_path):
    """Inputs that never vary have a covariance of zero, or of what rounding leaves of it."""
    calibration = {"one": pixels[:1], "alike": pixels[[0, 0, 0]], "black": np.zeros_like(pixels[:2])}[pictures]
    content = quantise(float_file.read_bytes(), calibration, kind="int8", integer_io="uint8")
    path = tmp_path / "int8.tflite"
    path.write_bytes(content)
    expected, found = (LiteRTModel(each).answers(calibration)["logits"] for each in (float_file, path))
    assert logit_sqnr(expected, found) > 15


def test_moments_of_numbers_that_hardly_vary():
    """Sigmoids near 0.5: their squares are a hundred million times their variance."""
    generator = np.random.default_rng(0)
    moments, seen = Moments(), 0.5 + 1e-4 * generator.normal(size=(64, 1, 1, 40)).astype(np.float32)
    for each in seen:
        moments.add(each)
    covariance = moments.covariance()
    expected = np.cov(seen.reshape(64, 40).astype(np.float64), rowvar=False, bias=True)
    found = covariance[0] - 0.05 * np.diag(np.full(40, np.diag(expected).mean()))
    # Relative to the variance; the damping is of the mean square about the first picture.
    np.testing.assert_allclose(found / np.diag(expected).mean(), expected / np.diag(expected).mean(), atol=0.08)
    assert np.linalg.eigvalsh(covariance[0]).min() > 0


def test_layer_names():
    assert layer_of("efficientnet_tiny_1/block1a_dwconv_1/depthwise;efficientnet_tiny_1/x/y") == "block1a_dwconv"
    assert layer_of("StatefulPartitionedCall:0") == "StatefulPartitionedCall:0"


def test_quantiser_that_is_missing(model, pixels, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("ai_edge_quantizer")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    message = r"^ai-edge-quantizer is not installed\. Run: pip install 'efficientnet_tf\[quantizer\]'$"
    for kind in ("int8", "weights"):
        with pytest.raises(MissingDependencyError, match=message):
            tflite.write(model, tmp_path / "model.tflite", quantize=kind, calibration=pixels)
    assert not list(tmp_path.iterdir())
