"""`tfds:NAME[:SPLIT]`: a set of TensorFlow Datasets, as that package prepares and keeps it."""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
import os
import re
from typing import TYPE_CHECKING, Any

from efficientnet_tf.data.sources.examples import Part, Records, no_split
from efficientnet_tf.data.sources.tfrecord_files import cut, open_file
from efficientnet_tf.errors import EfficientNetError, MissingDependencyError, UsageError

if TYPE_CHECKING:
    import tensorflow as tf

# A name with a configuration and a version, as tfds writes them, and an expression of its splits.
_FORM = re.compile(r"(?P<name>[A-Za-z]\w*(?:/[\w.-]+)*(?::[0-9*][0-9.*]*)?)(?::(?P<split>[A-Za-z].*))?")
_VALIDATION = ("validation", "test")


def read_tfds(text: str, split: str, *, validation_fraction: float) -> Records:
    """Return one split of a set, which is downloaded and prepared if it is not yet; `TFDS_DATA_DIR` says where.

    For training it is the expression that is given, or `train`. For validation it is the set's own `validation`, or
    its `test`, unless training is of that; without either the last records of training are held out. For testing it
    is `test`.

    Args:
        text: what follows `tfds:`, such as `"mnist"`, `"imagenet_v2/matched-frequency:3.0.0:test[:50%]"`.
        split: `"train"`, `"validation"` or `"test"`.
        validation_fraction: the part of training that is held out.

    Raises:
        MissingDependencyError: tensorflow-datasets is not installed.
        UsageError: the text is not of this form, or names no set or split.
        EfficientNetError: the set cannot be prepared, or has not one image and one label in each example.
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise UsageError(f"tfds:{text} is not of the form tfds:NAME[:SPLIT], such as tfds:mnist:train[:50%].")
    if importlib.util.find_spec("tensorflow_datasets") is None:
        raise MissingDependencyError(
            "tfds: needs TensorFlow Datasets, which is not installed. Run: pip install 'efficientnet_tf[tfds]'."
        )
    builder = _prepare(found["name"])
    reader = _Reader(builder, *_features(builder))
    training = found["split"] or "train"
    used = set(re.findall(r"[A-Za-z]\w*", re.sub(r"\[[^]]*\]", "", training)))
    if split == "test" and "test" not in builder.info.splits:
        raise no_split(f"tfds:{text}", split, "train, validation")
    # "all" holds every split, so that nothing is left to hold out but a part of it.
    held_out = () if "all" in used else _VALIDATION
    own = next((name for name in held_out if name in builder.info.splits and name not in used), None)
    if split == "test" or own:
        return reader.read({"train": training, "validation": own or "", "test": "test"}[split])
    records = reader.read(training)
    at = len(records) - int(len(records) * validation_fraction + 0.5)
    sides = cut(records.parts, at)
    if not all(sides):
        raise EfficientNetError(f"The {len(records)} records of tfds:{text} are too few to hold out a part of them.")
    return dataclasses.replace(records, parts=sides[split == "validation"])


class _Reader:
    """Reads splits of a set, leaving its images encoded."""

    def __init__(self, builder: Any, image: str, label: str) -> None:
        self._builder, self._image, self._label = builder, image, label

    def read(self, expression: str) -> Records:
        parts = self._files(expression)
        dataset = None if parts else self._whole(expression)
        if dataset is not None:
            parts = (Part(f"{self._builder.name}/{expression}", 0, int(dataset.cardinality())),)
        if sum(part.take for part in parts) < 1:
            raise EfficientNetError(f"{expression!r} of tfds:{self._builder.name} holds no example, or nobody knows.")
        return Records(
            parts=parts,
            class_names=tuple(self._builder.info.features[self._label].names),
            name=self._builder.name.replace("/", "-"),
            open=open_file if dataset is None else lambda file: dataset,
            parse=self._parse_serialized if dataset is None else self._parse,
        )

    def _files(self, expression: str) -> tuple[Part, ...]:
        """Return the TFRecord files of a split, or nothing where the set is not kept in such files."""
        import tensorflow as tf

        info = self._builder.info
        if not info.splits or info.file_format is None or info.file_format.value != "tfrecord":
            return ()
        try:
            instructions = info.splits[expression].file_instructions
        except (KeyError, ValueError, AssertionError) as error:
            raise UsageError(
                f"tfds:{self._builder.name} has no split {expression!r} ({_one_line(error)}). "
                f"Allowed: expressions of {', '.join(info.splits)}."
            ) from error
        parts = tuple(Part(str(one.filename), int(one.skip), int(one.take)) for one in instructions)
        return tuple(part for part in parts if part.take) if all(tf.io.gfile.exists(p.file) for p in parts) else ()

    def _whole(self, expression: str) -> tf.data.Dataset:
        """Return a split as tfds reads it, in its order: of other formats, and of its fake data, which has no files."""
        import tensorflow_datasets as tfds

        decoders = tfds.decode.PartialDecoding(
            {self._image: True, self._label: True}, decoders={self._image: tfds.decode.SkipDecoding()}
        )
        return self._builder.as_dataset(
            split=expression,
            decoders=decoders,
            shuffle_files=False,
            read_config=tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1),
        )

    def _parse_serialized(self, serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow_datasets as tfds

        return self._parse(
            self._builder.info.features.deserialize_example(
                serialized, decoders={self._image: tfds.decode.SkipDecoding()}
            )
        )

    def _parse(self, example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        return example[self._image], tf.cast(example[self._label], tf.int32)


def _prepare(name: str) -> Any:
    import tensorflow_datasets as tfds

    try:
        # By itself, the package looks at the variable once, when it is imported.
        builder = tfds.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR"))
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name.split("/")[0].split(":")[0], known, n=1, cutoff=0.6)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"TensorFlow Datasets has no {name!r}.{hint}") from error
    # What builders raise for a wrong configuration or version is of many kinds.
    except Exception as error:
        raise UsageError(f"TensorFlow Datasets cannot open {name!r}: {_one_line(error)}.") from error
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise EfficientNetError(f"tfds:{name} could not be downloaded and prepared: {_one_line(error)}.") from error
    return builder


def _features(builder: Any) -> tuple[str, str]:
    """Return the names of the one image and the one label that an example has."""
    import tensorflow_datasets as tfds

    features = dict(builder.info.features)
    names = []
    for kind, usual in ((tfds.features.Image, "image"), (tfds.features.ClassLabel, "label")):
        found = [name for name, feature in features.items() if isinstance(feature, kind)]
        if len(found) != 1 and usual not in found:
            listed = ", ".join(f"{name} ({type(feature).__name__})" for name, feature in features.items())
            raise EfficientNetError(
                f"tfds:{builder.name} has {len(found)} features of the kind {kind.__name__}, and one is needed. "
                f"Found: {listed}."
            )
        names.append(found[0] if len(found) == 1 else usual)
    return names[0], names[1]


def _one_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200].rstrip(".")
