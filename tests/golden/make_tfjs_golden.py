"""Write tfjs_graphs.json: the graphs that TensorFlow.js' own converter makes of deployed networks.

    python tests/golden/make_tfjs_golden.py

The converter, tensorflowjs 4.22.0, does not install beside TensorFlow 2.21: it asks for decision forests and a hub
that need an older one. It is installed without them into a folder of its own, and runs in a process of its own, where
empty modules stand for both. Nothing of it is needed to export, or to test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "tfjs_graphs.json"
CONVERTER = "tensorflowjs==4.22.0"
#: Of pixels: the operations are the same at every size.
IMAGE_SIZE = 32
VARIANTS = ("b0", "lite0")

#: Only the converter of SavedModels is imported, not the package around it, which wants Keras 2 and JAX.
CONVERT = """
import importlib, sys, types
from importlib.machinery import ModuleSpec
for name in ("tensorflow_decision_forests", "tensorflow_hub"):
    module = sys.modules[name] = types.ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
for name in ("tensorflowjs", "tensorflowjs.converters"):
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = [sys.argv[1] + "/" + name.replace(".", "/")]
converter = importlib.import_module("tensorflowjs.converters.tf_saved_model_conversion_v2")
converter.convert_tf_saved_model(sys.argv[2], sys.argv[3], signature_def="serving_default")
"""


def describe(topology: dict[str, Any]) -> dict[str, int]:
    """Return how often each kind of node occurs, without names: operation, attributes, and what it reads.

    A constant is described by its shape where another node reads it, and not by itself.
    """
    nodes = {node["name"]: node for node in topology["node"]}
    found: dict[str, int] = {}
    for node in nodes.values():
        if node["op"] != "Const":
            read = [_input(nodes[name.removeprefix("^").split(":")[0]]) for name in node.get("input", [])]
            line = f"{node['op']}({', '.join(read)}){_attributes(node)}"
            found[line] = found.get(line, 0) + 1
    return dict(sorted(found.items()))


#: Attributes that change what is computed, unless they have the value that follows.
ATTRIBUTES: dict[str, Any] = {
    "strides": [1, 1, 1, 1],
    "padding": None,
    "dilations": [1, 1, 1, 1],
    "data_format": "NHWC",
    "explicit_paddings": [],
    "fused_ops": [],
    "keep_dims": False,
    "transpose_a": False,
    "transpose_b": False,
}


def _attributes(node: dict[str, Any]) -> str:
    values = {name: _value(value) for name, value in node.get("attr", {}).items() if name in ATTRIBUTES}
    told = {name: value for name, value in sorted(values.items()) if value != ATTRIBUTES[name]}
    return f" {json.dumps(told)}" if told else ""


def _value(attribute: dict[str, Any]) -> Any:
    import base64

    def text(value: str) -> str:
        return base64.b64decode(value).decode()

    if "s" in attribute:
        return text(attribute["s"])
    if "list" in attribute:
        values = attribute["list"]
        return [int(value) for value in values.get("i", [])] or [text(value) for value in values.get("s", [])]
    return attribute.get("b", False)


def _input(node: dict[str, Any]) -> str:
    if node["op"] != "Const":
        return str(node["op"])
    sizes = node["attr"]["value"]["tensor"].get("tensorShape", {}).get("dim", [])
    return f"[{', '.join(size['size'] for size in sizes)}]"


def deployed(variant: str) -> Any:
    """Return a network for inference in which no bias is zero, so that none can be left out."""
    from efficientnet_tf import EfficientNet
    from efficientnet_tf.exporting.deploy import deploy

    sys.path.insert(0, str(HERE.parent))
    from networks import randomise

    model = EfficientNet(variant, weights=None, classes=10, image_size=IMAGE_SIZE)
    return deploy(randomise(model, seed=1))


def official(model: Any, folder: Path) -> dict[str, Any]:
    """Return the topology that the converter writes for a network."""
    model.export(str(folder / "saved_model"), format="tf_saved_model", verbose=False)
    packages = folder / "packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), CONVERTER]
    subprocess.run(command, check=True)
    command = [sys.executable, "-c", CONVERT, str(packages), str(folder / "saved_model"), str(folder / "tfjs")]
    subprocess.run(command, check=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    document: dict[str, Any] = json.loads((folder / "tfjs" / "model.json").read_text("utf-8"))
    return dict(document["modelTopology"])


def main() -> None:
    """Convert every network and write the golden file."""
    graphs = {}
    for variant in VARIANTS:
        with tempfile.TemporaryDirectory() as folder:
            graphs[variant] = describe(official(deployed(variant), Path(folder)))
    golden = {"converter": CONVERTER, "image_size": IMAGE_SIZE, "graphs": graphs}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
