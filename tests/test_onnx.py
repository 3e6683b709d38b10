"""ONNX exports: the graph, operation for operation, and its answers in ONNX Runtime."""

from __future__ import annotations

import json
import logging
import re
import sys

import keras
import numpy as np
import onnx
import pytest
from networks import randomise

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.exporting import onnx_file
from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.exporting.outputs import answers
from efficientnet_tf.layers import CondDepthwiseConv2D
from efficientnet_tf.pretrained import EfficientNet
from efficientnet_tf.runtimes import open_artifact
from efficientnet_tf.runtimes.onnx_file import OnnxModel
from efficientnet_tf.specs import Preprocessing

RECORD = Preprocessing((32, 32), interpolation="tf1_bicubic", scale=(1 / 128,) * 3, offset=(-1.0, -0.9, -0.8))
LABELS = ["café", "猫", *"cdefghij"]
INNER = ["probabilities", "pooled_features", "features", "reduction_1"]
# A convolution for each of Keras', a transposition at the input alone, and SiLU as what ONNX 1.12 has.
TINY = {
    "Conv": 26,
    "Mul": 22,
    "Sigmoid": 21,
    "GlobalAveragePool": 6,
    "Add": 5,
    "Transpose": 1,
    "Squeeze": 1,
    "MatMul": 1,
    "Softmax": 1,
}


def network(variant: str = "tiny", size: int = 32, **arguments) -> keras.Model:
    keras.utils.set_random_seed(7)
    return randomise(EfficientNet(variant, weights=None, image_size=size, classes=10, **arguments), seed=0)


def write(model: keras.Model, path, **arguments):
    labels = LABELS[: model.output_shape[1]] if isinstance(model.output_shape, tuple) else LABELS
    return onnx_file.write(model, path, labels=labels, record=RECORD, **arguments)


def pixels(number: int, size: int = 32):
    return np.random.default_rng(1).integers(0, 256, (number, size, size, 3), dtype=np.uint8)


def shapes(values) -> dict[str, list[int | str]]:
    return {
        value.name: [size.dim_value or size.dim_param for size in value.type.tensor_type.shape.dim] for value in values
    }


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    return write(deploy(model), tmp_path_factory.mktemp("onnx") / "model.onnx")


def test_the_file_describes_itself(path, model):
    written = onnx.load(path)
    assert [(each.domain, each.version) for each in written.opset_import] == [("", 17)]
    assert (written.ir_version, written.producer_name) == (8, "efficientnet_tf")
    assert written.doc_string == "efficientnet_tiny: image, RGB float32 [N, 32, 32, 3] of 0...255, to probabilities"
    metadata = {entry.key: json.loads(entry.value) for entry in written.metadata_props}
    assert metadata == {"labels": LABELS, "preprocessing": RECORD.to_json()}
    assert shapes(written.graph.input) == {"image": ["N", 32, 32, 3]}
    assert shapes(written.graph.output) == {"probabilities": ["N", 10]}


def test_the_graph_is_folded_and_turned_once(path):
    assert OnnxModel(path).operations() == TINY
    graph = onnx.load(path).graph
    # Weights are constants, which nobody has to give.
    assert not {tensor.name for tensor in graph.initializer} & {value.name for value in graph.input}
    assert graph.node[2].op_type == "Transpose"


def test_operations_and_weights_are_named_after_the_layers(path, model):
    graph = onnx.load(path).graph
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)
    assert names[:7] == [
        "rescaling/Mul",
        "rescaling/Add",
        "stem_conv/Transpose",
        "stem_conv/Conv",
        "stem_activation/Sigmoid",
        "stem_activation/Mul",
        "block1a_dwconv/Conv",
    ]
    layers = {layer.name for layer in model.layers} | {"probabilities"}
    everything = [*names, *(tensor.name for tensor in graph.initializer)]
    assert [name for name in everything if name.split("/")[0] not in layers] == []
    assert {"block2a_dwconv/W", "block2a_dwconv/B", "predictions/MatMul"} <= set(everything)


def test_the_same_network_gives_the_same_file(path, model, tmp_path):
    assert write(deploy(model), tmp_path / "again.onnx").read_bytes() == path.read_bytes()


def test_detours_of_shape_are_taken_out_and_what_moves_numbers_stays():
    # tf2onnx makes the first two now and then, for a reason of its own.
    nodes = [
        onnx.helper.make_node("Reshape", ["x", "shape"], ["a"]),
        onnx.helper.make_node("Transpose", ["a"], ["b"], perm=[0, 3, 1, 2]),
        onnx.helper.make_node("Relu", ["b"], ["c"]),
        onnx.helper.make_node("Reshape", ["c", "shape"], ["d"]),
        onnx.helper.make_node("Transpose", ["d"], ["e"], perm=[0, 1, 3, 2]),
        onnx.helper.make_node("Relu", ["e"], ["y"]),
    ]
    x, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", ["N", 2, 1, 1]), ("y", ["N", 1, 2, 1]))
    )
    graph = onnx.helper.make_graph(
        nodes, "g", [x], [y], [onnx.numpy_helper.from_array(np.array([-1, 1, 1, 2]), "shape")]
    )
    onnx_file._without_idle_reshapes(onnx, graph)
    assert [(node.op_type, node.input[0]) for node in graph.node] == [
        ("Relu", "x"),
        ("Reshape", "c"),
        ("Transpose", "d"),
        ("Relu", "e"),
    ]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_it_answers_as_keras_for_any_number_of_pictures(number, path, model):
    artifact = open_artifact(path)
    try:
        answer = artifact.predict(pixels(number))
        assert (answer.dtype, answer.shape) == (np.float32, (number, 10))
        if number:
            np.testing.assert_allclose(answer, model(pixels(number)), atol=1e-6, rtol=0)
        assert artifact.labels == LABELS
        assert artifact.preprocessing == RECORD
    finally:
        artifact.close()


def test_several_outputs_and_a_fixed_number_of_pictures(model, tmp_path):
    deployed = deploy(model, outputs=INNER)
    path = write(deployed, tmp_path / "inner.onnx", batch=2)
    graph = onnx.load(path).graph
    assert shapes(graph.input) == {"image": [2, 32, 32, 3]}
    assert list(shapes(graph.output)) == INNER
    assert shapes(graph.output)["reduction_1"] == [2, 16, 16, 8]
    artifact = OnnxModel(path, threads=1)
    # A map is turned back, and nothing else.
    assert artifact.operations()["Transpose"] == 3
    found, expected = artifact.answers(pixels(3)), answers(deployed, pixels(3))
    assert list(found) == INNER
    for name in INNER:
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(found[name] / scale, expected[name] / scale, atol=1e-5, rtol=0, err_msg=name)


def test_what_is_missing_in_the_metadata_is_read_beside_the_file(path, model, tmp_path):
    written = onnx.load(path)
    del written.metadata_props[:]
    onnx.save(written, tmp_path / "model.onnx")
    assert (OnnxModel(tmp_path / "model.onnx").labels, OnnxModel(tmp_path / "model.onnx").preprocessing) == (None, None)
    (tmp_path / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS), encoding="utf-8")
    (tmp_path / "preprocessing.json").write_text(json.dumps(RECORD.to_json()))
    assert OnnxModel(tmp_path / "model.onnx").labels == LABELS
    assert OnnxModel(tmp_path / "model.onnx").preprocessing == RECORD


def test_conditional_convolutions_take_a_fixed_number_of_pictures(tmp_path):
    image = keras.Input((8, 8, 3), name="image")
    shares = keras.layers.Dense(2, activation="sigmoid")(keras.layers.GlobalAveragePooling2D()(image))
    x = keras.layers.GlobalAveragePooling2D()(CondDepthwiseConv2D(3, experts=2)([image, shares]))
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax")(x), name="conditional")
    message = "As ONNX, conditional takes a fixed number of pictures. Give --batch, such as --batch=1."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        write(model, tmp_path / "a.onnx")
    path = write(model, tmp_path / "a.onnx", batch=2)
    np.testing.assert_allclose(OnnxModel(path).predict(pixels(3, 8)), model(pixels(3, 8)), atol=1e-5, rtol=0)


def test_what_onnx_cannot_represent_is_one_line(tmp_path, caplog):
    image = keras.Input((8, 8, 3), name="image")
    spectrum = keras.layers.Lambda(lambda x: keras.ops.real(keras.ops.fft2((x, x))[0]))(image)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(spectrum)), name="own")
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(EfficientNetError, match=r"^ONNX cannot represent this network: [^\n]+$"),
    ):
        write(model, tmp_path / "a.onnx")
    assert caplog.text == ""
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_are_named(model, path, tmp_path, monkeypatch):
    for package, work in {
        "tf2onnx": lambda: write(deploy(model), tmp_path / "a.onnx"),
        "onnxruntime": lambda: open_artifact(path),
        "onnx": OnnxModel(path).operations,
    }.items():
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            message = f"{package} is not installed. Run: pip install 'efficientnet_tf[onnx]'"
            with pytest.raises(MissingDependencyError, match=f"^{re.escape(message)}$"):
                work()


def test_damaged_files_and_wrong_pictures(path, tmp_path):
    content = path.read_bytes()
    for damaged in (b"", b"not a model", content[: len(content) // 2]):
        (tmp_path / "a.onnx").write_bytes(damaged)
        with pytest.raises(EfficientNetError, match=r"^\S+a\.onnx is not an ONNX file that can be run: [^\n]+$"):
            open_artifact(tmp_path / "a.onnx")
    other = onnx.load(path)
    other.graph.input[0].name = other.graph.node[0].input[0] = "pixels"
    onnx.save(other, tmp_path / "a.onnx")
    message = (
        f"{tmp_path / 'a.onnx'} must have the input image tensor(float) [N, height, width, 3], "
        "got pixels tensor(float)['N', 32, 32, 3]."
    )
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        open_artifact(tmp_path / "a.onnx")
    next(entry for entry in other.metadata_props if entry.key == "labels").value = "[cat"
    other.graph.input[0].name = other.graph.node[0].input[0] = "image"
    onnx.save(other, tmp_path / "a.onnx")
    with pytest.raises(EfficientNetError, match=r"^The metadata of \S+a\.onnx cannot be read: Expecting value"):
        open_artifact(tmp_path / "a.onnx")
    message = f"The network in {path} takes uint8 images [N, 32, 32, 3], got float32 [1, 32, 32, 3]."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        OnnxModel(path).predict(pixels(1).astype(np.float32))


def test_only_probabilities_are_predicted(model, tmp_path):
    path = write(deploy(model, outputs=["logits"]), tmp_path / "logits.onnx")
    message = f"{path} has no output 'probabilities'; it has logits."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        OnnxModel(path).predict(pixels(1))


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["b0", "lite0", "v2-b0", "keras.applications"])
def test_whole_networks(variant, tmp_path):
    if variant == "keras.applications":
        model = randomise(keras.applications.EfficientNetB0(weights=None, input_shape=(64, 64, 3), classes=10), seed=0)
    else:
        model = network(variant, size=64)
    deployed = deploy(model)
    path = write(deployed, tmp_path / "model.onnx")
    np.testing.assert_allclose(OnnxModel(path).predict(pixels(2, 64)), model(pixels(2, 64)), atol=2e-5, rtol=0)
    operations = OnnxModel(path).operations()
    convolutions = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    assert operations["Conv"] == sum(isinstance(layer, convolutions) for layer in deployed.layers)
    assert operations["Transpose"] == 1
    assert not {"BatchNormalization", "Reshape", "Identity", "Cast", "Shape"} & set(operations)
