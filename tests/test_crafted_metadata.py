"""Files whose metadata somebody has made up: one line that names the file and what is wrong, whatever they hold."""

from __future__ import annotations

import json
import re

import onnx
import pytest
from onnx import helper

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.run import read_labels, read_preprocessing
from efficientnet_tf.runtimes import open_artifact
from efficientnet_tf.runtimes.onnx_file import OnnxModel
from efficientnet_tf.specs import Preprocessing

RECORD = Preprocessing((8, 8)).to_json()
DEEP = "[" * 100_000

#: Values of a record, and what is said of each.
RECORDS = [
    (3, "A preprocessing record must be an object with image_size, got 3."),
    ([], "A preprocessing record must be an object with image_size, got []."),
    ({}, "A preprocessing record must be an object with image_size, got {}."),
    ({"size": 3}, "Unknown preprocessing field 'size'. Did you mean 'image_size'? Allowed: image_size, crop, "),
    ({"image_size": "8x8"}, "A preprocessing record must be an object with image_size, got {'image_size': '8x8'}."),
    ({"image_size": [8]}, "image_size must be two numbers of pixels of 1 to 16384, got (8,)."),
    ({"image_size": [8, "8"]}, "image_size must be two numbers of pixels of 1 to 16384, got (8, '8')."),
    ({"image_size": [8, 8.0]}, "image_size must be two numbers of pixels of 1 to 16384, got (8, 8.0)."),
    ({"image_size": [True, 8]}, "image_size must be two numbers of pixels of 1 to 16384, got (True, 8)."),
    ({"image_size": [8, 10**6]}, "image_size must be two numbers of pixels of 1 to 16384, got (8, 1000000)."),
    ({"image_size": [8, [8]]}, "image_size must be two numbers of pixels of 1 to 16384, got (8, [8])."),
    ({**RECORD, "crop": None}, "Unknown crop 'None'. Did you mean 'none'? Allowed: center, none."),
    ({**RECORD, "crop": {"a": 1}}, "Unknown crop \"{'a': 1}\". Allowed: center, none."),
    ({**RECORD, "interpolation": 2}, "Unknown interpolation '2'. Allowed: bicubic, tf1_bicubic, bilinear, tf2_bi"),
    ({**RECORD, "crop_padding": -1}, "crop_padding must be a number of pixels of 0 to 16384, got -1."),
    ({**RECORD, "crop_padding": "32"}, "crop_padding must be a number of pixels of 0 to 16384, got '32'."),
    ({**RECORD, "scale": 1}, "scale must be three numbers, got 1."),
    ({**RECORD, "scale": [1, 1]}, "scale must be three numbers, got (1, 1)."),
    ({**RECORD, "offset": [1, 1, "a"]}, "offset must be three numbers, got (1, 1, 'a')."),
    ({**RECORD, "offset": [1, 1, float("nan")]}, "offset must be three numbers, got (1, 1, nan)."),
    ({**RECORD, "offset": [1, 1, 10**400]}, "offset must be three numbers, got (1, 1, 1000"),
]
LABELS = [
    ("cat", "labels must be a list of names, got 'cat'."),
    ({"0": "cat"}, "labels must be a list of names, got {'0': 'cat'}."),
    (["cat", None], "labels must be a list of names, got ['cat', None]."),
    ([["cat"]], "labels must be a list of names, got [['cat']]."),
]


@pytest.fixture
def network(tmp_path):
    """Return a function that writes an ONNX file, which hands its picture on, with metadata."""
    picture = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 8, 8, 3]) for name in ("image", "probabilities")
    ]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["probabilities"])], "g", *([p] for p in picture)
    )

    def write(**metadata: str):
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
        helper.set_model_props(model, metadata)
        onnx.save(model, tmp_path / "model.onnx")
        return tmp_path / "model.onnx"

    return write


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes the model.json of a network without weights."""
    shape = {"tensorShape": {"dim": [{"size": str(size)} for size in (1, 8, 8, 3)]}}
    document = {
        "format": "graph-model",
        "weightsManifest": [],
        "signature": {"inputs": {"image": shape}, "outputs": {"probabilities": shape}},
        "modelTopology": {"node": [{"op": "Identity"}]},
    }

    def write(**changed: object):
        (tmp_path / "tfjs").mkdir()
        (tmp_path / "tfjs" / "model.json").write_text(json.dumps({**document, **changed}))
        return tmp_path / "tfjs"

    return write


def assert_refused(path, begin: str) -> None:
    with pytest.raises(EfficientNetError, match=f"^{re.escape(begin)}[^\n]*$"):
        open_artifact(path)


@pytest.mark.parametrize(("record", "problem"), RECORDS)
def test_records(record, problem, tmp_path, network, folder):
    with pytest.raises(UsageError, match=f"^{re.escape(problem)}"):
        Preprocessing.from_json(record)
    (tmp_path / "preprocessing.json").write_text(json.dumps(record))
    path = tmp_path / "preprocessing.json"
    with pytest.raises(EfficientNetError, match=f"^{re.escape(f'{path} is not a preprocessing record: {problem}')}"):
        read_preprocessing(path)
    path = network(preprocessing=json.dumps(record))
    assert_refused(path, f"The metadata of {path} cannot be read: {problem}")
    path = folder(userDefinedMetadata={"preprocessing": record})
    assert_refused(path, f"{path / 'model.json'} cannot be used: {problem}")


@pytest.mark.parametrize(("labels", "problem"), LABELS)
def test_labels(labels, problem, network, folder):
    path = network(labels=json.dumps(labels))
    assert_refused(path, f"The metadata of {path} cannot be read: {problem}")
    path = folder(userDefinedMetadata={"labels": labels})
    assert_refused(path, f"{path / 'model.json'} cannot be used: {problem}")


def test_whatever_is_right_is_taken(network):
    model = OnnxModel(network(labels='["cat"]', preprocessing=json.dumps(RECORD)))
    assert (model.labels, model.preprocessing) == (["cat"], Preprocessing((8, 8)))
    assert model.operations() == {"Identity": 1}


def test_nesting_that_python_cannot_follow(tmp_path, network, folder):
    path = network(labels=DEEP)
    assert_refused(path, f"The metadata of {path} cannot be read: maximum recursion depth exceeded")
    path = folder()
    (path / "model.json").write_text(DEEP)
    assert_refused(path, f"{path / 'model.json'} is not a TensorFlow.js graph model.")
    (tmp_path / "preprocessing.json").write_text(DEEP)
    with pytest.raises(
        EfficientNetError, match=r"preprocessing\.json is not a preprocessing record: maximum recursion"
    ):
        read_preprocessing(tmp_path / "preprocessing.json")
    (tmp_path / "report.json").write_text(DEEP)
    assert_refused(tmp_path / "model.onnx", f"{tmp_path / 'report.json'} is not the report of an export.")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"userDefinedMetadata": [3]}, "userDefinedMetadata must be an object, got [3]."),
        ({"signature": None}, "its signature has no input 'image', or an output without a shape."),
        ({"modelTopology": None}, "its modelTopology is not a list of operations."),
        ({"modelTopology": {"node": [3]}}, "its modelTopology is not a list of operations."),
    ],
)
def test_other_parts_of_a_model_json(changed, problem, folder):
    path = folder(**changed)
    assert_refused(path, f"{path / 'model.json'} cannot be used: {problem}")


def test_labels_that_are_no_text(tmp_path):
    (tmp_path / "labels.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(EfficientNetError, match=r"labels\.txt is not a list of names in UTF-8: 'utf-8' codec can't "):
        read_labels(tmp_path / "labels.txt")
