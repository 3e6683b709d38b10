"""The photographs that artifacts are compared on, and what Keras answers to them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.files import readable_images
from efficientnet_tf.data.sources import SAMPLE, Examples, Records, parse_source, read_source
from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError
from efficientnet_tf.evaluation.classes import match_classes
from efficientnet_tf.exporting.calibration import spread, warn_of_skipped
from efficientnet_tf.exporting.deploy import LOGITS, inner_tensors
from efficientnet_tf.exporting.outputs import PROBABILITIES
from efficientnet_tf.specs import Preprocessing

Array = np.ndarray[Any, Any]

#: Pictures that Keras is given at a time.
CALL = 16

#: A photograph: its name, its file's content, its picture, and its class in the source, if it has one.
_Photograph = tuple[str, bytes, Array, int | None]


@dataclasses.dataclass(frozen=True)
class Photographs:
    """What artifacts are compared on.

    Attributes:
        files: their contents.
        pixels: uint8 [N, height, width, 3].
        expected: Keras' probabilities, float32 [N, classes].
        others: Keras' other outputs that were asked for, by their names.
        outputs: names of what artifacts are to answer.
        names: what each is called, for people.
        targets: the output that is right for each, int [N]; None where the source has no classes, or others.
        source: where they are from, as `--verify` takes it.
        part: which of it: `test`, `validation`, or `all`.
    """

    files: tuple[bytes, ...]
    pixels: Array
    expected: Array
    others: Mapping[str, Array] = dataclasses.field(default_factory=dict)
    outputs: tuple[str, ...] = (PROBABILITIES,)
    names: tuple[str, ...] = ()
    targets: Array | None = None
    source: str = "sample"
    part: str = "all"

    def __len__(self) -> int:
        return len(self.files)

    @functools.cached_property
    def origin(self) -> dict[str, str]:
        """Which they are, for a report: `source`, `part`, and the SHA-256 of their files."""
        each = "".join(f"{hashlib.sha256(file).hexdigest()}\n" for file in self.files)
        return {"source": self.source, "part": self.part, "sha256": hashlib.sha256(each.encode()).hexdigest()}


def read_photographs(
    model: keras.Model,
    record: Preprocessing,
    source: str | None,
    number: int,
    *,
    labels: Sequence[str] | None = None,
    outputs: Sequence[str] = (PROBABILITIES,),
    trained_on: Mapping[str, Any] | None = None,
) -> Photographs:
    """Return photographs and a network's answers to them.

    Of a source with parts of its own it is the part for testing, else that for validation. A folder of classes, a
    table and the bundled photographs are taken as a whole, except by a network that was trained on them: it is asked
    about those that it did not see.

    Args:
        model: the network as it was trained, ending in probabilities.
        record: how photographs become its input.
        source: as `read_source` takes it, or a folder of photographs without classes; None for the bundled ones.
        number: at most so many, spread evenly over the source.
        labels: names of the network's classes, in the order of its outputs; None to leave accuracy unknown.
        outputs: names of what artifacts are to answer, as of `deploy`.
        trained_on: settings of the run that the network comes from: `data` and `validation_fraction`.

    Raises:
        UsageError: no such source, or no such output.
        EfficientNetError: a source without photographs that can be read.
    """
    text = source or "sample"
    reference = _with_outputs(model, outputs)
    found, class_names, part = _read(text, record, number, trained_on or {})
    if not found:
        raise EfficientNetError(f"None of the records of {text!r} can be decoded.")
    names, files, pictures, classes = zip(*found, strict=True)
    pixels = np.stack(pictures)
    answers = [reference.predict_on_batch(pixels[row : row + CALL]) for row in range(0, len(pixels), CALL)]
    expected = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
    return Photographs(
        files=files,
        pixels=pixels,
        expected=np.asarray(expected.pop(PROBABILITIES), np.float32),
        others={name: np.asarray(answer, np.float32) for name, answer in expected.items()},
        outputs=tuple(outputs),
        names=names,
        targets=_targets(class_names, classes, labels, model.name),
        source=text,
        part=part,
    )


def _with_outputs(model: keras.Model, outputs: Sequence[str]) -> keras.Model:
    """Return a network that answers with its probabilities and with other outputs, by their names."""
    inner = {**inner_tensors(model), PROBABILITIES: model.outputs[0]}
    if LOGITS in outputs:
        inner[LOGITS] = _logits(model.layers[-1])
    return keras.Model(model.inputs[0], {name: inner[name] for name in dict.fromkeys((PROBABILITIES, *outputs))})


def _logits(last: keras.Layer) -> Any:
    """Return the tensor under the activation of a network's last layer."""
    if isinstance(last, layers.Softmax | layers.Activation):
        return last.input
    linear = type(last).from_config({**last.get_config(), "activation": "linear", "name": LOGITS})
    logits = linear(last.input)
    linear.set_weights(last.get_weights())
    return logits


def _read(
    source: str, record: Preprocessing, number: int, trained_on: Mapping[str, Any]
) -> tuple[list[_Photograph], Sequence[str] | None, str]:
    """Return photographs, the names of their classes or None, and which part of the source they are."""
    kind, path = parse_source(source)
    try:
        read, part = _part(source, kind, path, trained_on)
    except (UsageError, MissingDependencyError):
        raise
    except EfficientNetError:
        if kind != "folder":
            raise
        # Photographs without classes are enough to compare on.
        paths, skipped = readable_images([path])
        warn_of_skipped(skipped, source)
        plain = [paths[row] for row in spread(len(paths), number)]
        contents = [(file, Path(file).read_bytes()) for file in plain]
        return [(_short(file), data, _picture(data, record), None) for file, data in contents], None, "all"
    warn_of_skipped(read.skipped, source)
    rows = spread(len(read), number)
    if isinstance(read, Examples):
        chosen = [(read.paths[row], read.read(row), int(read.labels[row])) for row in rows]
        found: list[_Photograph] = [(_short(file), data, _picture(data, record), label) for file, data, label in chosen]
    else:
        found = list(_records(read, rows, record))
    return found, read.class_names, part


def _part(source: str, kind: str, path: str, trained_on: Mapping[str, Any]) -> tuple[Examples | Records, str]:
    own = trained_on.get("data") == source
    # Divided as it was for training, if this is what the run was trained on; whatever can be read is enough.
    options = {"validation_fraction": trained_on.get("validation_fraction", 0.2) if own else 0.2, "max_bad_files": 1.0}
    try:
        return read_source(source, "test", **options), "test"
    except (UsageError, MissingDependencyError):
        raise
    except EfficientNetError:
        held_out = read_source(source, "validation", **options) if own or _is_divided(kind, path) else None
    if held_out is not None:
        return held_out, "validation"
    whole = SAMPLE if kind == "sample" else source
    return _joined([read_source(whole, "train", **options), *_validation(whole, options)]), "all"


def _is_divided(kind: str, path: str) -> bool:
    return (Path(path) / "train").is_dir() if kind == "folder" else kind not in ("sample", "csv")


def _validation(source: str | Path, options: Mapping[str, Any]) -> list[Examples | Records]:
    try:
        return [read_source(source, "validation", **options)]
    except EfficientNetError:  # every class has a single image
        return []


def _joined(parts: Sequence[Examples | Records]) -> Examples:
    """Return the examples of both sides of a division, in the order of their paths."""
    examples = [part for part in parts if isinstance(part, Examples)]
    paths = [path for part in examples for path in part.paths]
    joined = dataclasses.replace(
        examples[0], paths=tuple(paths), labels=tuple(label for part in examples for label in part.labels)
    )
    return joined.take(sorted(range(len(paths)), key=paths.__getitem__))


def _records(records: Records, rows: Sequence[int], record: Preprocessing) -> Iterator[_Photograph]:
    """Yield some records, but those that cannot be decoded."""
    for part, offset in zip(records.parts, records.offsets, strict=True):
        wanted = [row - offset for row in rows if offset <= row < offset + part.take]
        if not wanted:
            continue
        dataset = records.open(tf.constant(part.file)).skip(part.skip).take(wanted[-1] + 1)
        try:
            for place, one in enumerate(dataset):
                if place not in wanted:
                    continue
                data, label = (value.numpy() for value in records.parse(one))
                try:
                    picture = _picture(data, record)
                except tf.errors.InvalidArgumentError:
                    continue
                yield records.describe(offset + place), data, picture, int(label)
        except tf.errors.OpError as error:
            raise EfficientNetError(f"{part.file!r} cannot be read: {' '.join(error.message.split())[:200]}") from error


def _picture(data: bytes, record: Preprocessing) -> Array:
    return np.asarray(decode_and_crop(tf.constant(data), record).numpy())


def _short(path: str) -> str:
    """Return the last two parts of a path: the class and the file."""
    return "/".join(Path(path).parts[-2:])


def _targets(
    class_names: Sequence[str] | None, classes: Sequence[int | None], labels: Sequence[str] | None, network: str
) -> Array | None:
    """Return the output that is right for each photograph; None where the classes are not the network's."""
    if class_names is None or labels is None:
        return None
    try:
        outputs = match_classes(class_names, labels, network)
    except EfficientNetError:
        return None
    return np.array([outputs[int(label or 0)] for label in classes])
