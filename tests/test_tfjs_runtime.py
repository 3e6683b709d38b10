"""TensorFlow.js in its Node process: what it is not given, and what it says when something goes wrong."""

from __future__ import annotations

import json
import re

import keras
import numpy as np
import pytest

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.exporting import tfjs as export
from efficientnet_tf.runtimes import nodejs, tfjs
from efficientnet_tf.runtimes.tfjs import TfjsModel


@pytest.fixture(scope="module")
def modules():
    """Skip where the modules are not installed; a skip is a failure in CI (conftest.py)."""
    try:
        nodejs.find_node()
        nodejs.find_modules()
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    image = keras.Input((24, 24, 3), name="image")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3)(image))
    return keras.Model(image, keras.layers.Dense(5, activation="softmax")(x))


@pytest.fixture
def copy(model, tmp_path):
    return export.write(model, tmp_path / "tfjs")


def _images(count):
    return np.zeros((count, 24, 24, 3), np.uint8)


def _document(folder):
    return json.loads((folder / "model.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("images", "received"),
    [
        (np.zeros((2, 24, 24, 3), np.float32), "float32 [2, 24, 24, 3]"),
        (np.zeros((2, 32, 32, 3), np.uint8), "uint8 [2, 32, 32, 3]"),
        (np.zeros((24, 24, 3), np.uint8), "uint8 [24, 24, 3]"),
    ],
)
def test_other_images_are_refused(copy, modules, images, received):
    with TfjsModel(copy) as runtime, pytest.raises(UsageError) as caught:
        runtime.predict(images)
    assert str(caught.value) == f"The model in {copy} takes uint8 images [N, 24, 24, 3], got {received}."


def test_a_closed_model_says_so(copy, modules):
    runtime = TfjsModel(copy)
    runtime.close()
    runtime.close()
    with pytest.raises(UsageError) as caught:
        runtime.predict(_images(1))
    assert str(caught.value) == f"The model in {copy} has been closed."


def test_a_time_limit_ends_the_process(copy, modules):
    with pytest.raises(EfficientNetError) as caught:
        TfjsModel(copy, timeout=0.001)
    assert str(caught.value) == f"TensorFlow.js did not load {copy} within 0.001 s."


def test_a_truncated_shard_is_an_error(copy, modules):
    shard = copy / "group1-shard1of1.bin"
    shard.write_bytes(shard.read_bytes()[:-400])
    with pytest.raises(EfficientNetError, match=rf"^TensorFlow\.js could not load {re.escape(str(copy))}: \S.*"):
        TfjsModel(copy)


@pytest.mark.parametrize(
    ("program", "reason"),
    [("process.exit(3)", "exit code 3"), ("setTimeout(() => { throw new TypeError('no') })", "TypeError: no")],
)
def test_a_process_that_ends_is_an_error(copy, modules, tmp_path, monkeypatch, program, reason):
    script = tmp_path / "run.mjs"
    script.write_text(program)
    monkeypatch.setattr(tfjs, "PROGRAM", script)
    with pytest.raises(EfficientNetError) as caught:
        TfjsModel(copy)
    assert str(caught.value) == f"Node ended before it could load {copy}: {reason}"


def test_a_process_that_ends_later_is_an_error_each_time(copy, modules):
    with TfjsModel(copy) as runtime:
        runtime._process._popen.kill()
        runtime._process._popen.wait()
        for _ in range(4):
            with pytest.raises(EfficientNetError) as caught:
                runtime.predict(_images(1))
            assert str(caught.value).startswith(f"Node ended before it could run {copy} on 1 images: exit code")


def test_an_unknown_backend_is_refused(copy):
    with pytest.raises(UsageError) as caught:
        TfjsModel(copy, backend="webgl")
    assert str(caught.value) == "Unknown backend 'webgl'. Allowed: wasm, cpu."


def test_a_shard_outside_the_folder_is_refused(copy):
    outside = copy.parent / "outside.bin"
    outside.write_bytes(b"")
    link = copy / "link.bin"
    link.symlink_to(outside)
    document = _document(copy)
    for name in ("../outside.bin", str(outside), "link.bin", "absent.bin"):
        document["weightsManifest"][0]["paths"] = [name]
        (copy / "model.json").write_text(json.dumps(document))
        with pytest.raises(EfficientNetError) as caught:
            TfjsModel(copy)
        assert str(caught.value) == (
            f"{copy / 'model.json'} names the shard {name!r}, which is not a file of its folder."
        )


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format":"layers-model","weightsManifest":[]}'])
def test_another_file_is_refused(copy, text):
    (copy / "model.json").write_text(text)
    with pytest.raises(EfficientNetError) as caught:
        TfjsModel(copy)
    assert str(caught.value) == f"{copy / 'model.json'} is not a TensorFlow.js graph model."


def test_a_model_without_the_signature_is_refused(copy):
    document = _document(copy)
    del document["signature"]["inputs"]["image"]
    (copy / "model.json").write_text(json.dumps(document))
    with pytest.raises(EfficientNetError) as caught:
        TfjsModel(copy)
    problem = "its signature has no input 'image', or an output without a shape."
    assert str(caught.value) == f"{copy / 'model.json'} cannot be used: {problem}"


def _several(tmp_path, batch):
    keras.utils.set_random_seed(1)
    image = keras.Input((24, 24, 3), name="image")
    inner = keras.layers.Conv2D(8, 3, 8)(image)
    pooled = keras.layers.GlobalAveragePooling2D()(inner)
    outputs = {"probabilities": keras.layers.Dense(5, activation="softmax")(pooled), "inner": inner}
    network = keras.Model(image, outputs)
    return network, export.write(network, tmp_path / "several", batch=batch)


@pytest.mark.parametrize("batch", [None, 1, 4])
def test_every_output_is_answered_for_any_number_of_images(tmp_path, modules, batch):
    network, folder = _several(tmp_path, batch)
    images = np.random.default_rng(3).integers(0, 256, (9, 24, 24, 3), dtype=np.uint8)
    expected = network.predict(images, verbose=0)
    with TfjsModel(folder) as runtime:
        assert runtime.batch == batch
        answers = runtime.answers(images)
        np.testing.assert_array_equal(runtime.predict(images), answers["probabilities"])
        assert {name: answer.shape for name, answer in runtime.answers(images[:0]).items()} == {
            "probabilities": (0, 5),
            "inner": (0, 3, 3, 8),
        }
    assert list(answers) == ["probabilities", "inner"]
    for name, answer in answers.items():
        assert answer.dtype == np.float32
        np.testing.assert_allclose(answer, expected[name], rtol=1e-5, atol=1e-4)


def test_a_model_without_probabilities_names_what_it_has(tmp_path, modules):
    image = keras.Input((24, 24, 3), name="image")
    folder = export.write(keras.Model(image, {"inner": keras.layers.Conv2D(8, 3, 8)(image)}), tmp_path / "inner")
    with TfjsModel(folder) as runtime:
        assert list(runtime.answers(_images(2))) == ["inner"]
        with pytest.raises(EfficientNetError) as caught:
            runtime.predict(_images(2))
    assert str(caught.value) == f"The model in {folder} answers no probabilities, only inner."


def test_the_operations_are_counted(copy, modules):
    with TfjsModel(copy) as runtime:
        counts = runtime.operations()
    assert counts == {"Conv2D": 1, "Identity": 1, "MatMul": 1, "Mean": 1, "Softmax": 1}
