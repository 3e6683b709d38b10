"""CondConv against one ordinary convolution for each example."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from efficientnet_tf.layers import CondConv2D, CondDepthwiseConv2D
from efficientnet_tf.pretrained import EfficientNet


@pytest.fixture
def inputs():
    random = np.random.default_rng(1)
    return random.normal(size=(3, 7, 6, 8)).astype("float32"), random.uniform(size=(3, 4)).astype("float32")


def test_pointwise_equals_a_convolution_with_mixed_kernels(inputs):
    x, shares = inputs
    layer = CondConv2D(5, experts=4)
    outputs = np.array(layer([x, shares]))
    for example, mix, output in zip(x, shares, outputs, strict=True):
        kernel = (mix @ np.array(layer.kernel)).reshape(1, 1, 8, 5)
        expected = keras.ops.conv(example[None], kernel, padding="same")
        np.testing.assert_allclose(output, np.array(expected)[0], atol=1e-5)


@pytest.mark.parametrize("strides", [1, 2])
def test_depthwise_equals_a_convolution_with_mixed_kernels(inputs, strides):
    x, shares = inputs
    layer = CondDepthwiseConv2D(5, experts=4, strides=strides)
    outputs = np.array(layer([x, shares]))
    assert outputs.shape == layer.compute_output_shape([x.shape, shares.shape])
    for example, mix, output in zip(x, shares, outputs, strict=True):
        kernel = (mix @ np.array(layer.kernel)).reshape(5, 5, 8, 1)
        expected = keras.ops.depthwise_conv(example[None], kernel, strides=strides, padding="same")
        np.testing.assert_allclose(output, np.array(expected)[0], atol=1e-5)


def test_each_expert_starts_as_one_kernel():
    layer = CondConv2D(200, experts=3, kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out"))
    layer.build([(None, 4, 4, 300), (None, 3)])
    kernels = np.array(layer.kernel)
    assert kernels.std() == pytest.approx(np.sqrt(2 / 200), rel=0.02)
    assert not np.array_equal(kernels[0], kernels[1])


def test_answers_do_not_depend_on_the_batch_and_survive_saving(tmp_path):
    model = EfficientNet("condconv-4e", weights=None, image_size=32, classes=3)
    pixels = np.random.default_rng(2).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    together = model(pixels).numpy()
    np.testing.assert_allclose(model(pixels[1:2]).numpy(), together[1:2], atol=1e-5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(pixels).numpy(), together)


def test_gradients_reach_every_expert():
    import tensorflow as tf

    model = EfficientNet("condconv-4e", weights=None, image_size=32, classes=3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(np.full((2, 32, 32, 3), 90, np.uint8))[:, 0])
    kernel = model.get_layer("block7a_expand_conv").kernel
    (gradient,) = tape.gradient(loss, [kernel.value])
    assert (np.abs(gradient.numpy()).max(axis=1) > 0).all()
