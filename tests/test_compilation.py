"""Whether XLA compiles a training step: who decides, and that trying both leaves no trace."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import efficientnet_tf as efn
from efficientnet_tf.config import TrainConfig
from efficientnet_tf.training import compilation, distribution
from efficientnet_tf.training.compilation import choose_compilation, step_seconds


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = efn.EfficientNet("tiny", weights=None, image_size=32, classes=3)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model


def choose(model, jit="auto", *, synchronised=False):
    return choose_compilation(jit, model, 4, strategy=None, synchronised=synchronised)


def test_on_and_off_are_not_measured(model):
    assert choose(model, "on") is True
    assert choose(model, "off") is False


def test_processors_do_without(model, monkeypatch):
    monkeypatch.setattr(compilation, "step_seconds", lambda *_, **__: pytest.fail("measured"))
    assert choose(model) is False


def test_a_gpu_takes_what_is_faster_and_says_so(model, monkeypatch, capsys):
    monkeypatch.setattr(compilation, "_has_gpu", lambda: True)
    monkeypatch.setattr(compilation, "step_seconds", lambda *_, **__: {True: 0.02, False: 0.03})
    assert choose(model) is True
    assert capsys.readouterr().out == ("A training step takes 20 ms compiled by XLA and 30 ms otherwise: --jit=on.\n")
    monkeypatch.setattr(compilation, "step_seconds", lambda *_, **__: {True: 0.04, False: 0.03})
    assert choose(model) is False


def test_what_xla_cannot_compile_stays_as_it_is(model, monkeypatch, capsys):
    def fail(*_, **__):
        raise tf.errors.InvalidArgumentError(None, None, "Trying to access\nresource")

    monkeypatch.setattr(compilation, "_has_gpu", lambda: True)
    monkeypatch.setattr(compilation, "step_seconds", fail)
    assert choose(model) is False
    assert re.fullmatch(
        "Steps could not be timed, so XLA stays off: Trying to access resource.*\n",
        capsys.readouterr().out,
    )


def test_synchronised_statistics_are_not_compiled(model, monkeypatch):
    monkeypatch.setattr(compilation, "_has_gpu", lambda: True)
    monkeypatch.setattr(compilation, "step_seconds", lambda *_, **__: {True: 0.02, False: 0.03})
    monkeypatch.setattr(distribution, "replicas", lambda _: 2)
    assert choose(model, synchronised=True) is False
    assert choose(model) is True


@pytest.mark.slow
def test_trying_both_leaves_the_model_as_it_was(model):
    """Really both ways, on this machine's processor."""
    before = [np.array(variable) for variable in (*model.variables, *model.optimizer.variables)]
    seconds = step_seconds(model, 4, strategy=None)
    assert set(seconds) == {False, True}
    assert min(seconds.values()) > 0
    after = [np.array(variable) for variable in (*model.variables, *model.optimizer.variables)]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert not model.jit_compile
    # And it trains.
    images, labels = np.ones((4, 32, 32, 3), "float32"), np.eye(3, dtype="float32")[[0, 1, 2, 0]]
    model.fit(images, labels, verbose=0)
    assert int(model.optimizer.iterations) == 1


def test_a_training_keeps_to_what_it_found_where_that_can_be(model, monkeypatch):
    def again(**options):
        return choose_compilation("auto", model, 4, strategy=None, **{"synchronised": False, "before": True, **options})

    monkeypatch.setattr(compilation, "step_seconds", lambda *_, **__: pytest.fail("measured"))
    assert again() is False  # a processor
    monkeypatch.setattr(compilation, "_has_gpu", lambda: True)
    assert again() is True
    assert again(before=False) is False
    monkeypatch.setattr(distribution, "replicas", lambda _: 2)
    assert again(synchronised=True) is False


def test_unknown_wish():
    with pytest.raises(efn.errors.UsageError) as raised:
        TrainConfig(data="sample", jit="yes")
    assert str(raised.value) == "Unknown jit 'yes'. Allowed: auto, on, off."
