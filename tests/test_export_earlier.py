"""What becomes of the artifacts of an earlier export when another one is written into their folder."""

from __future__ import annotations

import json
import re

import keras
import numpy as np
import pytest
from networks import randomise

from efficientnet_tf.config import ExportConfig
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.exporting import write_artifacts
from efficientnet_tf.exporting.earlier import KINDS, NEEDED, Earlier, earlier_artifacts, network_digest
from efficientnet_tf.exporting.photographs import Photographs
from efficientnet_tf.exporting.source import Source
from efficientnet_tf.exporting.writers import WRITERS
from efficientnet_tf.model import preprocessing_of
from efficientnet_tf.pretrained import EfficientNet
from efficientnet_tf.run import digest
from efficientnet_tf.runtimes.artifact import check_report
from efficientnet_tf.specs import Preprocessing

LABELS = ["a", "b", "c", "d"]
NETWORK = "0" * 64


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return randomise(EfficientNet("tiny", weights=None, classes=4), seed=1)


def run(model, folder, **options):
    """Export as the command does, and return what it says."""
    lines: list[str] = []
    source = Source(model, LABELS, preprocessing_of(model), "tiny")
    write_artifacts(source, folder, ExportConfig(**options), lines.append)
    return lines


def reported(folder):
    return [row["file"] for row in json.loads((folder / "report.json").read_text())["artifacts"]]


def test_one_network_in_several_exports(model, tmp_path, monkeypatch):
    run(model, tmp_path, format=("tflite",), verify_images=2)
    (tmp_path / "notes.txt").write_text("mine")
    first = (tmp_path / "model.tflite").read_bytes()
    lines = run(model, tmp_path, format=("tflite",), quantize=("dynamic",), verify_images=3)
    assert lines == [
        "Writing model_dynamic.tflite, 1 of 1 ...",
        "Comparing its answers to 3 photographs with those of Keras ...",
        "Kept model.tflite, which an earlier export of the same network wrote.",
    ]
    assert (tmp_path / "model.tflite").read_bytes() == first
    assert reported(tmp_path) == ["model_dynamic.tflite", "model.tflite"]
    check_report(tmp_path / "model.tflite")
    for name in ("report.html", "MODEL_CARD.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "earlier export of the same network, and compared on 2 of the bundled photographs." in text

    # Nothing goes before what takes its place is verified.
    other = randomise(EfficientNet("tiny", weights=None, classes=4), seed=2)
    before = {path.name: digest(path) for path in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setitem(WRITERS, "tflite", lambda job, path, quantize: path.write_bytes(first))
        with pytest.raises(EfficientNetError, match=r"^Not exported, since it answers otherwise than Keras: "):
            run(other, tmp_path, format=("tflite",), verify_images=2)
    assert {path.name: digest(path) for path in tmp_path.iterdir()} == before

    lines = run(other, tmp_path, format=("tflite",), verify_images=2)
    assert lines[-1] == "Removed model_dynamic.tflite, which an earlier export wrote: of another network."
    assert reported(tmp_path) == ["model.tflite"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "MODEL_CARD.md",
        "labels.txt",
        "model.tflite",
        "notes.txt",
        "preprocessing.json",
        "report.html",
        "report.json",
    ]


def test_the_folder_of_another_size_or_another_network_is_refused(model, tmp_path):
    source = Source(model, LABELS, preprocessing_of(model), "tiny")
    (tmp_path / "preprocessing.json").write_text(json.dumps(source.record.to_json()))
    message = (
        f"{tmp_path} holds an export for pictures of 32 x 32 pixels, and this one is for 64 x 64. "
        "Give another --output_dir."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        run(model, tmp_path, format=("tflite",), image_size=64)
    (tmp_path / "preprocessing.json").write_text(json.dumps({**source.record.to_json(), "crop": "none"}))
    message = f"{tmp_path} holds an export of another network (preprocessing.json differs). Give another --output_dir."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        run(model, tmp_path, format=("tflite",))
    (tmp_path / "file").write_text("")
    message = f"The exports need a folder, and {tmp_path / 'file'} is a file. Give another --output_dir."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        run(model, tmp_path / "file", format=("tflite",))
    assert (tmp_path / "file").read_text() == ""


# Which rows hold.


def photographs(text: bytes = b"one") -> Photographs:
    return Photographs((text,), np.zeros((1, 8, 8, 3), np.uint8), np.ones((1, 4), np.float32))


def row_of(folder, name, **changed):
    (folder / name).write_text(name)
    form, quantize = KINDS[name]
    row = dict.fromkeys(NEEDED) | {"format": form, "quantize": quantize, "file": name, "sha256": digest(folder / name)}
    return row | {"compared_on": photographs().origin, "pictures": [{"photograph": 0}]} | changed


def write_report(folder, rows, **more):
    (folder / "report.json").write_text(json.dumps({"network": NETWORK, "artifacts": rows, **more}))


def found(folder, network=NETWORK, files=b"one"):
    return earlier_artifacts(folder, network, written=["model.tflite"], photographs=photographs(files))


def test_rows_of_the_same_network_and_the_same_file_hold(tmp_path):
    rows = [row_of(tmp_path, name) for name in ("model.tflite", "model.onnx")]
    write_report(tmp_path, rows)
    assert found(tmp_path) == Earlier((rows[1],), {})
    # Of other photographs the report cannot show which differ.
    assert found(tmp_path, files=b"two").rows == ({**rows[1], "pictures": []},)
    assert found(tmp_path, network="1" * 64) == Earlier((), {"model.onnx": "of another network"})
    (tmp_path / "model.onnx").unlink()
    assert found(tmp_path) == Earlier((), {})


def test_why_artifacts_go(tmp_path):
    rows = [row_of(tmp_path, name) for name in ("model_int8.tflite", "model.onnx", "model.keras")]
    del rows[2]["bytes"]
    write_report(tmp_path, rows)
    (tmp_path / "model.onnx").write_text("changed")
    (tmp_path / "tfjs_float16").mkdir()
    (tmp_path / "tfjs_float16" / "model.json").write_text("")
    (tmp_path / "tfjs").mkdir()  # no artifact
    assert found(tmp_path).stale == {
        "tfjs_float16": "not named by its report",
        "model.onnx": "changed since it was verified",
        "model.keras": "not named by its report",
    }
    write_report(tmp_path, rows[:1], network=None)
    assert found(tmp_path).stale["model_int8.tflite"] == "of a network that its report does not tell"


@pytest.mark.parametrize("text", [None, "", "[]", '{"artifacts": 3}', "[" * 10_000])
def test_without_the_report_of_an_export_nothing_is_ours(text, tmp_path):
    (tmp_path / "model.keras").write_text("mine")
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    assert found(tmp_path) == Earlier()


def test_a_network_is_known_by_its_weights_its_labels_and_its_record(model):
    same = keras.models.clone_model(model)
    same.set_weights(model.get_weights())
    record = Preprocessing((32, 32))
    known = network_digest(model, LABELS, record)
    assert re.fullmatch("[0-9a-f]{64}", known)
    assert network_digest(same, LABELS, record) == known
    assert network_digest(model, [*LABELS[:3], "e"], record) != known
    assert network_digest(model, LABELS, Preprocessing((32, 32), crop="none")) != known
    same.get_layer("predictions").bias.assign_add([0, 0, 0, 1e-6])
    assert network_digest(same, LABELS, record) != known
