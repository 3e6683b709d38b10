"""Folders of class folders, and the bundled photographs, which are one."""

from __future__ import annotations

import csv
import dataclasses
import os
from pathlib import Path

from efficientnet_tf.data.files import IMAGE_EXTENSIONS, Skipped, link_problem, list_images, scan
from efficientnet_tf.data.sources.checked import readable_rows
from efficientnet_tf.data.sources.examples import Examples, no_split, short_name
from efficientnet_tf.data.sources.grammar import FORMS
from efficientnet_tf.data.splits import validation_names
from efficientnet_tf.errors import EfficientNetError

#: The folder of the bundled photographs: 189 in 5 classes, all CC0 or in the public domain. `labels.csv` there gives
#: author, licence and address of each, `split.csv` its side.
SAMPLE = Path(__file__).parents[1] / "sample"

_SUBSETS = {"train": ("train",), "validation": ("val", "validation"), "test": ("test",)}


@dataclasses.dataclass(frozen=True)
class _Listing:
    """A folder of class folders, unopened: names are relative to it, as `class/file.jpg`."""

    folder: Path
    names: tuple[str, ...]
    skipped: tuple[Skipped, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted({_class_of(name) for name in self.names}))


def read_folder(path: str, split: str, *, validation_fraction: float, max_bad_files: float) -> Examples:
    """Return the images of one split of a folder.

    Raises:
        EfficientNetError: the folder has no images, no readable ones, too many that are damaged, a single class, or
            classes that are not in train/; or it has not the split that is asked for.
    """
    folder = Path(path)
    subsets = _subsets(folder)
    if not subsets:
        return _divide(
            folder, _list_classes(folder, folder), split, fraction=validation_fraction, max_bad_files=max_bad_files
        )
    training = _list_classes(subsets["train"], folder)
    if split == "train" and "validation" in subsets:
        return _examples(folder, training, training.names, training.classes, max_bad_files=max_bad_files)
    if split in subsets and split != "train":
        return _read_subset(folder, subsets[split], training, max_bad_files)
    return _divide(folder, training, split, fraction=validation_fraction, max_bad_files=max_bad_files)


def read_sample(split: str, *, max_bad_files: float) -> Examples:
    """Return the bundled photographs of one split.

    Raises:
        EfficientNetError: the split is `"test"`.
    """
    with (SAMPLE / "split.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    listing = _Listing(SAMPLE, tuple(row["file"] for row in rows), ())
    chosen = tuple(row["file"] for row in rows if row["split"] == split)
    if not chosen:
        raise no_split("sample", split, "train, validation")
    examples = _examples(SAMPLE, listing, chosen, listing.classes, max_bad_files=max_bad_files)
    return dataclasses.replace(examples, name="sample")


def _read_subset(folder: Path, subset: Path, training: _Listing, max_bad_files: float) -> Examples:
    listing = _list_classes(subset, folder, single_class_allowed=True)
    for name in listing.classes:
        if name not in training.classes:
            raise EfficientNetError(
                f"{str(subset)!r} has the class {name!r}, which {str(training.folder)!r} has not. "
                f"Allowed: {', '.join(training.classes)}."
            )
    return _examples(folder, listing, listing.names, training.classes, max_bad_files=max_bad_files)


def _divide(folder: Path, listing: _Listing, split: str, *, fraction: float, max_bad_files: float) -> Examples:
    """Divide the readable images of one folder of classes into training and validation."""
    if split == "test":
        raise no_split(repr(str(folder)), split, "train, validation")
    everything = _examples(folder, listing, listing.names, listing.classes, max_bad_files=max_bad_files)
    names = [Path(path).relative_to(listing.folder).as_posix() for path in everything.paths]
    chosen = validation_names(names, everything.labels, fraction)
    rows = [row for row, name in enumerate(names) if (name in chosen) == (split == "validation")]
    if not rows:
        raise EfficientNetError(f"No images for validation in {str(folder)!r}: every class has a single image.")
    return everything.take(rows)


def _examples(
    folder: Path, listing: _Listing, names: tuple[str, ...], classes: tuple[str, ...], *, max_bad_files: float
) -> Examples:
    """Check the named images of a listing and label those that can be read."""
    rows, broken = readable_rows(
        [str(listing.folder / name) for name in names],
        [_class_of(name) for name in names],
        repr(str(listing.folder)),
        place=lambda name: repr(str(listing.folder / name)),
        max_bad_files=max_bad_files,
    )
    index = {name: position for position, name in enumerate(classes)}
    return Examples(
        paths=tuple(str(listing.folder / names[row]) for row in rows),
        labels=tuple(index[_class_of(names[row])] for row in rows),
        class_names=classes,
        skipped=(*listing.skipped, *broken),
        name=short_name(folder),
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
