"""The grammar of `--data`: from one word or path to files with labels; without TensorFlow.

Every image is decoded once before it is used; those that cannot be are counted and named, not used.
"""

from __future__ import annotations

import csv
import dataclasses
import os
import re
from pathlib import Path

from efficientnet_tf.data.checking import check_images
from efficientnet_tf.data.files import IMAGE_EXTENSIONS, Skipped, link_problem, list_images, none_readable, scan
from efficientnet_tf.data.splits import validation_names
from efficientnet_tf.errors import EfficientNetError, UsageError, unknown_name

SPLITS = ("train", "validation", "test")

#: What a source may be, for error messages and help.
FORMS = (
    "'sample' (the bundled photographs); a folder with one sub-folder of images per class; "
    "a folder with train/ and, if wanted, val/ (or validation/) and test/ of such sub-folders"
)

#: The folder of the bundled photographs: 189 in 5 classes, all CC0 or in the public domain. `labels.csv` there gives
#: author, licence and address of each, `split.csv` its side.
SAMPLE = Path(__file__).with_name("sample")

_SUBSETS = {"train": ("train",), "validation": ("val", "validation"), "test": ("test",)}


@dataclasses.dataclass(frozen=True)
class Examples:
    """Labelled image files.

    Attributes:
        paths: one file each.
        labels: the class of each, as an index into `class_names`.
        class_names: sorted names of the folders.
        skipped: files that were left out, each with the reason. Where one folder was divided into training and
            validation, both sides name what was skipped in all of it.
        name: a short name of the source, fit for a folder of its own.
    """

    paths: tuple[str, ...]
    labels: tuple[int, ...]
    class_names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    name: str

    def __len__(self) -> int:
        return len(self.paths)


@dataclasses.dataclass(frozen=True)
class _Listing:
    """A folder of class folders, unopened: names are relative to it, as `class/file.jpg`."""

    folder: Path
    names: tuple[str, ...]
    skipped: tuple[Skipped, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({_class_of(name) for name in self.names}))


def read_source(source: str | os.PathLike[str], split: str = "train", *, validation_fraction: float = 0.2) -> Examples:
    """Return the images of a source with their labels.

    Args:
        source: `"sample"`, or a folder. The folder has one sub-folder per class, searched with its own sub-folders,
            or `train/` and perhaps `val/` (or `validation/`) and `test/` of those. A folder that happens to be
            called sample is `"./sample"`.
        split: `"train"`, `"validation"` or `"test"`.
        validation_fraction: the part of every class that is for validation where the folder does not say so,
            chosen by the rule of `splits`. Without effect on `"sample"`, whose division is fixed.

    Raises:
        UsageError: the source, the split or the fraction is none of these, or the path does not exist.
        EfficientNetError: the folder has no images, no readable ones, a single class, or classes that are not in
            train/; or it has not the split that is asked for.

    >>> examples = read_source("sample", "validation")
    >>> len(examples), examples.class_names
    (48, ('animals', 'fishes', 'monuments', 'renewable', 'tools'))
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    if not 0 < validation_fraction < 1:
        raise UsageError(f"validation_fraction must lie between 0 and 1, got {validation_fraction}.")
    text = os.fspath(source)
    if text == "sample":
        return _read_sample(split)
    if not os.path.exists(text):
        raise UsageError(f"No such data: {text!r}. Allowed: {FORMS}.")
    if not os.path.isdir(text):
        raise UsageError(f"{text!r} is a file. Allowed: {FORMS}.")
    folder = Path(text)
    subsets = _subsets(folder)
    if not subsets:
        return _divide(folder, _list_classes(folder, folder), split, validation_fraction)
    training = _list_classes(subsets["train"], folder)
    if split == "train" and "validation" in subsets:
        return _examples(folder, training, training.names, training.classes)
    if split in subsets and split != "train":
        return _read_subset(folder, subsets[split], training)
    return _divide(folder, training, split, validation_fraction)


def _read_sample(split: str) -> Examples:
    with (SAMPLE / "split.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    listing = _Listing(SAMPLE, tuple(row["file"] for row in rows), ())
    chosen = tuple(row["file"] for row in rows if row["split"] == split)
    if not chosen:
        raise _no_split("sample", split, "train, validation")
    return dataclasses.replace(_examples(SAMPLE, listing, chosen, listing.classes), name="sample")


def _read_subset(folder: Path, subset: Path, training: _Listing) -> Examples:
    listing = _list_classes(subset, folder, single_class_allowed=True)
    for name in listing.classes:
        if name not in training.classes:
            raise EfficientNetError(
                f"{str(subset)!r} has the class {name!r}, which {str(training.folder)!r} has not. "
                f"Allowed: {', '.join(training.classes)}."
            )
    return _examples(folder, listing, listing.names, training.classes)


def _divide(folder: Path, listing: _Listing, split: str, fraction: float) -> Examples:
    """Divide the readable images of one folder of classes into training and validation."""
    if split == "test":
        raise _no_split(repr(str(folder)), split, "train, validation")
    everything = _examples(folder, listing, listing.names, listing.classes)
    names = [Path(path).relative_to(listing.folder).as_posix() for path in everything.paths]
    chosen = validation_names(names, everything.labels, fraction)
    rows = [row for row, name in enumerate(names) if (name in chosen) == (split == "validation")]
    if not rows:
        raise EfficientNetError(f"No images for validation in {str(folder)!r}: every class has a single image.")
    return dataclasses.replace(
        everything,
        paths=tuple(everything.paths[row] for row in rows),
        labels=tuple(everything.labels[row] for row in rows),
    )


def _examples(folder: Path, listing: _Listing, names: tuple[str, ...], classes: tuple[str, ...]) -> Examples:
    """Check the named images of a listing and label those that can be read."""
    paths = [str(listing.folder / name) for name in names]
    reasons = check_images(paths)
    broken = [(path, reason) for path, reason in zip(paths, reasons, strict=True) if reason]
    readable = [name for name, reason in zip(names, reasons, strict=True) if not reason]
    if not readable:
        raise EfficientNetError(none_readable(repr(str(listing.folder)), broken))
    # A class of which nothing is left would be trained on nothing.
    for empty in sorted({_class_of(name) for name in names} - {_class_of(name) for name in readable}):
        place = listing.folder / empty
        raise EfficientNetError(
            none_readable(repr(str(place)), [row for row in broken if place in Path(row[0]).parents])
        )
    index = {name: position for position, name in enumerate(classes)}
    return Examples(
        paths=tuple(str(listing.folder / name) for name in readable),
        labels=tuple(index[_class_of(name)] for name in readable),
        class_names=classes,
        skipped=(*listing.skipped, *broken),
        name=_short_name(folder),
    )


def _list_classes(folder: Path, root: Path, *, single_class_allowed: bool = False) -> _Listing:
    """List a folder of class folders; a sub-folder without images is no class, and is named as skipped.

    `root` is the whole source, which links must not lead out of.
    """
    names: list[str] = []
    skipped: list[Skipped] = []
    for entry in scan(folder):
        problem = link_problem(entry, os.path.realpath(root))
        is_image = entry.name.lower().endswith(IMAGE_EXTENSIONS)
        if problem and (is_image or entry.is_dir()):
            skipped.append((entry.path, problem))
        elif entry.is_dir():
            found, passed_over = list_images(Path(entry.path), root)
            names += [f"{entry.name}/{name}" for name in found]
            skipped += passed_over
            if not found:
                skipped.append((entry.path, "a folder without images"))
        elif is_image:
            skipped.append((entry.path, "not in the folder of a class"))
    listing = _Listing(folder, tuple(names), tuple(skipped))
    for name in listing.classes:
        if not name.isprintable():
            raise EfficientNetError(f"The class folder {name!r} in {str(folder)!r} cannot name a class.")
    if not names:
        left_out = f" ({len(skipped)} left out, the first: {skipped[0][0]!r}, {skipped[0][1]})" if skipped else ""
        raise EfficientNetError(f"No images in the sub-folders of {str(folder)!r}{left_out}. Allowed: {FORMS}.")
    if len(listing.classes) == 1 and not single_class_allowed:
        raise EfficientNetError(f"{str(folder)!r} has a single class, {listing.classes[0]!r}; two or more are needed.")
    return listing


def _subsets(folder: Path) -> dict[str, Path]:
    """Return the folders of the splits, or nothing if the folder holds classes.

    A folder called train that holds images, not folders, is a class, of railway photographs perhaps.
    """
    subfolders = [entry.name for entry in scan(folder) if entry.is_dir(follow_symlinks=False)]
    known = {split: [name for name in names if name in subfolders] for split, names in _SUBSETS.items()}
    names_known = [name for names in known.values() for name in names]
    of_classes = [name for name in names_known if any(entry.is_dir() for entry in scan(folder / name))]
    if not of_classes:
        return {}
    if "train" not in of_classes:
        raise EfficientNetError(f"{str(folder)!r} has {of_classes[0]}/ but no train/ of classes. Allowed: {FORMS}.")
    others = [name for name in subfolders if name not in names_known] + known["validation"][1:]
    if others:
        raise EfficientNetError(
            f"{str(folder)!r} has train/ and {others[0]}/. Allowed beside train/: val/ or validation/, and test/."
        )
    return {split: folder / names[0] for split, names in known.items() if names}


def _class_of(name: str) -> str:
    return name.split("/", 1)[0]


def _short_name(folder: Path) -> str:
    return re.sub(r"[^\w.-]+", "-", Path(os.path.realpath(folder)).name).strip("-.") or "data"


def _no_split(where: str, split: str, allowed: str) -> EfficientNetError:
    return EfficientNetError(f"{where} has no images for {split!r}. Allowed: {allowed}.")
