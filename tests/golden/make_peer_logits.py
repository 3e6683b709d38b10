"""Make peer_logits.npz: what timm and torchvision answer on weights and pictures that `tests/seeded.py` draws.

Run in an environment that has them, PyTorch and NumPy:

    PYTHONPATH=tests python tests/golden/make_peer_logits.py tests/golden/peer_logits.npz

The file holds, for each network such as `timm.tf_efficientnet_b0`, its logits [2, classes], float32; and `about`, the
bytes of a JSON object (see `main`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torchvision
from seeded import seeded_image, seeded_tensor

LARGEST_FILE = 300_000
# Name, side of the input in pixels, and gain of the weights.
NETWORKS = (
    ("timm.tf_efficientnet_b0", 224, 1.9),
    ("timm.tf_efficientnet_lite0", 224, 1.9),
    ("timm.tf_efficientnetv2_b0", 224, 1.6),
    ("timm.tf_efficientnet_es", 224, 1.2),
    ("timm.tf_efficientnet_cc_b0_4e", 224, 1.9),
    ("timm.tf_efficientnetv2_s", 128, 1.15),
    ("timm.efficientnet_b0", 224, 1.9),
    ("torchvision.efficientnet_b0", 224, 1.9),
    ("torchvision.efficientnet_b5", 128, 1.55),
    ("torchvision.efficientnet_v2_s", 128, 1.15),
)


def main(target: Path) -> None:
    """Compute, print and write.

    `about` has `versions` of the libraries; `networks`, by name: `image_size` and `gain` as in NETWORKS, `state_dict`
    as a list of names and shapes, `rounding` (largest difference of the logits from those in float64) and what
    `_traits` returns; and
    `inputs`, by library, network and published weights, what that library feeds them.
    """
    logits, networks = {}, {}
    for name, size, gain in NETWORKS:
        logits[name], networks[name] = _run(name, size, gain)
        largest = np.abs(logits[name]).max()
        rounding = networks[name]["rounding"] / largest
        print(f"{name}, {size} px: logits up to {largest:.4g}, rounding {rounding:.1g} of that", flush=True)
        if not 0.1 < largest < 1000:
            raise SystemExit(f"The logits of {name} are not in a range that shows mistakes.")
    about = {
        "versions": {library.__name__: library.__version__ for library in (timm, torchvision, torch, np)},
        "networks": networks,
        "inputs": {"timm": _timm_inputs(), "torchvision": _torchvision_inputs()},
    }
    content = json.dumps(about, separators=(",", ":")).encode()
    np.savez_compressed(target, about=np.frombuffer(content, np.uint8), **logits)
    if target.stat().st_size > LARGEST_FILE:
        raise SystemExit(f"{target} takes {target.stat().st_size} bytes, more than {LARGEST_FILE}.")


def _run(name: str, size: int, gain: float) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    """Return a network's logits on its seeded weights, and what is to be known of it."""
    network = _build(name).eval()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items() if "num_batches" not in key}
    state = {key: torch.from_numpy(seeded_tensor(key, shape, gain)) for key, shape in shapes.items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert all(key.endswith("num_batches_tracked") for key in missing), missing
    image = torch.from_numpy(seeded_image(size)).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        logits = network(image).numpy()
        rounding = np.abs(logits - network.double()(image.double()).numpy()).max()
    return logits, {
        "image_size": size,
        "gain": gain,
        **_traits(network),
        "rounding": float(rounding),
        "state_dict": list(shapes.items()),
    }


def _build(name: str) -> torch.nn.Module:
    library, network = name.split(".")
    if library == "timm":
        return timm.create_model(network, pretrained=False)
    return torchvision.models.get_model(network, weights=None)


def _traits(network: torch.nn.Module) -> dict[str, Any]:
    """Return what differs between the libraries: epsilon, and the padding of convolutions with strides."""
    modules = list(network.modules())
    (epsilon,) = {module.eps for module in modules if isinstance(module, torch.nn.BatchNorm2d)}
    # timm's name for a convolution that pads as TensorFlow does.
    same = any(type(module).__name__ == "Conv2dSame" for module in modules)
    return {"batch_norm_epsilon": epsilon, "padding": "same" if same else "symmetric"}


def _timm_inputs() -> dict[str, Any]:
    """Return the input of every published set of weights of timm's networks with TensorFlow's padding."""
    inputs: dict[str, Any] = {}
    keys = ("input_size", "test_input_size", "mean", "std", "crop_pct", "crop_mode", "interpolation", "num_classes")
    for name in timm.list_models("tf_efficientnet*"):
        for tagged in timm.list_pretrained(f"{name}.*"):
            config = timm.get_pretrained_cfg(tagged).to_dict()
            inputs.setdefault(name, {})[tagged.split(".")[1]] = {key: config[key] for key in keys if key in config}
    return inputs


def _torchvision_inputs() -> dict[str, Any]:
    """Return the input of every published set of weights, and each network's epsilon."""
    inputs: dict[str, Any] = {}
    for name in torchvision.models.list_models(include="efficientnet_*"):
        with torch.device("meta"):
            traits = _traits(_build(f"torchvision.{name}"))
        for weights in torchvision.models.get_model_weights(name):
            transforms = weights.transforms()
            inputs.setdefault(name, {})[weights.name] = {
                "resize_size": transforms.resize_size[0],
                "crop_size": transforms.crop_size[0],
                "interpolation": transforms.interpolation.value,
                "mean": transforms.mean,
                "std": transforms.std,
                "batch_norm_epsilon": traits["batch_norm_epsilon"],
            }
    return inputs


if __name__ == "__main__":
    main(Path(sys.argv[1]))
