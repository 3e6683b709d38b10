"""MixUp and CutMix: the distributions of their weights, and labels that say what is really in a picture."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from augment_choices import KOLMOGOROV, assert_distributed
from augment_pictures import sample
from scipy import stats

from efficientnet_tf.augment import augmenter
from efficientnet_tf.augment.drawing import beta
from efficientnet_tf.augment.mixing import BatchMixer

Array = np.ndarray[Any, Any]

ALPHAS = (0.2, 1.0, 8.0, 0.001)
MANY = 40_000
SIDES = (16, 24)
SEED = tf.constant([3, 1], tf.int64)
MIXES = ("mixup:0.2", "mixup:8", "cutmix:0.2", "cutmix:1", "mixup:0.8+cutmix:1")


def mixer(text: str) -> BatchMixer:
    result = augmenter(text).mixer
    assert result is not None
    return result


@functools.cache
def photographs() -> Array:
    return np.stack(sample(*SIDES)[:7])


def colours(count: int, height: int = SIDES[0], width: int = SIDES[1]) -> Array:
    """Return pictures of one colour each, no two alike: uint8 [count, height, width, 3]."""
    values = np.stack([np.arange(count) % 251, np.arange(count) // 251, np.full(count, 9)], axis=1)
    return np.broadcast_to(values[:, np.newaxis, np.newaxis].astype(np.uint8), (count, height, width, 3)).copy()


def mixed(text: str, images: Array, seed: tf.Tensor = SEED) -> tuple[Array, Array]:
    """Return pictures and labels of a batch in which every picture has a class of its own."""
    pictures, labels = mixer(text)(images, tf.eye(len(images)), seed)
    assert (pictures.dtype, labels.dtype) == (tf.uint8, tf.float32)
    assert labels.shape == (len(images), len(images))
    return pictures.numpy(), labels.numpy()


def own_shares(labels: Array) -> Array:
    """Return the weight of each picture's own class, after a look at all the others."""
    count = len(labels)
    own, partner = np.arange(count), np.arange(count)[::-1]
    assert (labels >= 0).all()
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(labels[own, own][own == partner], 1, atol=1e-6)
    others = labels.copy()
    others[own, own] = others[own, partner] = 0
    assert not others.any()
    return labels[own, own]


def assert_beta(values: Array, alpha: float) -> None:
    """Hold values against the distribution function of Beta(alpha, alpha), just below each value as well as at it."""
    ordered = np.sort(values.astype(np.float64))
    steps = np.arange(len(ordered) + 1) / len(ordered)
    here = stats.beta.cdf(ordered, alpha, alpha)
    # With a small alpha half of them are so near to 1 that float32 calls them 1: there the step is part of it.
    before = stats.beta.cdf(np.nextafter(ordered.astype(np.float32), np.float32(-1)).astype(float), alpha, alpha)
    after = stats.beta.cdf(np.nextafter(ordered.astype(np.float32), np.float32(2)).astype(float), alpha, alpha)
    distance = max(np.max(steps[1:] - np.maximum(here, after)), np.max(np.minimum(here, before) - steps[:-1]))
    assert distance * len(ordered) ** 0.5 < KOLMOGOROV


@pytest.mark.parametrize("alpha", [*ALPHAS, 100.0])
def test_beta(alpha: float) -> None:
    found = beta(SEED, MANY, alpha).numpy()
    assert found.dtype == np.float64
    assert found.min() >= 0
    assert found.max() <= 1
    assert_beta(found, alpha)
    # Whichever of the two Gamma variables is larger.
    assert abs(np.mean(found > 0.5) - 0.5) < 4 * 0.5 / MANY**0.5
    if alpha >= 0.2:
        assert_distributed(found, stats.beta.cdf(found, alpha, alpha))


@pytest.mark.parametrize("alpha", ALPHAS)
def test_mixup_s_weights_are_beta_s_and_each_picture_s_own(alpha: float) -> None:
    labels = mixed(f"mixup:{alpha}", colours(1500, 2, 2))[1]
    own = own_shares(labels)
    assert_beta(own, alpha)
    # Not one weight for the whole batch, nor the same for both of a pair.
    assert len(np.unique(np.round(own[(own > 0.01) & (own < 0.99)], 6))) > (1000 if alpha >= 1 else 0)
    assert abs(np.corrcoef(own[:750], own[:749:-1])[0, 1]) < 4 / 750**0.5


def test_a_tiny_alpha_leaves_pictures_whole() -> None:
    own = own_shares(mixed("mixup:0.001", colours(1000, 2, 2))[1])
    assert np.mean((own < 1e-6) | (own > 1 - 1e-6)) > 0.95
    assert 0.45 < own.mean() < 0.55


@pytest.mark.parametrize("alpha", ALPHAS)
def test_cutmix_s_shares_are_those_of_the_paper_s_rectangles(alpha: float) -> None:
    """Area by Beta's distribution, shape of the picture, even centre, cut off at the border: drawn by NumPy as well."""
    count, side = 2000, 32
    found = np.sort(own_shares(mixed(f"cutmix:{alpha}", colours(count, side, side))[1]).astype(np.float64))
    generator = np.random.RandomState(4)
    half = np.sqrt(1 - generator.beta(alpha, alpha, 50 * count))[:, np.newaxis] * side / 2
    center = generator.uniform(0, side, (50 * count, 2))
    ends = np.clip(np.round(center + half), 0, side) - np.clip(np.round(center - half), 0, side)
    model = np.sort(1 - ends.prod(axis=1) / side**2)
    # Shares are of whole pixels, so that many are equal; float32 has them to a millionth.
    points = np.unique(np.round(model, 6)) + 1e-5
    distances = np.searchsorted(found, points) / len(found) - np.searchsorted(model, points) / len(model)
    assert np.abs(distances).max() < KOLMOGOROV / count**0.5


@pytest.mark.parametrize("count", [64, 65])
@pytest.mark.parametrize("text", ["cutmix:0.2", "cutmix:1", "cutmix:8"])
def test_cutmix_s_labels_are_the_real_shares_of_pixels(text: str, count: int) -> None:
    images = colours(count)
    pictures, labels = mixed(text, images)
    own = own_shares(labels)
    assert len(np.unique(own)) > 10
    for place in range(count):
        other = count - 1 - place
        is_own = (pictures[place] == images[place]).all(axis=-1)
        is_other = (pictures[place] == images[other]).all(axis=-1)
        assert (is_own | is_other).all()
        assert abs(own[place] - is_own.mean()) < 1e-6
        if place != other:
            rows, columns = (~is_own).any(axis=1), (~is_own).any(axis=0)
            np.testing.assert_array_equal(~is_own, rows[:, np.newaxis] & columns)
            for line in (rows, columns):
                # One piece.
                assert np.count_nonzero(np.diff(np.pad(line, 1).astype(int)) == 1) <= 1


def test_cutmix_s_rectangles_have_the_drawn_area_and_the_picture_s_shape() -> None:
    """Recomputed with NumPy from what is visible: for pictures of many pixels, rectangles that no border cuts."""
    images = colours(400, 120, 180)
    pictures, _ = mixed("cutmix:1", images)
    other = (pictures != images).any(axis=-1)
    sizes = np.stack([other.any(axis=2).sum(axis=1), other.any(axis=1).sum(axis=1)], axis=1)
    firsts = np.stack([other.any(axis=2).argmax(axis=1), other.any(axis=1).argmax(axis=1)], axis=1)
    inside = ((firsts > 0) & (firsts + sizes < (120, 180)) & (sizes > 0)).all(axis=1)
    assert inside.sum() > 30
    assert np.abs(sizes[inside, 0] / 120 - sizes[inside, 1] / 180).max() < 2 / 120
    # The centre is even: a border cuts as often as it must, and on both sides alike.
    cut = (firsts == 0) & (sizes > 0)
    cut_behind = (firsts + sizes == (120, 180)) & (sizes > 0)
    assert abs(cut.sum() - cut_behind.sum()) < 4 * (cut.sum() + cut_behind.sum()) ** 0.5


@pytest.mark.parametrize("alpha", ["0.2", "1.0", "8.0"])
def test_mixup_is_the_weighted_mean_of_two_pictures(alpha: str) -> None:
    images = photographs()
    pictures, labels = mixed(f"mixup:{alpha}", images)
    own = own_shares(labels).astype(np.float64)
    for place in range(len(images)):
        weight = own[place] if place != len(images) - 1 - place else 1.0
        expected = weight * images[place] + (1 - weight) * images[len(images) - 1 - place].astype(np.float64)
        assert np.abs(pictures[place] - expected).max() < 0.501


def test_both_kinds_take_half_of_the_pictures_each() -> None:
    images = colours(1000, 6, 6)
    # Partners differ so much that a mean of both is neither.
    images[500:, ..., 2] = 209
    pictures, labels = mixed("mixup:8+cutmix:8", images)
    own = own_shares(labels)
    partner = images[::-1]
    copied = ((pictures == images) | (pictures == partner)).all(axis=-1).all(axis=(1, 2))
    # By CutMix every pixel is one of two; by MixUp with such an alpha nearly none is.
    assert 0.45 < copied.mean() < 0.55
    counted = np.mean((pictures == images).all(axis=-1), axis=(1, 2))
    np.testing.assert_allclose(own[copied], counted[copied], atol=1e-6)
    means = own[:, np.newaxis] * images[:, 0, 0] + (1 - own[:, np.newaxis]) * partner[:, 0, 0].astype(float)
    assert np.abs(pictures[:, 0, 0] - means)[~copied].max() < 0.501
    # In either order of the two.
    swapped = mixed("cutmix:8+mixup:8", images)[0]
    assert 0.45 < ((swapped == images) | (swapped == partner)).all(axis=-1).all(axis=(1, 2)).mean() < 0.55


@pytest.mark.parametrize("text", MIXES)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_odd_batches_and_batches_of_one(text: str, count: int) -> None:
    images = photographs()[:count]
    pictures, labels = mixed(text, images)
    assert pictures.shape == images.shape
    if count % 2:
        # The one in the middle is its own partner.
        np.testing.assert_array_equal(pictures[count // 2], images[count // 2])
    own_shares(labels)


@pytest.mark.parametrize("text", MIXES)
def test_the_seed_alone_decides(text: str) -> None:
    images = photographs()
    first, labels = mixed(text, images)
    for seed in (SEED, tf.cast(SEED, tf.int32)):
        again, other_labels = mixed(text, images, seed)
        np.testing.assert_array_equal(again, first)
        np.testing.assert_array_equal(other_labels, labels)
    assert not np.array_equal(mixed(text, images, tf.constant([3, 2]))[1], labels)


@pytest.mark.parametrize("text", MIXES)
def test_after_batching_in_tf_data_whose_last_batch_is_smaller(text: str) -> None:
    images, mix = photographs(), mixer(text)
    dataset = tf.data.Dataset.from_tensor_slices((images, tf.eye(len(images)))).batch(4)
    dataset = dataset.map(lambda images, labels: mix(images, labels, SEED), num_parallel_calls=2)
    assert dataset.element_spec[0] == tf.TensorSpec([None, *SIDES, 3], tf.uint8)
    assert dataset.element_spec[1] == tf.TensorSpec([None, len(images)], tf.float32)
    batches = list(dataset.as_numpy_iterator())
    assert [len(pictures) for pictures, _ in batches] == [4, 3]
    for (pictures, labels), where in zip(batches, (slice(0, 4), slice(4, 7)), strict=True):
        expected, expected_labels = mix(images[where], tf.eye(len(images))[where], SEED)
        np.testing.assert_array_equal(pictures, expected)
        np.testing.assert_allclose(labels, expected_labels, atol=1e-7)


def test_pictures_of_unknown_size() -> None:
    mix = tf.function(
        mixer("mixup:1+cutmix:1"),
        input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.uint8),
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([2], tf.int64),
        ],
    )
    pictures, labels = mix(photographs(), tf.eye(7), SEED)
    expected, expected_labels = mixed("mixup:1+cutmix:1", photographs())
    np.testing.assert_array_equal(pictures, expected)
    np.testing.assert_allclose(labels, expected_labels, atol=1e-7)


def test_smoothed_labels_stay_smoothed() -> None:
    labels = 0.9 * np.eye(6, dtype=np.float32) + 0.1 / 6
    _, found = mixer("mixup:1")(photographs()[:6], labels, SEED)
    np.testing.assert_allclose(found.numpy().sum(axis=1), 1, atol=1e-6)
    assert found.numpy().min() >= 0.1 / 6 - 1e-6
