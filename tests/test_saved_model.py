"""SavedModels: their signatures, what TensorFlow's own tools make of them, and TensorFlow Serving's first requests."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from networks import randomise
from PIL import Image
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel as Message

from efficientnet_tf.data.decoding import decode_and_crop, resize_crop
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.exporting import saved_model, warm_up
from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.exporting.outputs import answers
from efficientnet_tf.pretrained import EfficientNet
from efficientnet_tf.runtimes import open_artifact
from efficientnet_tf.runtimes.saved_model import SavedModel
from efficientnet_tf.specs import Preprocessing

LABELS = ["café", "猫", *"cdefghij"]
RECORD = Preprocessing((32, 32), interpolation="tf1_bicubic", scale=(1 / 128,) * 3, offset=(-1.0, -0.9, -0.8))
INNER = ("probabilities", "pooled_features", "features")


def pixels(number: int = 3, height: int = 32, width: int = 32):
    return np.random.default_rng(1).integers(0, 256, (number, height, width, 3), dtype=np.uint8)


def encoded(image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, form, **({"lossless": True} if form == "WEBP" else {}))
    return file.getvalue()


@pytest.fixture(scope="module")
def model():
    return randomise(EfficientNet("tiny", weights=None, image_size=32, classes=10), seed=0)


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    return saved_model.write(deploy(model), tmp_path_factory.mktemp("saved_model") / "model", RECORD, LABELS)


@pytest.fixture(scope="module")
def prediction_log():
    """The real message, of the package tensorflow-serving-api."""
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    return PredictionLog


@pytest.fixture(scope="module")
def artifact(path):
    return open_artifact(path)


@pytest.fixture(scope="module")
def signatures(artifact):
    return artifact._loaded.signatures


@pytest.fixture(scope="module")
def fixed(model, tmp_path_factory):
    """For two pictures at a time; it answers with logits alone."""
    folder = tmp_path_factory.mktemp("fixed") / "model"
    return SavedModel(saved_model.write(deploy(model, outputs=["logits"]), folder, RECORD, LABELS, batch=2))


def test_the_interface_is_what_clients_rely_on(signatures):
    def described(specs):
        return {name: (spec.dtype.name, spec.shape.as_list()) for name, spec in sorted(specs.items())}

    answer = {"classes": ("string", [None, 5]), "probabilities": ("float32", [None, 10])}
    answer["scores"] = ("float32", [None, 5])
    inner = {"features": ("float32", [None, 4, 4, 24]), "pooled_features": ("float32", [None, 32])}
    image = {"image": ("uint8", [None, None, None, 3])}
    assert {
        name: (described(function.structured_input_signature[1]), described(function.structured_outputs))
        for name, function in signatures.items()
    } == {
        "serving_default": (image, answer),
        "encoded": ({"image_bytes": ("string", [None])}, answer),
        "features": (image, inner),
    }


def test_the_files(path):
    names = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    assert names == [
        "assets.extra/tf_serving_warmup_requests",
        "assets/labels.txt",
        "assets/preprocessing.json",
        "fingerprint.pb",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ]
    assert (path / "assets" / "labels.txt").read_text(encoding="utf-8").splitlines() == LABELS
    assert json.loads((path / "assets" / "preprocessing.json").read_text()) == RECORD.to_json()


def test_weights_are_stored_once_and_the_graph_is_plain(path, model):
    graph = Message.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    nodes = [node for function in graph.library.function for node in function.node_def]
    constants = [node.attr["value"].tensor for node in nodes if node.op == "Const"]
    floats = sum(int(np.prod([size.size for size in each.tensor_shape.dim])) for each in constants if each.dtype == 1)
    parameters = deploy(model).count_params()
    assert parameters <= floats < 1.02 * parameters
    operations = {node.op for node in nodes} - {function.signature.name for function in graph.library.function}
    assert not {"EagerPyFunc", "FusedBatchNormV3", "PyFunc", "ReadVariableOp", "VarHandleOp"} & operations
    assert [name for name in operations if not hasattr(tf.raw_ops, name)] == []


def test_pixels_of_its_size_are_taken_as_they_are(signatures, model):
    found = signatures["serving_default"](image=tf.constant(pixels()))
    np.testing.assert_allclose(found["probabilities"], model(pixels()), atol=1e-6, rtol=0)
    order = np.argsort(-found["probabilities"].numpy(), axis=1)[:, :5]
    names = [[label.decode() for label in row] for row in found["classes"].numpy()]
    assert names == [[LABELS[place] for place in row] for row in order]
    np.testing.assert_array_equal(found["scores"], np.take_along_axis(found["probabilities"].numpy(), order, 1))


@pytest.mark.parametrize("size", [(50, 70), (32, 40), (20, 20)])
def test_pixels_of_another_size_are_what_a_file_of_them_becomes(size, artifact, model):
    images = pixels(2, *size)
    resized = np.stack([resize_crop(image, RECORD) for image in images])
    files = [encoded(image) for image in images]
    np.testing.assert_array_equal(resized, np.stack([decode_and_crop(file, RECORD) for file in files]))
    expected = artifact.predict(resized)
    np.testing.assert_array_equal(artifact.predict(images), expected)
    np.testing.assert_array_equal(artifact.predict_encoded(files), expected)
    np.testing.assert_allclose(expected, model(resized), atol=1e-6, rtol=0)


def test_files_of_all_forms_and_sizes_in_one_call(artifact):
    images = [pixels(1, side, 48)[0] for side in (40, 50, 60, 70)]
    files = [encoded(image, form) for image, form in zip(images, ("PNG", "WEBP", "BMP", "JPEG"), strict=True)]
    expected = np.stack([decode_and_crop(file, RECORD) for file in files])
    np.testing.assert_array_equal(artifact.predict_encoded(files), artifact.predict(expected))
    message = f"{artifact.path} cannot read one of 2 files: "
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}[^\n]+$"):
        artifact.predict_encoded([files[0], b"not an image"])


def test_features_are_those_of_the_network(signatures, model):
    found = signatures["features"](image=tf.constant(pixels()))
    expected = answers(deploy(model, outputs=INNER), pixels())
    for name in INNER[1:]:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("number", [0, 1, 2, 5])
def test_a_fixed_number_of_pictures(number, model, fixed):
    expected = answers(deploy(model, outputs=["logits"]), pixels(max(number, 1)))["logits"][:number]
    found = fixed.answers(pixels(number))
    assert list(found) == ["logits"]
    np.testing.assert_allclose(found["logits"], expected, atol=1e-5, rtol=0)


def test_without_probabilities_no_class_is_named(fixed):
    assert list(fixed._loaded.signatures["serving_default"].structured_outputs) == ["logits"]
    for predict, content in ((fixed.predict, pixels(1)), (fixed.predict_encoded, [encoded(pixels(1)[0])])):
        message = f"{fixed.path} has no output 'probabilities'; it has logits."
        with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
            predict(content)


def test_as_many_classes_are_named_as_there_are(model):
    for top_k, number in ((3, 3), (20, 10)):
        named = saved_model._naming(deploy(model), LABELS, top_k)({"probabilities": tf.constant([np.arange(10) / 45])})
        assert [label.decode() for label in named["classes"][0].numpy()] == LABELS[: -number - 1 : -1]


def test_inner_maps_of_a_part_of_the_network_are_not_named_after_the_whole(model):
    maps = {
        outputs: sorted(saved_model._feature_maps(deploy(model, outputs=outputs)))
        for outputs in (("logits",), ("reduction_2",), ("reduction_1", "features"))
    }
    assert maps == {
        ("logits",): ["features", "pooled_features"],
        ("reduction_2",): [],
        ("reduction_1", "features"): ["features"],
    }


def test_operations_are_counted(artifact):
    operations = artifact.operations()
    assert (operations["Conv2D"], operations["DepthwiseConv2dNative"], operations["Mean"]) == (21, 5, 6)
    # Only for pictures of another size.
    assert (operations["ResizeBicubic"], operations["StatelessIf"], operations["StatelessWhile"]) == (1, 1, 1)
    assert not {"Const", "PartitionedCall", "Squeeze", "FusedBatchNormV3"} & set(operations)


def test_the_first_requests_of_tensorflow_serving(artifact, fixed, prediction_log):
    for served, number in ((artifact, 1), (fixed, 2)):
        loaded = served._loaded
        records = tf.data.TFRecordDataset(str(served.path / "assets.extra" / "tf_serving_warmup_requests"))
        logs = [prediction_log.FromString(record.numpy()) for record in records]
        assert [log.predict_log.request.model_spec.signature_name for log in logs] == list(loaded.signatures)
        for log in logs:
            assert log.WhichOneof("log_type") == "predict_log"
            request = log.predict_log.request
            assert request.model_spec.name == "efficientnet_tiny"
            inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
            answer = loaded.signatures[request.model_spec.signature_name](**inputs)
            assert {tensor.shape[0] for tensor in answer.values()} == {number}
            # Nothing was added that the real message does not know.
            assert prediction_log.FromString(log.SerializeToString(deterministic=True)) == log


def test_lengths_above_127_bytes_take_two(prediction_log):
    request = warm_up.Request("encoded", "image_bytes", tf.make_tensor_proto(b"x" * 300))
    found = prediction_log.FromString(warm_up.prediction_log("b0", request)).predict_log.request
    assert tf.make_ndarray(found.inputs["image_bytes"]).item() == b"x" * 300


def test_refusals(model, artifact, tmp_path):
    with pytest.raises(UsageError, match=r"^labels must name the 10 classes of the network, got 2\.$"):
        saved_model.write(deploy(model), tmp_path / "a", RECORD, ["a", "b"])
    assert list(tmp_path.iterdir()) == []
    message = f"The network in {artifact.path} takes uint8 images [N, height, width, 3], got float32 [3, 32, 32, 3]."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        artifact.predict(pixels().astype(np.float32))


def test_damaged_and_foreign_ones(path, tmp_path):
    for number, damage in enumerate((b"", b"no graph", (path / "saved_model.pb").read_bytes()[:-100_000])):
        folder = shutil.copytree(path, tmp_path / str(number))
        (folder / "saved_model.pb").write_bytes(damage)
        with pytest.raises(EfficientNetError, match=rf"^\S+{number} is not a SavedModel that can be loaded: [^\n]+$"):
            open_artifact(folder)
    module = tf.Module()
    double = tf.function(lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec((), name="x")])
    tf.saved_model.save(module, tmp_path / "a", signatures={"double": double})
    with pytest.raises(EfficientNetError, match=r"a has no signature 'serving_default'; it has double\.$"):
        open_artifact(tmp_path / "a")
    tf.saved_model.save(module, tmp_path / "b", signatures={"serving_default": double})
    message = "The signature 'serving_default' of .+b must have the input 'image', got x\\."
    with pytest.raises(EfficientNetError, match=f"^{message}$"):
        open_artifact(tmp_path / "b")


def test_the_benchmark_divides_within_rounds(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1] / "benchmarks")
    import saved_model_latency

    theirs, ours = saved_model_latency.KERAS["efficientnet_tf"], saved_model_latency.OURS["efficientnet_tf"]
    rows = saved_model_latency.figures({theirs: [30.0, 60.0, 33.0], ours: [20.0, 30.0, 22.0]}, {ours: {"bytes": 7}})
    columns = ("median_ms", "times_faster", "times_faster_highest", "bytes")
    assert [[row[name] for name in columns] for row in rows] == [[33.0, None, None, None], [22.0, 1.5, 2.0, 7]]


@pytest.mark.slow
def test_the_tools_of_tensorflow(path, model, tmp_path):
    """`saved_model_cli` shows and runs it, in a process that knows nothing of this package."""

    def run(*words: str) -> str:
        command = [str(Path(sys.executable).parent / "saved_model_cli"), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout

    shown = run("show", "--dir", str(path), "--all")
    for name in ("serving_default", "encoded", "features"):
        assert f"signature_def['{name}']:" in shown
    assert "Method name is: tensorflow/serving/predict" in shown
    images = pixels(2, 50, 70)
    np.save(tmp_path / "image.npy", images)
    np.save(tmp_path / "image_bytes.npy", np.array([encoded(image) for image in images]))
    expected = model(np.stack([resize_crop(image, RECORD) for image in images]))
    for name, key in {"serving_default": "image", "encoded": "image_bytes", "features": "image"}.items():
        target = ("--outdir", str(tmp_path / name))
        run(
            "run",
            "--dir",
            str(path),
            "--tag_set=serve",
            f"--signature_def={name}",
            f"--inputs={key}={key}.npy",
            *target,
        )
        if name == "features":
            assert np.load(tmp_path / name / "features.npy").shape == (2, 4, 4, 24)
        else:
            np.testing.assert_allclose(np.load(tmp_path / name / "probabilities.npy"), expected, atol=1e-5, rtol=0)
            assert np.load(tmp_path / name / "scores.npy").shape == (2, 5)
