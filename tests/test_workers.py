"""Two processes that train one network over the loopback interface."""

from __future__ import annotations

import numpy as np
import pytest
from distributed_training import furthest, run

#: The first from a source of the program, in its order of an epoch; the others from memory, which is quicker.
JOBS = [
    {},
    *(
        {**job, "in_memory": True}
        for job in (
            {},
            {"steps_per_execution": 4, "accumulation": 3},
            {"jit_compile": True},
            {"statistics": "synchronised", "accumulation": 2},
            {"statistics": "averaged"},
            {"statistics": "averaged", "precision": "bfloat16"},
            {"statistics": "averaged", "precision": "float16"},
            {"plain": True},
        )
    ),
]
SYNCHRONISED, AVERAGED, BFLOAT16, FLOAT16, PLAIN = range(4, 9)


@pytest.mark.slow
def test_two_workers_train_as_one(tmp_path):
    """Without batch normalisation: the same weights, and figures that are of all pictures, on both."""
    [[(alone, history)]] = run(tmp_path / "one", "single", [{"in_memory": True}])
    one, other = run(tmp_path / "two", "auto", [{"in_memory": True}], workers=2)
    assert furthest(one[0][0], alone) <= 1e-5
    assert furthest(one[0][0], other[0][0]) == 0.0
    assert one[0][1] == other[0][1]
    for name, values in history.items():
        np.testing.assert_allclose(one[0][1][name], values, rtol=1e-5)


@pytest.mark.slow
def test_two_workers_in_every_way(tmp_path):
    [alone] = run(tmp_path / "one", "single", JOBS[:PLAIN])
    one, other = run(tmp_path / "two", "auto", JOBS, workers=2)
    for number in range(PLAIN):
        assert furthest(one[number][0], other[number][0]) == 0.0, JOBS[number]
        assert one[number][1] == other[number][1], JOBS[number]
    for number, same in enumerate((0, 1, 1, 1)):
        assert furthest(one[number][0], alone[same][0]) <= 1e-5, JOBS[number]
    # Sums in another order, which the variance's root and momentum carry through 20 steps. Parts of two pictures on
    # each of two workers are parts of four.
    assert furthest(one[SYNCHRONISED][0], alone[SYNCHRONISED][0]) <= 1e-4
    # Normalised by four pictures instead of eight it is another network, trained on the same pictures.
    assert one[AVERAGED][1]["loss"][-1] == pytest.approx(alone[AVERAGED][1]["loss"][-1], rel=0.1)
    for number in (BFLOAT16, FLOAT16):
        assert one[number][1]["loss"][-1] == pytest.approx(one[AVERAGED][1]["loss"][-1], rel=0.02)
    # Once Keras can do this itself, what `stepping` does for it can go.
    assert isinstance(one[PLAIN][1], str), "Keras' own fit now works on several workers"
