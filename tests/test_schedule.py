"""Learning rates, step by step."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest
from official_training import exponential_rate

from efficientnet_tf.errors import UsageError
from efficientnet_tf.training.schedule import PhasedSchedule, WarmupConstant, WarmupCosine, WarmupExponential

SCHEDULES = {
    "cosine": WarmupCosine(0.3, 100, warmup_steps=10, head_steps=20, head_learning_rate=0.7),
    "exponential": WarmupExponential(
        0.3, decay_steps=7.5, decay_rate=0.9, warmup_steps=10, head_steps=20, head_learning_rate=0.7
    ),
    "constant": WarmupConstant(0.3, warmup_steps=10, head_steps=20, head_learning_rate=0.7),
}


def rates(schedule: PhasedSchedule, steps: int) -> list[float]:
    return [float(schedule(step)) for step in range(steps)]


def test_the_paper_on_imagenet():
    """Batch 4096, 350 epochs, in steps of which an epoch has 312.8: the official settings."""
    epoch = 1281167 / 4096
    schedule = WarmupExponential(0.256, decay_steps=2.4 * epoch, decay_rate=0.97, warmup_steps=int(5 * epoch))
    steps = [0, 1, 750, 751, 1562, 1563, 1564, 2252, 2253, 50_000, 109_474]
    expected = [
        exponential_rate(step, peak=0.256, decay_steps=2.4 * epoch, warmup_steps=int(5 * epoch)) for step in steps
    ]
    np.testing.assert_allclose([float(schedule(step)) for step in steps], expected, rtol=1e-6, atol=0)
    assert expected[0] == 0
    assert expected[5] == pytest.approx(0.256 * 0.97**2)  # not the peak: two falls are past when the warm-up ends


@pytest.mark.parametrize(("warmup", "decay_steps"), [(0, 7), (10, 7), (10, 2.4), (3, 50)])
def test_exponential_step_by_step(warmup, decay_steps):
    schedule = WarmupExponential(0.3, decay_steps=decay_steps, decay_rate=0.9, warmup_steps=warmup)
    expected = [
        exponential_rate(step, peak=0.3, decay_steps=decay_steps, decay_rate=0.9, warmup_steps=warmup)
        for step in range(60)
    ]
    np.testing.assert_allclose(rates(schedule, 60), expected, rtol=1e-6, atol=0)


def test_everything_is_counted_from_the_end_of_the_first_phase():
    for name, expected in {
        "exponential": [
            exponential_rate(s, peak=0.3, decay_steps=7.5, decay_rate=0.9, warmup_steps=10) for s in range(30)
        ],
        "constant": [0.3 * min(s / 10, 1) for s in range(30)],
    }.items():
        found = rates(SCHEDULES[name], 50)
        np.testing.assert_allclose(found[:20], [0.7] * 20, rtol=1e-6)
        np.testing.assert_allclose(found[20:], expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_round_trip_and_scaling(name):
    schedule = SCHEDULES[name]
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert type(copy) is type(schedule)
    assert isinstance(copy, PhasedSchedule)
    assert copy.get_config() == schedule.get_config()
    half = schedule.scaled(0.5)
    assert (half.learning_rate, half.head_learning_rate, half.head_steps) == (0.15, 0.35, 20)
    np.testing.assert_allclose(rates(half, 60), np.multiply(0.5, rates(schedule, 60)), rtol=1e-6)
    assert schedule.learning_rate == 0.3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: WarmupExponential(0.1, decay_steps=0, decay_rate=0.9),
            "An exponential schedule needs decay_steps > 0 and 0 < decay_rate <= 1, got 0 and 0.9.",
        ),
        (
            lambda: WarmupExponential(0.1, decay_steps=10, decay_rate=1.5),
            "An exponential schedule needs decay_steps > 0 and 0 < decay_rate <= 1, got 10 and 1.5.",
        ),
        (
            lambda: WarmupConstant(0.1, warmup_steps=-1),
            "A schedule needs head_steps >= 0 and warmup_steps >= 0, got 0 steps for the head, -1 of warm-up.",
        ),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        make()


def test_in_an_optimizer_it_goes_by_the_steps_done():
    variable = keras.Variable(0.0)
    optimizer = keras.optimizers.SGD(WarmupConstant(0.4, warmup_steps=2, head_steps=1, head_learning_rate=0.1))
    values = []
    for _ in range(5):
        optimizer.apply([1.0], [variable])
        values.append(float(variable.numpy()))
    np.testing.assert_allclose(values, [-0.1, -0.1, -0.3, -0.7, -1.1], rtol=1e-6)
