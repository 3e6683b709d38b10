"""The grammar of `--data`: from one word, prefix or path to labelled images.

`grammar` tells the kind of a source, and a module of each kind reads it: into `Examples`, which are read by their
number (folders, tables, idx files, drawn pictures), or into `Records`, which come one after another (TFRecord files,
TensorFlow Datasets). Only reading records loads TensorFlow.

Every image file is decoded once before it is used; those that cannot be are counted and named, not used.
"""

from __future__ import annotations

import os

from efficientnet_tf.data.sources.checked import MAX_BAD_FILES
from efficientnet_tf.data.sources.csv_file import read_csv
from efficientnet_tf.data.sources.examples import SPLITS, Examples, Part, Records
from efficientnet_tf.data.sources.folder import SAMPLE, read_folder, read_sample
from efficientnet_tf.data.sources.grammar import FORMS, parse_source
from efficientnet_tf.data.sources.idx import read_idx
from efficientnet_tf.data.sources.synthetic import read_synthetic
from efficientnet_tf.data.sources.tfds_set import read_tfds
from efficientnet_tf.data.sources.tfrecord_files import read_tfrecords
from efficientnet_tf.errors import UsageError, require_tensorflow, unknown_name

__all__ = ["FORMS", "MAX_BAD_FILES", "SAMPLE", "SPLITS", "Examples", "Part", "Records", "parse_source", "read_source"]


def read_source(
    source: str | os.PathLike[str],
    split: str = "train",
    *,
    validation_fraction: float = 0.2,
    max_bad_files: float = MAX_BAD_FILES,
) -> Examples | Records:
    """Return the images of a source with their labels.

    Args:
        source: one of these.

            - `"sample"`, the bundled photographs.
            - A folder with one sub-folder per class, searched with its own sub-folders; or with `train/` and perhaps
              `val/` (or `validation/`) and `test/` of those. A folder that happens to be called sample is `"./sample"`.
            - `"csv:FILE"`, a table, see `csv_file.read_csv`.
            - `"tfds:NAME[:SPLIT]"`, a set of TensorFlow Datasets, see `tfds_set.read_tfds`.
            - `"tfrecord:GLOB"` or a folder of such files, see `tfrecord_files.read_tfrecords`.
            - `"idx:FOLDER"`, the files of MNIST, see `idx.read_idx`.
            - `"synthetic"` or `"synthetic:classes=10,count=256,size=224"`, pictures that are drawn.
        split: `"train"`, `"validation"` or `"test"`.
        validation_fraction: the part of every class that is for validation where the source does not say so,
            chosen by the rule of `splits`. Without effect on `"sample"`, whose division is fixed.
        max_bad_files: the share of the image files that may be missing, empty or damaged, of 1.

    Returns:
        `Examples`, or `Records` of `tfds:` and `tfrecord:`.

    Raises:
        UsageError: the source, the split or a fraction is none of these, or the path does not exist.
        EfficientNetError: the source holds nothing to use, too many files that cannot be used, or not the split that is
            asked for.

    >>> examples = read_source("sample", "validation")
    >>> len(examples), examples.class_names
    (48, ('animals', 'fishes', 'monuments', 'renewable', 'tools'))
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    if not 0 < validation_fraction < 1:
        raise UsageError(f"validation_fraction must lie between 0 and 1, got {validation_fraction}.")
    if not 0 <= max_bad_files <= 1:
        raise UsageError(f"max_bad_files must lie in 0...1, got {max_bad_files}.")
    kind, rest = parse_source(source)
    if kind in ("tfds", "tfrecord"):
        require_tensorflow()
        return (read_tfds if kind == "tfds" else read_tfrecords)(rest, split, validation_fraction=validation_fraction)
    if kind == "sample":
        return read_sample(split, max_bad_files=max_bad_files)
    if kind == "synthetic":
        return read_synthetic(rest, split)
    if kind == "idx":
        return read_idx(rest, split, validation_fraction=validation_fraction)
    read = read_csv if kind == "csv" else read_folder
    return read(rest, split, validation_fraction=validation_fraction, max_bad_files=max_bad_files)
