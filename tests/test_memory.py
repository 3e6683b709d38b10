"""Memory of a training step, against what the gradients of a real one read."""

from __future__ import annotations

import pytest

import efficientnet_tf as efn
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import Spec, activation_bytes, count, estimate_memory, scale, spec


def read_by_gradients(network: Spec) -> int:
    """Return the bytes of what the gradients of a training step read of its forward pass, for one image."""
    import tensorflow as tf

    from efficientnet_tf.layers import plain_formulation
    from efficientnet_tf.model import Head, build_model

    # A number of images that no other dimension has. Without dropout and stochastic depth, whose masks do not count.
    batch_size = 13
    network = network.replace(survival_probability=1.0)
    model = build_model(network, Head(classes=network.classes, dropout=0.0))

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            loss = tf.reduce_mean(tf.keras.losses.sparse_categorical_crossentropy(labels, outputs))
        return tape.gradient(loss, model.trainable_variables)

    size = network.image_size
    images, labels = tf.TensorSpec((batch_size, size, size, 3)), tf.TensorSpec((batch_size,), tf.int32)
    with plain_formulation():
        operations = step.get_concrete_function(images, labels).graph.get_operations()
    backward = {op.name for op in operations if op.name.startswith("gradient_tape/") or op.type == "AddN"}
    read = {
        tensor.name: tensor.shape.num_elements() * tensor.dtype.size // batch_size
        for op in operations
        if op.name in backward
        for tensor in op.inputs
        if tensor.op.name not in backward and tensor.shape.rank and tensor.shape[0] == batch_size
    }
    return sum(read.values())


@pytest.mark.parametrize("base", ["tiny", "lite0", "mobilenetv1", "mobilenetv2", "resnet50", "edgetpu-s"])
def test_activations_are_what_the_gradients_read(base):
    network = scale(base, width=0.25, depth=0.2, resolution=32 / spec(base).image_size)
    assert activation_bytes(network) == read_by_gradients(network)


def test_memory_of_parameters_and_batch():
    counted, memory = count("b0"), estimate_memory("b0", batch_size=8)
    assert memory.parameters == 16 * counted.trainable + 4 * (counted.total - counted.trainable)
    assert memory.activations == 8 * activation_bytes("b0")
    assert memory.total == memory.parameters + memory.activations
    with pytest.raises(UsageError, match=r"^batch_size must be at least 1, got 0\.$"):
        estimate_memory("b0", batch_size=0)


def test_condconv_keeps_a_kernel_for_each_example():
    # Of 4 or 8 experts each example mixes one kernel: what is kept differs by the routing alone.
    blocks = sum(1 for block in spec("condconv-8e").expand() if block.row.experts)
    assert activation_bytes("condconv-8e") - activation_bytes("condconv-4e") == 4 * 4 * blocks
    plain = activation_bytes(spec("b0").replace(dropout=0.0))
    assert activation_bytes("condconv-4e") > plain + 4 * 5_000_000 * 0.4


@pytest.mark.parametrize("base", ["b0", "lite0", "mobilenetv2", "resnet50"])
def test_scaled_networks_are_what_was_counted(base):
    network = scale(base, width=0.25, depth=0.3, resolution=0.2)
    model = efn.EfficientNet(network, weights=None)
    assert model.count_params() == count(network).total
    assert model.input_shape == (None, network.image_size, network.image_size, 3)
    assert model.name == f"{network.prefix}{network.name}"
