"""`efficientnet-convert`: a weight file becomes a network with everything that belongs to it."""

from __future__ import annotations

import json
import re

import keras
import numpy as np
import pytest
from networks import randomise

import efficientnet_tf as efn
from efficientnet_tf.cli import convert
from efficientnet_tf.model import preprocessing_of
from efficientnet_tf.weights.published import imagenet_file


def test_converted_weights_answer_like_their_source(tmp_path, capsys):
    output = tmp_path / "out" / "lite0.keras"
    assert convert.main([f"--source={imagenet_file('lite0')}", "--variant=lite0", f"--output={output}", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["variant"], result["classes"], result["output"]) == ("lite0", 1000, str(output))
    assert (output.parent / "labels.txt").read_text().splitlines()[388] == "giant panda"
    assert json.loads((output.parent / "preprocessing.json").read_text()) == result["preprocessing"]
    pixels = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    expected = efn.EfficientNet("lite0")(pixels).numpy()
    np.testing.assert_array_equal(keras.models.load_model(output)(pixels).numpy(), expected)
    # A second time nothing is overwritten.
    assert convert.main([f"--source={imagenet_file('lite0')}", "--variant=lite0", f"--output={output}"]) == 2
    assert (
        capsys.readouterr().err == f"efficientnet-convert: {output} exists already. Give --output in another folder.\n"
    )


def test_padding_epsilon_and_preprocessing_survive_the_conversion(tmp_path):
    spec = efn.spec("tiny").replace(padding="symmetric", batch_norm_epsilon=1e-5)
    source = randomise(efn.EfficientNet(spec, weights=None), seed=1)
    source.save(tmp_path / "source.keras")
    model = efn.EfficientNet("tiny", weights=tmp_path / "source.keras")
    pixels = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_allclose(model(pixels).numpy(), source(pixels).numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "--source is missing. For example: --source=efficientnet-b4.pth --variant=b4"),
        (["--source=a.pth"], 2, "--variant is missing. For example: --source=efficientnet-b4.pth --variant=b4"),
        (["--source=a.pth", "--variant=b0", "--output=x.h5"], 2, "--output must end in .keras, got 'x.h5'."),
        (["--source=a.pth", "--variant=b0", "--origin=tim"], 2, "Unknown origin 'tim'. Did you mean 'timm'? Allowed: "),
        (["--source=absent.pth", "--variant=b0"], 2, "There is no weight file absent.pth."),
        (["--source=a.pth", "--variant=b0", "--width=0"], 2, "width must be above 0.0, got 0.0."),
        (["--source=empty.pth", "--variant=b0"], 1, "empty.pth is not a weight file that can be read: "),
    ],
)
def test_wrong_input_is_one_line(arguments, status, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.pth").write_bytes(b"")
    assert convert.main(arguments) == status
    error = capsys.readouterr().err
    assert re.match(f"^efficientnet-convert: {re.escape(message)}", error)
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.pth"]


def test_record_beside_a_file_and_of_a_network_are_kept(tmp_path):
    source = efn.EfficientNet("tiny", weights=None)
    source.save(tmp_path / "source.keras")
    record = efn.spec("tiny").replace(crop_padding=0, interpolation="bilinear").preprocessing()
    (tmp_path / "preprocessing.json").write_text(json.dumps(record.to_json()))
    model = efn.EfficientNet("tiny", weights=tmp_path / "source.keras")
    kept = preprocessing_of(model)
    assert (kept.crop_padding, kept.interpolation, kept.image_size) == (0, "bilinear", (32, 32))
    assert kept.scale == pytest.approx(record.scale)


def test_a_file_without_a_classifier_is_refused(tmp_path, capsys):
    efn.EfficientNet("tiny", weights=None, include_top=False).save(tmp_path / "a.keras")
    status = convert.main(
        [f"--source={tmp_path / 'a.keras'}", "--variant=tiny", f"--output={tmp_path / 'b' / 'c.keras'}"]
    )
    message = f"{tmp_path / 'a.keras'} holds no classifier, so that what it converts to would know nothing."
    assert (status, capsys.readouterr().err) == (2, f"efficientnet-convert: {message}\n")


def test_every_origin_can_be_named():
    from efficientnet_tf.config.convert import ORIGINS
    from efficientnet_tf.weights import ORIGINS as KNOWN

    assert tuple(KNOWN) == ORIGINS
