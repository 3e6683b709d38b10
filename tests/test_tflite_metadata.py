"""Metadata in a `.tflite` file, against what the official reader reads in them and the official writer writes.

`golden/tflite_metadata.json` was made by TensorFlow Lite Support 0.4.4 (`golden/make_tflite_metadata.py`).
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from small_tflite import convert

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.exporting.tflite_metadata import read_metadata, with_metadata
from efficientnet_tf.runtimes.tflite_metadata import MOST_FILE_BYTES, metadata_of
from efficientnet_tf.runtimes.tflite_tables import MODEL_IDENTIFIER, TABLES, Table
from efficientnet_tf.specs import Preprocessing

GOLDEN = json.loads((Path(__file__).parent / "golden" / "tflite_metadata.json").read_text(encoding="utf-8"))
LABELS = ("cat", "dog", "crane, bird", "Käfer")
RECORD = Preprocessing(image_size=(8, 8))
ABOUT = {"name": "small", "description": "A network for tests.", "version": "2", "author": "us", "licence": "MIT"}


def add(content, **changed):
    return with_metadata(content, **{**ABOUT, "labels": LABELS, "record": RECORD, **changed})


@pytest.fixture(scope="module")
def plain():
    """Networks without metadata, by the type of their input."""
    return {kind: convert(kind) for kind in GOLDEN}


@pytest.fixture(scope="module")
def small(plain):
    """The float32 network with metadata."""
    return add(plain["float32"])


def flatbuffer(content):
    return metadata_of(Table.root(content, "Model", MODEL_IDENTIFIER))


def answers(content, kind):
    pixels = np.random.default_rng(1).integers(0, 256, (1, 8, 8, 3))
    run = Interpreter(model_content=content).get_signature_runner()
    return run(image=(pixels - 128 * (kind == "int8")).astype(kind))["probabilities"]


@pytest.mark.parametrize("kind", GOLDEN)
def test_metadata_are_what_the_official_reader_was_given(plain, kind):
    content = add(plain[kind])
    golden = GOLDEN[kind]["ours"]
    assert base64.b64encode(flatbuffer(content)).decode() == golden["flatbuffer"]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == golden["files"] == ["labels.txt", "preprocessing.json"]
        assert archive.read("labels.txt").decode() == golden["labels"] == "cat\ndog\ncrane, bird\nKäfer\n"
        # The Task Library reads the archive's bytes as they are.
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


@pytest.mark.parametrize("kind", GOLDEN)
def test_metadata_are_as_the_official_writer_writes_them(kind):
    ours, official = (GOLDEN[kind][name]["metadata"] for name in ("ours", "official"))
    assert ours["min_parser_version"] == official["min_parser_version"] == "1.0.0"
    assert _without_texts(ours["subgraph_metadata"]) == _without_texts(
        # It says nothing of the values of int8.
        _with_stats(official["subgraph_metadata"]) if kind == "int8" else official["subgraph_metadata"]
    )


def _without_texts(value):
    if isinstance(value, list):
        return [_without_texts(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _without_texts(each) for key, each in value.items() if key != "description"}


def _with_stats(graphs):
    for graph in graphs:
        for tensor in (*graph["input_tensor_metadata"], *graph["output_tensor_metadata"]):
            assert tensor["stats"] == {}
            tensor["stats"] = {"max": [127.0], "min": [-128.0]}
    return graphs


@pytest.mark.parametrize("kind", GOLDEN)
def test_network_stays_as_it_is(plain, kind, tmp_path):
    content = add(plain[kind])
    # All of it, and where TensorFlow Lite may read it from memory without moving it.
    assert content.index(plain[kind]) % 16 == 0
    before, after = answers(plain[kind], kind), answers(content, kind)
    np.testing.assert_array_equal(before, after)
    file = tmp_path / "small.tflite"
    file.write_bytes(content)
    assert list(Interpreter(model_path=str(file)).get_signature_list()) == ["serving_default"]
    assert add(plain[kind]) == content


def test_what_the_converter_wrote_of_itself_is_kept(plain, small):
    before, after = (Table.root(each, "Model", MODEL_IDENTIFIER)["metadata"] for each in (plain["float32"], small))
    assert [row["name"] for row in before] == ["min_runtime_version", "CONVERSION_METADATA"]
    assert [row["name"] for row in after] == ["min_runtime_version", "CONVERSION_METADATA", "TFLITE_METADATA"]


def test_read(small):
    assert read_metadata(small) == {
        "name": "small",
        "description": "A network for tests.",
        "version": "2",
        "inputs": ["image"],
        "outputs": ["probability"],
        "labels": list(LABELS),
        "preprocessing": RECORD,
    }


@pytest.mark.parametrize(("kind", "zero_point"), [("uint8", 127), ("int8", -1)])
def test_normalisation_of_integers_is_what_their_quantisation_makes_of_them(kind, zero_point):
    plain = convert(kind, mean=127, deviation=128)
    tensor = Table.root(plain, "Model", MODEL_IDENTIFIER)["subgraphs"][0]["tensors"][0]
    assert tensor["quantization"]["scale"] == [1 / 128]
    assert tensor["quantization"]["zero_point"] == [zero_point]
    root = Table.root(flatbuffer(add(plain)), "ModelMetadata", b"M001")
    unit = root["subgraph_metadata"][0]["input_tensor_metadata"][0]["process_units"][0]
    kind, options = unit["options"]
    assert (kind, options["mean"], options["std"]) == ("NormalizationOptions", [127.0], [128.0])


def test_read_what_the_official_writer_wrote():
    official = base64.b64decode(GOLDEN["float32"]["official"]["flatbuffer"])
    root = Table.root(official, "ModelMetadata", b"M001")
    assert root["name"] == "ImageClassifier"
    assert root["min_parser_version"] == "1.0.0"
    assert root["license"] is None
    tensor = root["subgraph_metadata"][0]["input_tensor_metadata"][0]
    assert (tensor["name"], tensor["stats"]["max"], tensor["stats"]["min"]) == ("image", [255.0], [0.0])


def test_read_without_metadata(plain):
    assert read_metadata(plain["float32"]) == {}


def test_several_outputs_stand_in_the_order_of_the_graph():
    names = ("probabilities", "logits", "features")
    content = add(convert(outputs=names), outputs=names)
    graph = Table.root(content, "Model", MODEL_IDENTIFIER)["subgraphs"][0]
    sizes = [len(graph["tensors"][index]["shape"]) for index in graph["outputs"]]
    outputs = read_metadata(content)["outputs"]
    assert sorted(outputs) == ["features", "logits", "probability"]
    assert sizes[outputs.index("features")] == 4
    root = Table.root(flatbuffer(content), "ModelMetadata", b"M001")
    described = root["subgraph_metadata"][0]["output_tensor_metadata"]
    files = {row["name"]: [file["name"] for file in row["associated_files"]] for row in described}
    assert files == {"probability": ["labels.txt"], "logits": [], "features": []}


def test_refused(plain, small):
    with pytest.raises(UsageError, match=r"^The TensorFlow Lite file has 4 classes, got 2 labels\.$"):
        add(plain["float32"], labels=["cat", "dog"])
    with pytest.raises(UsageError, match=r"^A label must be one line, got 'a\\nb'\.$"):
        add(plain["float32"], labels=["a\nb", "c", "d", "e"])
    with pytest.raises(UsageError, match=r"^The TensorFlow Lite file has metadata already\.$"):
        add(small)
    with pytest.raises(
        UsageError, match=r"^The TensorFlow Lite file must have the outputs logits, got probabilities\.$"
    ):
        add(plain["float32"], outputs=["logits"])
    with pytest.raises(EfficientNetError, match=r"^Model must begin with TFL3, got b''\.$"):
        add(b"")


def test_damage_is_one_line(small):
    start = small.index(flatbuffer(small))
    cuts = [small[:size] for size in (0, 7, 8, 40, start - 1, start + 20)]
    generator = np.random.default_rng(0)
    # The new tables and the metadata are at the front, the archive is at the end.
    places = [*range(start + 600), *range(len(small) - 700, len(small))]
    flips = []
    for place in generator.choice(places, 400):
        damaged = bytearray(small)
        damaged[place] ^= int(generator.integers(1, 256))
        flips.append(bytes(damaged))
    messages = []
    for damaged in (*cuts, *flips):
        try:
            assert isinstance(read_metadata(damaged), dict)
        except EfficientNetError as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert {message.split(":")[0] for message in messages} == {
        "The metadata of the TensorFlow Lite file cannot be read"
    }
    assert not any("\n" in message for message in messages)


def test_claims_are_not_believed(small):
    # A list of four thousand million entries, and a file of a few bytes that unpacks to very many.
    table = Table.root(small, "Model", MODEL_IDENTIFIER)
    place = table.target(TABLES["Model"]["metadata"][0])
    claimed = small[:place] + b"\xff\xff\xff\xff" + small[place + 4 :]
    with pytest.raises(EfficientNetError, match=r"Model\.metadata must be at most 65536 long, got 4294967295\.$"):
        read_metadata(claimed)
    stream = io.BytesIO(small)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("labels.txt", bytes(MOST_FILE_BYTES + 1))
    with pytest.raises(EfficientNetError, match=r"labels\.txt must be at most 16777216 bytes$"):
        read_metadata(stream.getvalue())
