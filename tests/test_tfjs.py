"""TensorFlow.js exports: the files byte by byte, and their answers in TensorFlow.js itself, in Node."""

from __future__ import annotations

import json
import os
import re

import keras
import numpy as np
import pytest

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.exporting import tfjs as export
from efficientnet_tf.exporting import tfjs_weights as stored
from efficientnet_tf.exporting.tfjs_graph import inference_graph
from efficientnet_tf.exporting.tfjs_ops import OPS
from efficientnet_tf.runtimes.tfjs import TfjsModel
from efficientnet_tf.specs.preprocessing import Preprocessing

layers = keras.layers
RECORD = Preprocessing(image_size=(24, 24), scale=(1 / 128, 1 / 128, 1 / 128), offset=(-1.0, -0.9, -0.8))
METADATA = {"labels": ["café", "猫", "c", "d", "e"], "preprocessing": RECORD.to_json()}
#: Small, so that the weights of the small model begin in one shard and end in another.
SHARD_BYTES = 1000


@pytest.fixture(scope="module")
def model():
    """Every kind of layer of the deployed networks, with random weights and no bias of zero."""
    keras.utils.set_random_seed(1)
    image = keras.Input((24, 24, 3), name="image")
    x = layers.Rescaling(list(RECORD.scale), list(RECORD.offset))(image)
    x = layers.Conv2D(16, 3, 2, "same")(x)
    x = layers.ReLU(6)(x)
    shortcut = x
    x = layers.Activation("silu")(layers.DepthwiseConv2D(3, padding="same")(x))
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(x)
    squeezed = layers.Conv2D(4, 1, activation="silu")(squeezed)
    x = layers.Multiply()([x, layers.Conv2D(16, 1, activation="sigmoid")(squeezed)])
    x = layers.Add()([layers.Conv2D(16, 1)(x), shortcut])
    x = layers.Add()([x, layers.Conv2D(16, 3, padding="same", use_bias=False)(x)])
    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.ReLU(6)(layers.DepthwiseConv2D(3, strides=2)(x))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    network = keras.Model(image, layers.Dense(5, activation="softmax")(x))
    generator = np.random.default_rng(2)
    network.set_weights([generator.normal(0, 0.3, weight.shape) for weight in network.weights])
    return network


@pytest.fixture(scope="module", params=["none", "float16", "uint8"])
def exported(request, model, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "SHARD_BYTES", SHARD_BYTES)
        patch.setattr(stored, "SMALLEST_UINT8", stored.SMALLEST_QUANTIZED)
        folder = tmp_path_factory.mktemp(request.param) / "tfjs"
        return request.param, export.write(model, folder, quantize=request.param, metadata=METADATA)


def _images(count):
    return np.random.default_rng(3).integers(0, 256, (count, 24, 24, 3), dtype=np.uint8)


def _document(folder):
    return json.loads((folder / "model.json").read_text("utf-8"))


def _decoded(folder):
    """Read the weights back by the format's own rules: name -> array."""
    document = _document(folder)
    (group,) = document["weightsManifest"]
    data = b"".join((folder / name).read_bytes() for name in group["paths"])
    arrays, offset = {}, 0
    for entry in group["weights"]:
        stored = np.dtype(entry.get("quantization", entry)["dtype"]).newbyteorder("<")
        count = int(np.prod(entry["shape"], dtype=np.int64))
        arrays[entry["name"]] = np.frombuffer(data, stored, count, offset).reshape(entry["shape"])
        offset += count * stored.itemsize
    assert offset == len(data)
    return arrays


# The files


def test_the_document_is_a_graph_model(exported):
    _, folder = exported
    document = _document(folder)
    assert document["format"] == "graph-model"
    assert document["convertedBy"] == "efficientnet_tf"
    assert document["userDefinedMetadata"] == METADATA
    assert document["signature"] == {
        "inputs": {"image": _tensor("image:0", -1, 24, 24, 3)},
        "outputs": {"probabilities": _tensor("probabilities:0", -1, 5)},
    }
    nodes = {node["name"]: node for node in document["modelTopology"]["node"]}
    assert {"image", "probabilities"} <= set(nodes)
    assert document["modelTopology"]["library"] == {}
    assert document["modelTopology"]["versions"]["producer"] > 0
    assert not any("device" in node for node in nodes.values())


def _tensor(name, *sizes):
    return {"name": name, "dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": str(size)} for size in sizes]}}


def test_the_manifest_names_every_constant_and_the_topology_holds_no_value(exported):
    _, folder = exported
    document = _document(folder)
    constants = {node["name"]: node for node in document["modelTopology"]["node"] if node["op"] == "Const"}
    (group,) = document["weightsManifest"]
    assert [entry["name"] for entry in group["weights"]] == list(constants)
    for entry in group["weights"]:
        tensor = constants[entry["name"]]["attr"]["value"]["tensor"]
        assert set(tensor) == {"dtype", "tensorShape"}
        assert [int(size["size"]) for size in tensor["tensorShape"].get("dim", [])] == entry["shape"]


def test_shards_are_cut_at_their_size_whatever_the_weights(exported):
    _, folder = exported
    (group,) = _document(folder)["weightsManifest"]
    count = len(group["paths"])
    assert group["paths"] == [f"group1-shard{number}of{count}.bin" for number in range(1, count + 1)]
    sizes = [(folder / name).stat().st_size for name in group["paths"]]
    assert count > 3
    assert set(sizes[:-1]) == {SHARD_BYTES}
    assert 0 < sizes[-1] <= SHARD_BYTES
    assert sorted(os.listdir(folder)) == sorted([*group["paths"], "model.json"])


def test_the_weights_are_those_of_the_model(exported, model):
    quantize, folder = exported
    arrays = _decoded(folder)
    (group,) = _document(folder)["weightsManifest"]
    steps = {entry["name"]: entry.get("quantization", {}) for entry in group["weights"]}
    found = [_values(arrays[name], steps[name]) for name in arrays]
    for weight in map(np.asarray, model.get_weights()):
        same = [array for array in found if array.shape == weight.shape]
        nearest = min(np.abs(array - weight).max() for array in same)
        if weight.ndim < 2 or weight.size < stored.SMALLEST_QUANTIZED or quantize == "none":
            assert nearest == 0
        elif quantize == "float16":
            assert nearest <= np.abs(weight).max() * 2**-11
        else:
            assert nearest <= (weight.max() - weight.min()) / 255


def _values(array, entry):
    """Return what TensorFlow.js makes of a stored array."""
    if "scale" in entry:
        return array.astype(np.float32) * np.float32(entry["scale"]) + np.float32(entry["min"])
    return array.astype(np.float32)


def test_only_large_weights_are_quantized(exported):
    quantize, folder = exported
    (group,) = _document(folder)["weightsManifest"]
    quantized = [entry for entry in group["weights"] if "quantization" in entry]
    assert all(entry["dtype"] in ("float32", "int32") for entry in group["weights"])
    assert [entry["shape"] for entry in quantized] == ([] if quantize == "none" else [[3, 3, 16, 16]])
    for entry in quantized:
        kind = entry["quantization"]
        assert (kind["dtype"], kind["original_dtype"]) == (quantize, "float32")
        assert set(kind) == ({"dtype", "original_dtype"} | ({"min", "scale"} if quantize == "uint8" else set()))


def test_a_weight_beyond_float16_stays_float32():
    assert stored.QUANTIZERS["float16"](np.full((40, 40), 65505, np.float32)) is None
    values, _ = stored.QUANTIZERS["float16"](np.full((40, 40), 65504, np.float32))
    assert np.isfinite(values).all()


@pytest.mark.parametrize(("low", "high"), [(-0.3, 0.7), (-2.0, -1.0), (0.0, 5.0), (1e-6, 3e-6)])
def test_bytes_are_within_a_step_of_the_weights(low, high):
    values = np.random.default_rng(4).uniform(low, high, (300, 200)).astype(np.float32)
    values[0, :2] = low, high
    array, entry = stored.affine(values)
    step = entry["scale"]
    np.testing.assert_allclose(step, (high - low) / 255, rtol=1e-6)
    error = np.abs(array * step + entry["min"] - values)
    assert error.max() <= step
    assert np.quantile(error, 0.99) <= 0.5 * step * (1 + 1e-6)
    if low <= 0 <= high:
        assert np.abs(np.arange(256) * step + entry["min"]).min() < 1e-9


def test_a_constant_weight_is_exact():
    array, entry = stored.affine(np.full((2, 3), 0.25, np.float32))
    assert array.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert (entry["min"], entry["scale"]) == (0.25, 1.0)


def test_depthwise_kernels_and_small_weights_take_two_bytes():
    kinds = {
        shape: stored.QUANTIZERS["uint8"](np.ones(shape, np.float32))[1]["dtype"]
        for shape in [(1, 1, 300, 200), (1, 1, 299, 200), (5, 5, 4000, 1), (300, 200)]
    }
    assert list(kinds.values()) == ["uint8", "float16", "float16", "uint8"]


def test_the_same_model_gives_the_same_bytes(model, tmp_path):
    folders = [export.write(model, tmp_path / name, metadata=METADATA) for name in ("one", "two")]
    assert os.listdir(folders[0]) == os.listdir(folders[1])
    assert all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in os.listdir(folders[0]))


def test_wide_types_are_narrowed_or_refused():
    assert stored._stored("c", np.array([1, -2], np.int64))[1].dtype == np.int32
    assert stored._stored("c", np.array(0.5, np.float64))[0] == "float32"
    with pytest.raises(EfficientNetError, match=r"^TensorFlow\.js has int32 alone, and the constant c does not fit\.$"):
        stored._stored("c", np.array([2**31], np.int64))
    with pytest.raises(EfficientNetError) as caught:
        stored._stored("c", np.array([b"a"], object))
    assert str(caught.value) == (
        "TensorFlow.js stores no object (constant c). Allowed: float16, float32, float64, int32, int64, bool."
    )


def test_an_unknown_quantization_is_refused(model, tmp_path):
    with pytest.raises(UsageError) as caught:
        export.write(model, tmp_path / "tfjs", quantize="float8")
    assert str(caught.value) == "Unknown quantize 'float8'. Did you mean 'float16'? Allowed: none, float16, uint8."
    assert os.listdir(tmp_path) == []


def test_a_failed_export_leaves_the_older_one(model, tmp_path, monkeypatch):
    folder = export.write(model, tmp_path / "tfjs", metadata={"labels": ["old"]})

    def fail(self, *arguments, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr(export.Path, "write_text", fail)
    with pytest.raises(OSError, match=r"^No space left on device$"):
        export.write(model, folder, metadata={"labels": ["new"]})
    assert os.listdir(tmp_path) == ["tfjs"]
    assert _document(folder)["userDefinedMetadata"] == {"labels": ["old"]}


# The answers


def test_tensorflow_js_answers_like_keras(exported, model, modules):
    quantize, folder = exported
    images = _images(11)
    expected = model.predict(images, verbose=0)
    with TfjsModel(folder) as runtime:
        probabilities = runtime.predict(images)
        assert runtime.predict(images[:0]).shape == (0, 5)
        np.testing.assert_array_equal(runtime.predict(images[:1]), probabilities[:1])
    assert probabilities.dtype == np.float32
    # The small model is worth comparing: its answers differ from image to image.
    assert np.ptp(expected, axis=0).max() > 0.1
    np.testing.assert_allclose(
        probabilities, expected, rtol=0, atol={"none": 1e-5, "float16": 5e-3, "uint8": 0.05}[quantize]
    )


def test_both_backends_agree(exported, modules):
    _, folder = exported
    with TfjsModel(folder, backend="wasm") as fast, TfjsModel(folder, backend="cpu") as plain:
        np.testing.assert_allclose(fast.predict(_images(2)), plain.predict(_images(2)), rtol=0, atol=1e-5)


def test_the_metadata_comes_back(exported, modules):
    _, folder = exported
    with TfjsModel(folder) as runtime:
        assert runtime.metadata == METADATA
        assert runtime.labels == METADATA["labels"]
        assert runtime.preprocessing == RECORD


def test_the_table_of_operations_is_that_of_the_installed_converter(modules):
    folder = modules / "node_modules/@tensorflow/tfjs-converter/dist/operations/op_list"
    found = [name for file in folder.glob("*.js") for name in re.findall(r"'tfOpName': '(\w+)'", file.read_text())]
    assert sorted(found) == sorted(OPS)
    assert len(OPS) == 248


def test_the_deployed_operations_are_few_and_fused(model):
    operations = [node.op for node in inference_graph(model).graph.node]
    # The bias-free convolution alone is left as it is, its addition with it.
    assert operations.count("Conv2D") == 1
    assert operations.count("_FusedConv2D") == 4
    assert operations.count("FusedDepthwiseConv2dNative") == 2
    assert operations.count("_FusedMatMul") == 1
    assert not {"BiasAdd", "DepthwiseConv2dNative", "MatMul", "Reshape", "IdentityN"} & set(operations)
