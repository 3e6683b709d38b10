"""Small `.tflite` files for tests: of one real network, and of single operations."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

CLASSES = 4


def convert(
    kind: str = "float32", *, outputs: Sequence[str] = ("probabilities",), mean: float = 0.0, deviation: float = 1.0
) -> bytes:
    """Return a network of [1, 8, 8, 3] pixels to four classes, with input and output of a type.

    Its input stands for the pixels less a mean, by a deviation.
    """
    generator = np.random.default_rng(0)
    kernel = tf.constant(generator.normal(0, 0.1, (3, 3, 3, CLASSES)), tf.float32)
    pictures = ((generator.integers(0, 256, (16, 1, 8, 8, 3)) - mean) / deviation).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 3), tf.float32, name="image")])
    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.nn.relu6(tf.nn.conv2d((image - 127.0) / 128.0, kernel, 2, "SAME"))
        logits = 2 * tf.reduce_mean(features * tf.sigmoid(features), (1, 2))
        answers = {"probabilities": tf.nn.softmax(logits), "logits": logits, "features": features}
        return {name: answers[name] for name in outputs}

    with tempfile.TemporaryDirectory() as scratch:
        tf.saved_model.save(tf.Module(), scratch, signatures={"serving_default": serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch)
        if kind != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([picture] for picture in pictures)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        if kind in ("uint8", "int8"):
            converter.inference_input_type = converter.inference_output_type = getattr(tf, kind)
        return bytes(converter.convert())


def tensor(
    shape: Sequence[int], kind: str = "INT8", *, value: Any = None, signature: Any = None, scale: bool = True
) -> Any:
    """Return a tensor for `of_operations`; with a value, a constant."""
    made = schema.TensorT()
    made.shape, made.type = list(shape), getattr(schema.TensorType, kind)
    made.shapeSignature = signature
    if scale and kind != "INT32":
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [0.5], [0]
    made.value = None if value is None else np.asarray(value, np.int32 if kind == "INT32" else np.int8)
    return made


def of_operations(*operations: tuple[str, Any, Sequence[Any], Any]) -> bytes:
    """Return a file of operations, each a name, its options, its input tensors and its output tensor."""
    model, graph, buffers = schema.ModelT(), schema.SubGraphT(), [schema.BufferT()]
    graph.tensors, graph.operators, model.operatorCodes = [], [], []
    made = [output for *_, output in operations]
    for name, options, inputs, output in operations:
        for each in (*inputs, output):
            if any(each is known for known in graph.tensors):
                continue
            each.name = f"tensor {len(graph.tensors)}"
            if each.value is not None:
                each.buffer = len(buffers)
                buffers.append(schema.BufferT())
                buffers[-1].data = each.value.reshape(-1).view(np.uint8)
            graph.tensors.append(each)
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        operator.opcodeIndex = len(model.operatorCodes)
        operator.inputs = [_place(graph.tensors, each) for each in inputs]
        operator.outputs = [_place(graph.tensors, output)]
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        model.operatorCodes.append(code)
        graph.operators.append(operator)
    variable = [row for row, each in enumerate(graph.tensors) if each.value is None]
    graph.inputs = [row for row in variable if not any(graph.tensors[row] is output for output in made)]
    graph.outputs = [_place(graph.tensors, made[-1])]
    model.version, model.subgraphs, model.buffers = 3, [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _place(tensors: Sequence[Any], wanted: Any) -> int:
    return next(row for row, each in enumerate(tensors) if each is wanted)
