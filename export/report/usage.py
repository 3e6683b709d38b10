"""How each artifact is used, in a few lines of each language that its users write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efficientnet_tf.specs import Preprocessing

SERVING, TASK_LIBRARY = "TensorFlow Serving", "Kotlin, Task Library"

#: For each format the language or runtime, and the lines. In braces: `output` is the first output's name, `of_several`
#: how it is chosen where the answer may have several, `number` of pictures it takes, `times` and `tiled` what makes so
#: many of one, `dtype` and `range` are the type and the values of an input, `real` makes numbers of integers.
SNIPPETS: dict[str, dict[str, str]] = {
    "saved_model": {
        "TensorFlow, whole files": """\
import tensorflow as tf
serve = tf.saved_model.load("{file}").signatures["encoded"]
answer = serve(image_bytes=tf.constant([open("photo.jpg", "rb").read()]{times}))["{output}"]""",
        SERVING: """\
docker run -p 8501:8501 -v "$PWD/{file}:/models/network/1" -e MODEL_NAME=network tensorflow/serving
IMAGE=$(base64 < photo.jpg | tr -d '\\n')
curl -d '{{"signature_name": "encoded", "instances": [{{"b64": "'$IMAGE'"}}]}}' \
localhost:8501/v1/models/network:predict""",
    },
    "tflite": {
        "Python, LiteRT": """\
from ai_edge_litert.interpreter import Interpreter
run = Interpreter("{file}").get_signature_runner()
answer = run(image=pixels)["{output}"]  # {dtype} [{number}, {height}, {width}, 3], {range}{real}""",
        TASK_LIBRARY: """\
val classifier = ImageClassifier.createFromFile(context, "{file}")
val found = classifier.classify(TensorImage.fromBitmap(bitmap))
found[0].categories.take(5).forEach {{ println("${{it.label}} ${{it.score}}") }}""",
    },
    "tfjs": {
        "JavaScript, TensorFlow.js": """\
const model = await tf.loadGraphModel("{file}/model.json");
const image = tf.browser.fromPixels(picture).toFloat().expandDims(0){tiled}; // {width} \u00d7 {height} pixels, 0...255
const answer = await model.predict({{ image }}){of_several}.data();""",
    },
    "onnx": {
        "Python, ONNX Runtime": """\
import onnxruntime
session = onnxruntime.InferenceSession("{file}")
answer = session.run(["{output}"], {{"image": pixels}})[0]  # float32 [{number}, {height}, {width}, 3], 0...255""",
    },
    "keras": {
        "Python, Keras": """\
import keras
model = keras.models.load_model("{file}")
answer = model.predict(pixels)  # [N, {height}, {width}, 3], 0...255""",
    },
}


#: What the integers of an answer stand for.
REAL = """
scale, zero_point = run.get_output_details()["{output}"]["quantization"]
answer = scale * (answer.astype(int) - zero_point)"""


def snippets(row: Mapping[str, Any], record: Preprocessing) -> dict[str, str]:
    """Return how an artifact is used: what each way is called, and its lines.

    Args:
        row: of report.json; its `interface` is that of `writers.Job.interface`.
        record: how photographs become the input.
    """
    height, width = record.image_size
    outputs, batch, dtype = (row["interface"][name] for name in ("outputs", "batch", "pictures"))
    only_probabilities = list(outputs) == ["probabilities"]
    several = batch is not None and batch > 1
    integers = row["quantize"] == "int8" and dtype != "float32"
    values = {
        "file": row["file"],
        "height": height,
        "width": width,
        "output": outputs[0],
        "dtype": dtype,
        "range": "0...255 less 128" if dtype == "int8" else "0...255",
        "number": batch or "N",
        "times": f" * {batch}" if several else "",
        "tiled": f".tile([{batch}, 1, 1, 1])" if several else "",
        "real": REAL.format(output=outputs[0]) if integers else "",
        "of_several": "" if only_probabilities else f".{outputs[0]}",
    }
    found = {name: lines.format_map(values) for name, lines in SNIPPETS.get(row["format"], {}).items()}
    # Which takes one picture, in float32 or as bytes, and has one answer.
    if several or not batch or dtype == "int8" or not only_probabilities:
        found.pop(TASK_LIBRARY, None)
    if several:  # a request has one picture
        found.pop(SERVING, None)
    return found
