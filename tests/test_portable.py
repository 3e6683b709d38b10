"""The portable file, in a Keras without this package; and keras.applications' own usage on our networks."""

from __future__ import annotations

import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from networks import randomise

import efficientnet_tf as efn
from efficientnet_tf.errors import UsageError
from efficientnet_tf.exporting.portable import portable

# Blocks the package, so that a layer of ours cannot be found.
LOAD = """
import sys
sys.modules["efficientnet_tf"] = None
import keras, numpy as np
arrays = np.load(sys.argv[2])
model = keras.models.load_model(sys.argv[1])
np.testing.assert_allclose(model(arrays["pixels"]), arrays["expected"], atol=1e-6)
print(sorted({type(layer).__module__.split(".")[0] for layer in model.layers}))
"""


@pytest.mark.parametrize(
    "variant", ["b0", *(pytest.param(name, marks=pytest.mark.slow) for name in ("v2-b0", "edgetpu-s", "resnet50"))]
)
def test_portable_file_loads_without_this_package(variant, tmp_path):
    model = randomise(efn.EfficientNet(variant, weights=None, image_size=64, classes=5), seed=1)
    rows = efn.export(model, tmp_path / "out", formats=["keras"], verify="sample", verify_images=2)
    assert (rows[0]["file"], rows[0]["verified"]) == ("model.keras", True)
    pixels = np.random.default_rng(2).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    np.savez(tmp_path / "arrays.npz", pixels=pixels, expected=model(pixels).numpy())
    command = [sys.executable, "-c", LOAD, str(tmp_path / "out" / "model.keras"), str(tmp_path / "arrays.npz")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['keras']"


def test_portable_network_drops_whole_examples_in_training():
    model = efn.EfficientNet("tiny", weights=None, survival_probability=0.5, dropout=0.0)
    drop = portable(model).get_layer("block3b_drop")
    assert drop.rate == pytest.approx(1 - model.get_layer("block3b_drop").survival_probability)
    outputs = np.array(drop(np.ones((200, 2, 2, 3), "float32"), training=True))
    whole = outputs.reshape(200, -1)
    assert (whole == whole[:, :1]).all()
    assert 0.3 < (whole[:, 0] == 0).mean() < 0.5


def test_condconv_has_no_portable_file():
    model = efn.EfficientNet("condconv-4e", weights=None, image_size=32)
    message = "'block5a_expand_conv' is a CondConv2D, which plain Keras has not: no portable file."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        portable(model)


def test_usage_of_keras_applications():
    """What its documentation does with a network: features, an inner layer, a new head, fine-tuning."""
    base = efn.EfficientNet("b0", include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg")
    features = base.predict(np.zeros((2, 64, 64, 3), np.float32), verbose=0)
    assert features.shape == (2, 1280)

    inner = keras.Model(inputs=base.input, outputs=base.get_layer("block4a_expand_activation").output)
    reference = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(64, 64, 3))
    assert inner.output_shape == reference.get_layer("block4a_expand_activation").output.shape

    base.trainable = False
    outputs = keras.layers.Dense(3, activation="softmax")(base(base.input, training=False))
    model = keras.Model(base.input, outputs)
    model.compile("adam", "categorical_crossentropy")
    pixels = np.random.default_rng(1).integers(0, 256, (8, 64, 64, 3)).astype("float32")
    before = base.get_layer("block7a_project_conv").get_weights()[0].copy()
    model.fit(pixels, np.eye(3)[[0, 1, 2, 0, 1, 2, 0, 1]], epochs=1, verbose=0)
    np.testing.assert_array_equal(base.get_layer("block7a_project_conv").get_weights()[0], before)

    base.trainable = True
    for layer in base.layers[:-20]:
        layer.trainable = False
    model.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
    model.fit(pixels, np.eye(3)[[0, 1, 2, 0, 1, 2, 0, 1]], epochs=1, verbose=0)
    assert not np.array_equal(base.get_layer("block7a_project_conv").get_weights()[0], before)


def test_arguments_of_keras_applications_exist():
    import inspect

    theirs = inspect.signature(keras.applications.EfficientNetB0).parameters
    ours = inspect.signature(efn.EfficientNet).parameters
    assert set(theirs) <= set(ours)
