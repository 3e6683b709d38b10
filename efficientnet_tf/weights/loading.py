"""Weights by name or path: what they are of, and into a model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from efficientnet_tf.errors import EfficientNetError, UsageError, unknown_name
from efficientnet_tf.model import CLASSIFIER
from efficientnet_tf.specs import Preprocessing, Spec
from efficientnet_tf.weights import keras_weights
from efficientnet_tf.weights.files import read_weights
from efficientnet_tf.weights.matching import LayerWeights, assign, match
from efficientnet_tf.weights.origins import ORIGINS, as_trained, naming_of, origin_of
from efficientnet_tf.weights.published import SETS, weight_file

#: What weights may be, for messages.
FORMS = (*SETS, "none", "PATH of a .keras, .h5, .weights.h5, .pth, .safetensors file or a TensorFlow checkpoint")
_CONFIGURATION_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """Weights that were read, and the architecture that they are of.

    Attributes:
        spec: with the padding, epsilon and preprocessing of the network that was trained.
        layers: weights of every layer by its name, in Keras' order.
        where: the file's name, for messages.
    """

    spec: Spec
    layers: LayerWeights
    where: str

    @property
    def classes(self) -> int | None:
        """Outputs of the classifier; None where there is none, or it cannot be told."""
        arrays = self.layers.get(CLASSIFIER)
        return None if arrays is None else int(arrays[0].shape[-1])


def read_pretrained(spec: Spec, weights: str | Path, *, origin: str | None = None) -> Pretrained:
    """Read weights for an architecture.

    Args:
        spec: the architecture.
        weights: the name of a published set, such as `imagenet` or `imagenet-noisystudent`, which is downloaded where
            no installed package carries it; or a file: Keras' `.keras`, `.weights.h5` and `.h5`, PyTorch's `.pth`,
            `.safetensors`, or an official TensorFlow checkpoint (its prefix or folder).
        origin: whose file it is, a key of `ORIGINS`, where its names do not tell.

    Raises:
        UsageError: no such set or file; the message says which there are.
        EfficientNetError: weights of another architecture, or a damaged file.
    """
    if origin is not None and origin not in ORIGINS:
        raise unknown_name("origin", origin, ORIGINS)
    name = str(weights)
    if name in SETS:
        changes = SETS[name]
        return _read(spec.replace(**changes), weight_file(spec.name, name), origin)
    path = Path(weights)
    if not path.exists() and not Path(f"{path}.index").is_file():
        if path.suffix or len(path.parts) > 1:
            raise UsageError(f"There is no weight file {path}.")
        raise unknown_name("weights", name, FORMS)
    return _read(spec, path, origin)


def _read(spec: Spec, path: Path, origin: str | None) -> Pretrained:
    file = read_weights(path)
    metadata = {**_beside(path), **file.metadata}
    origin = origin or origin_of(file.tensors, str(path), metadata)
    if origin == "keras":
        spec = keras_weights.as_saved(spec, file.tensors, file.metadata.get("config", {}))
        return Pretrained(_as_recorded(spec, path), keras_weights.layer_weights(file.tensors), str(path))
    naming, tensors = naming_of(origin, file.tensors)
    return Pretrained(as_trained(spec, origin, metadata), match(spec, tensors, naming, where=str(path)), str(path))


def _as_recorded(spec: Spec, path: Path) -> Spec:
    """Return an architecture with the crop and interpolation of the record beside a file, if there is one."""
    record = path.parent / "preprocessing.json"
    if not record.is_file():
        return spec
    try:
        read = Preprocessing.from_json(json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise EfficientNetError(f"{record} is not a preprocessing record: {error}") from error
    return spec.replace(crop=read.crop, crop_padding=read.crop_padding, interpolation=read.interpolation)


def put_into(model: keras.Model, pretrained: Pretrained) -> bool:
    """Put weights into a model that was built from their architecture.

    The classifier is loaded where the model has as many classes as the weights. Otherwise it is new and starts at
    zero, every class equally probable: the official random start is made for 1000 classes, and for a few it is so
    wide that the first epochs only undo it.

    Returns:
        Whether the classifier was loaded too.

    Raises:
        EfficientNetError: weights of another architecture.
    """
    keep = _new_classifier(model, pretrained.classes)
    assign(model, pretrained.layers, skip=keep)
    return not keep


def _new_classifier(model: keras.Model, classes: int | None) -> frozenset[str]:
    """Return the classifier's name if it cannot take weights for so many classes, and set it to zero."""
    classifier = model.layers[-1]
    if classifier.name != CLASSIFIER or model.output_shape[-1] == classes:
        return frozenset()
    classifier.set_weights([array * 0 for array in classifier.get_weights()])
    return frozenset({CLASSIFIER})


def _beside(path: Path) -> Mapping[str, Any]:
    """Return the description that timm puts beside its weights: config.json with `architecture`, `pretrained_cfg`."""
    file = path.parent / "config.json"
    if not file.is_file() or file.is_symlink() or file.stat().st_size > _CONFIGURATION_BYTES:
        return {}
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        return {}
    return values if isinstance(values, dict) and "architecture" in values else {}
