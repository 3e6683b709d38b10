"""Pictures per second of decoding, augmentation and the whole training input, ours and those of others.

All candidates of a task make pictures of one size from the same photographs, which are in memory. In the `augment`
tasks they are given uint8 pixels. Batches of all of them are counted as they come out.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from efficientnet_tf.augment import augmenter
from efficientnet_tf.benchmarking import input_peers as peers
from efficientnet_tf.benchmarking.machine import available_cores, confined, machine
from efficientnet_tf.benchmarking.passes import Passes, augmented, in_batches
from efficientnet_tf.benchmarking.photographs import center_pictures, read_photographs, repeated
from efficientnet_tf.benchmarking.processes import Job, Workers
from efficientnet_tf.benchmarking.rates import Candidate, measure, rows
from efficientnet_tf.data.pipeline import make_dataset
from efficientnet_tf.specs.preprocessing import Preprocessing

OURS = "efficientnet_tf"
DEFAULT_CORES, ROUNDS = 2, 5
PACKAGES = ("keras", "numpy", "pillow", "tf-models-official", "timm")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        photographs: different ones.
        augmented: pictures of a pass of augmentation alone.
        whole: pictures of a pass that begins with decoding.
        slow: pictures of a pass of Keras' augmentation.
        batch: pictures per batch, which divides the others.
        side: of the pictures, in pixels.
    """

    photographs: int = 128
    augmented: int = 2048
    whole: int = 768
    slow: int = 160
    batch: int = 32
    side: int = 224


def input_rows(
    source: str | os.PathLike[str] = "sample",
    *,
    threads: int | None = None,
    rounds: int = ROUNDS,
    sizes: Sizes | None = None,
    tasks: Sequence[str] = (),
    report: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Measure, and return a row for each candidate; see `rates.rows`.

    Args:
        source: where the photographs are; only JPEG files are used.
        threads: cores that everything is kept to; by default two, or one where there is no more.
        rounds: of which the medians are taken.
        sizes: how much is measured.
        tasks: those to measure; by default all.
        report: given a line of progress now and then.

    Raises:
        UsageError: more threads than there are cores, or no such source.
        EfficientNetError: there are no JPEG files.
    """
    sizes = sizes or Sizes()
    cores = min(DEFAULT_CORES, available_cores()) if threads is None else threads
    with confined(cores):
        photographs = read_photographs(source, sizes.photographs)
        chosen = [row for row in candidates(photographs, sizes, cores) if not tasks or row.task in tasks]
        measured = rows(measure(chosen, rounds, report=report))
    columns = {"threads": cores, "photographs": len(photographs), "data": str(source), **machine(PACKAGES)}
    return [{**row, **columns} for row in measured]


def candidates(photographs: tuple[bytes, ...], sizes: Sizes, cores: int) -> list[Candidate]:
    """Return every candidate, by task, ours first."""
    pixels = center_pictures(photographs, sizes.side)
    return [
        *_crop(photographs, sizes, cores),
        *_augment("autoaugment", pixels, sizes, cores),
        *_augment("randaugment", pixels, sizes, cores),
        *_augment("trivialaugment", pixels, sizes, cores),
        *_whole(photographs, sizes, cores),
    ]


def whole_input(photographs: tuple[bytes, ...], sizes: Sizes, augmentation: str | None) -> tf.data.Dataset:
    """Return our training input: photograph, random crop, augmentation, batch."""
    return make_dataset(
        repeated(photographs, sizes.whole),
        Preprocessing(image_size=(sizes.side, sizes.side)),
        batch_size=sizes.batch,
        training=True,
        augment=augmenter(augmentation) if augmentation else None,
    )


def _crop(photographs: tuple[bytes, ...], sizes: Sizes, cores: int) -> list[Candidate]:
    def decoded() -> tf.data.Dataset:
        return peers.decoded(photographs, sizes.whole, sizes.batch)

    def official() -> tf.data.Dataset:
        crop = peers.official_crop(sizes.side)
        return in_batches(photographs, crop, sizes.whole, sizes.batch)

    def keras_layers() -> tf.data.Dataset:
        return peers.keras_input(photographs, sizes.whole, sizes.batch, side=sizes.side, augment=False)

    job = Job("none", photographs, sizes.side, sizes.whole, sizes.batch)
    return [
        Candidate("crop", OURS, lambda: Passes(lambda: whole_input(photographs, sizes, None)), ours=True),
        Candidate("crop", "TensorFlow, decoding alone", lambda: Passes(decoded)),
        Candidate("crop", "official arithmetic", lambda: Passes(official)),
        Candidate("crop", "Keras layers", lambda: Passes(keras_layers)),
        Candidate("crop", f"Pillow x {cores}", lambda: Workers(job, cores)),
    ]


def _augment(task: str, pixels: np.ndarray[Any, Any], sizes: Sizes, cores: int) -> list[Candidate]:
    count, batch = sizes.augmented, sizes.batch

    def ours(name: str, text: str) -> Candidate:
        return Candidate(
            task, name, lambda: Passes(lambda: augmented(pixels, augmenter(text), count, batch)), ours=True
        )

    def graph(name: str, make: Callable[[], Callable[..., tf.Tensor]], pictures: int = count, **how: bool) -> Candidate:
        return Candidate(task, name, lambda: Passes(lambda: augmented(pixels, make(), pictures, batch, **how)))

    def pillow(name: str, policy: str, *, moved: bool) -> Candidate:
        job = Job(policy, tuple(pixels), sizes.side, count, batch, moved=moved)
        return Candidate(task, name, lambda: Workers(job, cores))

    found = [ours(OURS, task)]
    if task != "trivialaugment":
        found += [
            ours(f"{OURS}, legacy", f"{task}:legacy"),
            graph("official arithmetic", lambda: peers.official(task)),
            graph("tf-models-official", lambda: peers.model_garden(task)),
        ]
    if task == "randaugment":
        for batched in (False, True):
            name = f"Keras layers, {'batches' if batched else 'single'}"
            found.append(graph(name, peers.keras_augmentation, sizes.slow, batched=batched))
    found += [
        pillow(f"Pillow x {cores}, pictures stay", task, moved=False),
        pillow(f"Pillow x {cores}", task, moved=True),
    ]
    timms = {"autoaugment": "original", "randaugment": "rand-m10-n2"}
    if task in timms:
        name = f"timm {timms[task]} x {cores}, pictures stay"
        found.append(pillow(name, f"timm:{timms[task]}", moved=False))
    return found


def _whole(photographs: tuple[bytes, ...], sizes: Sizes, cores: int) -> list[Candidate]:
    def ours(augmentation: str) -> Candidate:
        name = f"{OURS}, {augmentation}"
        return Candidate(
            "whole", name, lambda: Passes(lambda: whole_input(photographs, sizes, augmentation)), ours=True
        )

    def decoded() -> tf.data.Dataset:
        return peers.decoded(photographs, sizes.whole, sizes.batch)

    def official() -> tf.data.Dataset:
        crop, augment = peers.official_crop(sizes.side), peers.official("autoaugment")
        return in_batches(
            photographs, lambda encoded, seed: augment(crop(encoded, seed), seed), sizes.whole, sizes.batch
        )

    def keras_layers(batched: bool) -> Candidate:
        def dataset() -> tf.data.Dataset:
            return peers.keras_input(photographs, sizes.slow, sizes.batch, side=sizes.side, batched=batched)

        name = f"Keras layers, RandAugment, {'batches' if batched else 'single'}"
        return Candidate("whole", name, lambda: Passes(dataset))

    job = Job("autoaugment", photographs, sizes.side, sizes.whole, sizes.batch)
    return [
        ours("autoaugment"),
        ours("randaugment"),
        Candidate("whole", "TensorFlow, decoding alone", lambda: Passes(decoded)),
        Candidate("whole", "official arithmetic, AutoAugment", lambda: Passes(official)),
        keras_layers(False),
        keras_layers(True),
        Candidate("whole", f"Pillow x {cores}, AutoAugment", lambda: Workers(job, cores)),
    ]
