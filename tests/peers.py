"""Our networks beside their peers': the same weights, drawn by name, in the peer's own file format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from networks import randomise
from seeded import seeded_image, seeded_tensor, write_safetensors

from efficientnet_tf.pretrained import Network, build_network

GOLDEN = Path(__file__).parent / "golden" / "peer_logits.npz"

#: Our variant of each of keras.applications' networks, and the side of its pictures here, in pixels.
KERAS = {
    "EfficientNetB0": ("b0", 224), "EfficientNetB1": ("b1", 96), "EfficientNetB2": ("b2", 96),
    "EfficientNetB3": ("b3", 96), "EfficientNetB4": ("b4", 96), "EfficientNetB5": ("b5", 96),
    "EfficientNetB6": ("b6", 96), "EfficientNetB7": ("b7", 96),
    "EfficientNetV2B0": ("v2-b0", 224), "EfficientNetV2B1": ("v2-b1", 96), "EfficientNetV2B2": ("v2-b2", 96),
    "EfficientNetV2B3": ("v2-b3", 96), "EfficientNetV2S": ("v2-s", 96), "EfficientNetV2M": ("v2-m", 96),
    "EfficientNetV2L": ("v2-l", 96),
}  # fmt: skip


def keras_difference(name: str, folder: Path, *, ending: str = ".h5") -> tuple[float, float]:
    """Return the largest difference of our logits from keras.applications', and the largest of its logits."""
    variant, size = KERAS[name]
    constructor = getattr(keras.applications, name)
    theirs = constructor(weights=None, input_shape=(size, size, 3), classifier_activation=None)
    randomise(theirs, seed=1)
    for layer in theirs.layers:
        if layer.name.endswith("project_bn"):
            # Else the branches of a deep network add up to numbers in which rounding errors grow to be the answer.
            layer.gamma.assign(layer.gamma * 0.3)
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.set_weights([np.float32([0.4, 0.5, 0.6]), np.float32([0.05, 0.06, 0.07]), np.array(0)])
            layer.finalize_state()
    path = folder / f"{name}{ending}"
    theirs.save_weights(path) if ending == ".weights.h5" else theirs.save(path)
    pixels = np.random.default_rng(2).integers(0, 256, (2, size, size, 3)).astype("float32")
    ours = build_network(variant, weights=path, image_size=size, classifier_activation=None).model
    expected = theirs(pixels).numpy()
    return float(np.abs(ours(pixels).numpy() - expected).max()), float(np.abs(expected).max())


def about() -> dict[str, Any]:
    """Return what the golden file says of the networks in it."""
    with np.load(GOLDEN) as golden:
        return json.loads(bytes(golden["about"]))


def load_peer(name: str, folder: Path) -> Network:
    """Return our network with the weights of a network of the golden file, read from a `.safetensors` file."""
    library, network = name.split(".")
    traits = about()["networks"][name]
    tensors = {key: seeded_tensor(key, tuple(shape), traits["gain"]) for key, shape in traits["state_dict"]}
    # The file's name says which of timm's networks it is; torchvision's tensors say it themselves.
    path = write_safetensors(folder / f"{network if library == 'timm' else 'weights'}.safetensors", tensors)
    size = traits["image_size"]
    return build_network(
        network, weights=path, image_size=size, classifier_activation=None, include_preprocessing=False
    )  # fmt: skip


def peer_difference(name: str, folder: Path) -> tuple[float, float]:
    """Return the largest difference of our logits from a peer's, and the largest of its logits."""
    model = load_peer(name, folder).model
    with np.load(GOLDEN) as golden:
        expected = golden[name]
    logits = model(seeded_image(model.input_shape[1])).numpy()
    return float(np.abs(logits - expected).max()), float(np.abs(expected).max())
