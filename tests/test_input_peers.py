"""Those that the input's speed is held against do the work that they are said to do."""

from __future__ import annotations

import re

import numpy as np
import official_augmentation
import pytest
import tensorflow as tf
from augment_pictures import sample
from PIL import Image

from efficientnet_tf.augment import ops
from efficientnet_tf.augment.policies.levels import SPACES
from efficientnet_tf.augment.policies.tables import RANDAUGMENT
from efficientnet_tf.benchmarking import input_peers, official_augment, pillow_augment
from efficientnet_tf.benchmarking.photographs import read_photographs
from efficientnet_tf.errors import MissingDependencyError

SNAKE = {name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in RANDAUGMENT}
WITHOUT_ARGUMENT = ("AutoContrast", "Equalize", "Invert")


def photograph():
    return np.array(Image.fromarray(sample(40, 48)[0]).resize((32, 32)))


def test_timm_is_named_where_it_is_not_installed(monkeypatch):
    pillow_augment._timm_module.cache_clear()
    monkeypatch.setattr(pillow_augment.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"^timm is not installed\. Run: pip install timm\.$"):
        pillow_augment.timm_policy("rand-m10-n2")


def test_the_model_garden_is_named_where_it_is_not_installed():
    message = "tf-models-official cannot be imported: No module named 'official'."
    with pytest.raises(MissingDependencyError, match=f"^{re.escape(message)}$"):
        input_peers.model_garden("autoaugment")


@pytest.mark.parametrize("name", [name for name in RANDAUGMENT if name != "Cutout"])
def test_pillow_does_what_we_do(name):
    ramp = SPACES["fixed"][name]
    image = photograph()
    argument = ramp.at(6) * (32 if ramp.of_side else 1)
    arguments = () if name in WITHOUT_ARGUMENT else (argument,)
    theirs = np.asarray(pillow_augment.OPERATIONS[name](Image.fromarray(image), argument))
    assert np.array_equal(theirs, getattr(ops, SNAKE[name])(image, *arguments))


@pytest.mark.parametrize("name", [name for name in RANDAUGMENT if name != "Cutout"])
def test_the_official_graph_computes_the_official_arithmetic(name):
    ramp = SPACES["legacy_randaugment"][name]
    image = photograph()
    argument = int(ramp.at(6)) if ramp.whole else ramp.at(6)
    arguments = () if name in WITHOUT_ARGUMENT else (argument,)
    theirs = tf.function(lambda: official_augment.OPERATIONS[name](tf.constant(image), argument))()
    assert np.array_equal(theirs, official_augmentation.OFFICIAL[SNAKE[name]](tf.constant(image), *arguments))


def test_a_cutout_of_the_official_graph_is_grey_and_of_its_size():
    image = tf.zeros([64, 64, 3], tf.uint8)
    hidden = tf.function(lambda: official_augment.OPERATIONS["Cutout"](image, 8))().numpy()
    rows_, columns = np.nonzero(hidden[..., 0] == 128)
    assert 8 <= np.ptp(rows_) + 1 <= 16
    assert 8 <= np.ptp(columns) + 1 <= 16
    assert set(np.unique(hidden)) == {0, 128}


@pytest.mark.parametrize("batched", [False, True])
def test_keras_input_is_made_of_pictures_of_the_same_size(batched):
    photographs = read_photographs("sample", 4)
    dataset = input_peers.keras_input(photographs, 8, 4, side=32, augment=False, batched=batched)
    assert [images.shape for images in dataset] == [(4, 32, 32, 3)] * 2
