"""What `--data` may be: one grammar for every command and for Python."""

from __future__ import annotations

import difflib
import os
import re

from efficientnet_tf.errors import UsageError, unknown_name

#: What a source may be, for error messages and help.
FORMS = (
    "'sample' (the bundled photographs); a folder with one sub-folder of images per class; "
    "a folder with train/ and, if wanted, val/ (or validation/) and test/ of such sub-folders; "
    "csv:FILE (columns file, label and, if wanted, split); tfds:NAME[:SPLIT] (TensorFlow Datasets); "
    "tfrecord:GLOB or tfrecord:FOLDER (ImageNet's layout); idx:FOLDER (MNIST's files); "
    "synthetic or synthetic:classes=10,count=256,size=224"
)

#: Kinds that are told by a word: those that stand alone, and those that take something after a colon.
_ALONE = ("sample", "synthetic")
_PREFIXES = ("csv", "idx", "synthetic", "tfds", "tfrecord")


def parse_source(source: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the kind of a source, and what is said after its prefix; of a folder, its path.

    A path that exists is that path, whatever it is called, except for the bare words.

    Raises:
        UsageError: it is none of `FORMS`, or the path does not exist.

    >>> parse_source("csv:flowers/labels.csv")
    ('csv', 'flowers/labels.csv')
    >>> parse_source("tfsd:mnist")
    Traceback (most recent call last):
    efficientnet_tf.errors.UsageError: Unknown kind of data 'tfsd'. Did you mean 'tfds'? Allowed: csv, idx, synthetic,
    tfds, tfrecord.
    """
    text = os.fspath(source)
    if text in _ALONE:
        return text, ""
    if os.path.isdir(text):
        return "folder", text
    # Two letters or more: a single one is a drive.
    found = re.match(r"([A-Za-z][\w-]+):(.*)", text, re.DOTALL)
    if found and found[1] in _PREFIXES and found[2]:
        return found[1], found[2]
    if os.path.exists(text):
        raise UsageError(f"{text!r} is a file. Allowed: {FORMS}.")
    if found and found[1] not in _PREFIXES and not os.path.dirname(found[1]):
        raise unknown_name("kind of data", found[1], _PREFIXES)
    close = difflib.get_close_matches(text, _ALONE, n=1, cutoff=0.7)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UsageError(f"No such data: {text!r}.{hint} Allowed: {FORMS}.")
