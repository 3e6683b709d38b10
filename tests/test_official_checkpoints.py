"""TensorFlow 1 checkpoints with the official names, written by TensorFlow itself."""

from __future__ import annotations

import collections
import re

import numpy as np
import pytest
import tensorflow as tf
from networks import randomise

import efficientnet_tf as efn
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.pretrained import build_network
from efficientnet_tf.specs import list_variants

# What TensorFlow 1 calls a layer of each class; each scope counts the layers of a class as they are made.
CLASSES = {
    "Conv2D": ("conv2d", ["kernel", "bias"]),
    "DepthwiseConv2D": ("depthwise_conv2d", ["depthwise_kernel"]),
    "BatchNormalization": ("tpu_batch_normalization", ["gamma", "beta", "moving_mean", "moving_variance"]),
    "Dense": ("dense", ["kernel", "bias"]),
    "CondConv2D": ("cond_conv2d", ["condconv_kernel"]),
    "CondDepthwiseConv2D": ("depthwise_cond_conv2d", ["depthwise_condconv_kernel"]),
}
# CondConv's are plain Keras layers, which the whole network counts.
COUNTED_ONCE = ("cond_conv2d", "depthwise_cond_conv2d", "dense")


def official_variables(model, root: str) -> dict[str, np.ndarray]:
    """Return a model's weights under the names that the official code would give them, by its own way of counting."""
    counters: collections.Counter[str] = collections.Counter()
    blocks: list[str] = []
    variables = {}
    for layer in model.layers:
        kind = CLASSES.get(type(layer).__name__)
        if kind is None:
            continue
        name, parts = kind
        block = re.match(r"(block\d+[a-z]+)_", layer.name)
        if block and block[1] not in blocks:
            blocks.append(block[1])
        scope = f"blocks_{len(blocks) - 1}" if block else "stem" if layer.name.startswith("stem") else "head"
        inner = f"{scope}/se" if "_se_" in layer.name else scope
        counter = name if name in COUNTED_ONCE and scope != "head" else f"{inner}/{name}"
        number = counters[counter]
        counters[counter] += 1
        prefix = f"{root}/{inner}/{name}" + (f"_{number}" if number else "")
        for part, array in zip(parts, layer.get_weights(), strict=False):
            variables[f"{prefix}/{part}"] = array
    return variables


def write_checkpoint(folder, variables: dict[str, np.ndarray]):
    """Write what the official trainer writes: raw weights, their averages, slots, and the step."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        made = {}
        for name, array in variables.items():
            made[name] = array + 1.0
            made[f"{name}/ExponentialMovingAverage"] = array
            made[f"{name}/RMSProp"] = array * 0 + 1
            made[f"{name}/RMSProp_1"] = array * 0
        handles = [tf.compat.v1.Variable(value, name=name, dtype=tf.float32) for name, value in made.items()]
        handles.append(tf.compat.v1.Variable(7, name="global_step", dtype=tf.int64))
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver({handle.op.name: handle for handle in handles})
        return saver.save(session, str(folder / "model.ckpt"))


PIXELS = np.random.default_rng(5).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
ROOTS = {
    "b0": "efficientnet-b0",
    "lite0": "efficientnet-lite0",
    "edgetpu-s": "efficientnet-edgetpu-S",
    "condconv-4e": "efficientnet-condconv-b0-4e",
    "v2-b0": "efficientnetv2-b0",
}


@pytest.mark.parametrize(
    "variant", [pytest.param(name, marks=[] if name == "b0" else [pytest.mark.slow]) for name in ROOTS]
)
def test_logits_of_a_checkpoint_with_official_names(variant, tmp_path):
    arguments = {"image_size": 64, "classifier_activation": None}
    model = randomise(efn.EfficientNet(variant, weights=None, **arguments), seed=3)
    prefix = write_checkpoint(tmp_path, official_variables(model, ROOTS[variant]))
    network = build_network(variant, weights=prefix, **arguments)
    expected = model(PIXELS).numpy()
    np.testing.assert_allclose(network.model(PIXELS).numpy(), expected, atol=1e-4 * np.abs(expected).max(), rtol=0)
    assert network.has_classifier
    assert network.record.interpolation == "tf1_bicubic"


def test_a_folder_and_an_index_name_the_same_checkpoint(tmp_path):
    model = randomise(efn.EfficientNet("tiny", weights=None), seed=3)
    write_checkpoint(tmp_path, official_variables(model, "efficientnet-tiny"))
    # Where a folder's `checkpoint` file points to is not believed.
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/model.ckpt"\n')
    for path in (tmp_path, tmp_path / "model.ckpt.index", tmp_path / "model.ckpt"):
        loaded = efn.EfficientNet("tiny", weights=path)
        np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_a_checkpoint_of_another_variant_lists_what_does_not_fit(tmp_path):
    prefix = write_checkpoint(tmp_path, official_variables(efn.EfficientNet("tiny", weights=None), "efficientnet-tiny"))
    with pytest.raises(
        EfficientNetError, match=rf"^{re.escape(prefix)} does not hold 'b0': \d+ tensors are missing \("
    ):
        efn.EfficientNet("b0", weights=prefix)


def test_damaged_checkpoints(tmp_path):
    prefix = write_checkpoint(tmp_path, official_variables(efn.EfficientNet("tiny", weights=None), "efficientnet-tiny"))
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(EfficientNetError, match=f"^{re.escape(prefix)} is not a weight file that can be read: "):
        efn.EfficientNet("tiny", weights=prefix)
    (tmp_path / "second.index").write_bytes(b"")
    message = f"{tmp_path} must hold one checkpoint, got model.ckpt.index, second.index. Give one's prefix instead."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        efn.EfficientNet("tiny", weights=tmp_path)
    with pytest.raises(UsageError, match=r"^There is no weight file .*absent/model\.ckpt\.$"):
        efn.EfficientNet("tiny", weights=tmp_path / "absent" / "model.ckpt")


@pytest.mark.parametrize("variant", [name for name in list_variants() if not name.startswith(("mobile", "resnet"))])
def test_every_variant_has_official_names(variant):
    from efficientnet_tf.weights.naming import OFFICIAL, TIMM, layer_names

    for naming in (OFFICIAL, TIMM):
        pairs = list(layer_names(efn.spec(variant), naming))
        assert len(dict(pairs)) == len({theirs for _, theirs in pairs}) == len(pairs)
