"""AugMix: its chains, its weights, and the picture that they make."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import numpy as np
import pytest
import tensorflow as tf
from augment_choices import assert_distributed, assert_frequencies, seeds
from augment_models import PILLOW
from augment_pictures import photographs

from efficientnet_tf.augment import augmenter
from efficientnet_tf.augment.mixtures import Mixture
from efficientnet_tf.augment.policies.levels import SPACES
from efficientnet_tf.augment.policies.tables import AUGMIX

Array = np.ndarray[Any, Any]

PICTURE = photographs()["aulaPalatina-97x131"]
MANY = 3000
ITSELF = "Identity"


def mixture(text: str) -> Mixture:
    (step,) = augmenter(text).steps
    return cast(Mixture, step)


def names_of(step: Mixture) -> Array:
    return np.array(step._dispatch.names)


def chosen(text: str, count: int = MANY) -> tuple[Array, Array, Array, Array]:
    """Return names and arguments [count, width, depth], weights [count, width] and shares [count]."""
    step = mixture(text)
    dataset = tf.data.Dataset.from_tensor_slices(seeds(count)).map(lambda seed: step._choose(tf.zeros([9, 9, 3]), seed))
    numbers, arguments, weights, shares = next(iter(dataset.batch(count).as_numpy_iterator()))
    return names_of(step)[numbers], arguments, weights, shares


def by_pillow(image: Array, name: str, argument: float) -> Array:
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
    if name == ITSELF:
        return image
    if name in ("AutoContrast", "Equalize"):
        return PILLOW[snake](image)
    return PILLOW[snake](image, int(argument) if name in ("Posterize", "Solarize") else argument)


@pytest.mark.parametrize("text", ["augmix", "augmix:severity=10,width=2,depth=4", "augmix:width=1,alpha=0.1"])
def test_the_picture_is_the_mean_of_its_chains(text: str) -> None:
    step, function = mixture(text), augmenter(text)
    for seed in seeds(8):
        numbers, arguments, weights, share = step._choose(tf.constant(PICTURE), tf.cast(seed, tf.int64))
        mixed = np.zeros(PICTURE.shape, np.float64)
        for chain, weight in enumerate(weights.numpy()):
            changed = PICTURE
            for number, argument in zip(numbers[chain].numpy(), arguments[chain].numpy(), strict=True):
                changed = by_pillow(changed, names_of(step)[number], float(argument))
            mixed += weight * changed.astype(np.float64)
        mixed = (1 - float(share)) * PICTURE + float(share) * mixed
        found = function(PICTURE, seed).numpy()
        # Exact but for sums that lie half-way between two values.
        assert np.abs(found - mixed).max() < 0.5001, function.describe(PICTURE, seed)


def test_operations_are_drawn_evenly_and_chains_have_one_to_three() -> None:
    names, _, _, _ = chosen("augmix")
    assert names.shape == (MANY, 3, 3)
    assert_frequencies(Counter(names[names != ITSELF].tolist()), dict.fromkeys(AUGMIX, 1 / 9))
    lengths = (names != ITSELF).sum(axis=2)
    assert_frequencies(Counter(lengths.ravel().tolist()), dict.fromkeys((1, 2, 3), 1 / 3))
    # A chain's operations are its first ones.
    assert (np.sort(names == ITSELF, axis=2) == (names == ITSELF)).all()


def test_chains_of_a_given_depth() -> None:
    names, _, weights, _ = chosen("augmix:width=5,depth=2", 200)
    assert names.shape == (200, 5, 2)
    assert weights.shape == (200, 5)
    assert (names != ITSELF).all()


@pytest.mark.parametrize("severity", [3.0, 10.0])
def test_levels_are_even_from_a_tenth_to_the_severity(severity: float) -> None:
    names, arguments, _, _ = chosen(f"augmix:severity={severity},depth=1")
    for name in ("ShearX", "Rotate"):
        found = arguments[names == name]
        assert_frequencies(Counter(np.sign(found).tolist()), {-1.0: 0.5, 1.0: 0.5})
        levels = np.abs(found) / SPACES["augmix"][name].slope * 10
        assert levels.min() >= 0.1
        assert_distributed(levels, (levels - 0.1) / (severity - 0.1))


def test_weights_are_of_dirichlet_s_and_beta_s_distributions() -> None:
    _, _, weights, shares = chosen("augmix")
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    for chain in range(3):
        # Each of three even weights has the distribution function 1 - (1 - w) ** 2.
        assert_distributed(weights[:, chain], 1 - (1 - weights[:, chain]) ** 2)
    assert_distributed(shares, shares)
    assert abs(np.corrcoef(weights[:, 0], shares)[0, 1]) < 4 / MANY**0.5


@pytest.mark.parametrize("alpha", [0.001, 100])
def test_extreme_alphas(alpha: float) -> None:
    _, _, weights, shares = chosen(f"augmix:alpha={alpha}", 500)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert ((shares >= 0) & (shares <= 1)).all()
    if alpha < 1:
        # One chain takes all, each as often as another.
        assert np.mean(weights.max(axis=1) > 0.999) > 0.95
        assert_frequencies(Counter(weights.argmax(axis=1).tolist()), dict.fromkeys(range(3), 1 / 3))
    else:
        assert np.abs(weights - 1 / 3).max() < 0.2
        assert np.abs(shares - 0.5).max() < 0.2


def test_description() -> None:
    (words,) = {augmenter("augmix:width=2,depth=1").describe(PICTURE, seed) for seed in seeds(1)}
    names, arguments, weights, shares = chosen("augmix:width=2,depth=1", 1)
    assert words.startswith(f"{1 - shares[0]:.2f} original + {shares[0] * weights[0, 0]:.2f} ({names[0, 0, 0]}")
    assert words.count(" + ") == 2
    assert arguments.shape == (1, 2, 1)
