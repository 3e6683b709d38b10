"""Where the time of the training input goes: its stages, added one after another."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from efficientnet_tf.augment import augmenter
from efficientnet_tf.benchmarking.input_peers import decoded, official_window
from efficientnet_tf.benchmarking.input_speed import DEFAULT_CORES, PACKAGES, ROUNDS, Sizes, whole_input
from efficientnet_tf.benchmarking.machine import available_cores, confined, machine
from efficientnet_tf.benchmarking.passes import Function, Passes, in_batches
from efficientnet_tf.benchmarking.photographs import read_photographs
from efficientnet_tf.benchmarking.rates import Candidate, measure, rows
from efficientnet_tf.data.decoding import random_resized_crop
from efficientnet_tf.specs.preprocessing import Preprocessing


def profile_rows(
    source: str | os.PathLike[str] = "sample",
    *,
    threads: int | None = None,
    rounds: int = ROUNDS,
    sizes: Sizes | None = None,
    augmentation: str = "autoaugment",
    report: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Measure, and return a row for each stage, with all stages before it; see `input_speed.input_rows`.

    `stage_ms_per_image` is what the stage adds to the processor's time. The decoding of whole photographs is for
    comparison: only a part of each is decoded in training, which is what the next row adds to nothing.
    """
    sizes = sizes or Sizes()
    cores = min(DEFAULT_CORES, available_cores()) if threads is None else threads
    with confined(cores):
        photographs = read_photographs(source, sizes.photographs)
        measured = rows(measure(_stages(photographs, sizes, augmentation), rounds, report=report))
    columns = {"threads": cores, "photographs": len(photographs), "data": str(source), **machine(PACKAGES)}
    found: list[dict[str, Any]] = []
    before = 0.0
    for number, row in enumerate(measured):
        milliseconds = row["processor_ms_per_image"]
        found.append(
            {
                "stage": row["candidate"],
                "images_per_second": row["images_per_second"],
                "processor_ms_per_image": milliseconds,
                "stage_ms_per_image": milliseconds - before,
                "images_per_round": row["images_per_round"],
                "rounds": row["rounds"],
                **columns,
            }
        )
        before = milliseconds if number else 0.0
    return found


def _stages(photographs: tuple[bytes, ...], sizes: Sizes, augmentation: str) -> list[Candidate]:
    record = Preprocessing(image_size=(sizes.side, sizes.side))
    augment = augmenter(augmentation)

    def crop(photograph: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return random_resized_crop(photograph, record, seed)

    def stage(name: str, function: Function) -> Candidate:
        # One pixel is kept, so that nothing is moved.
        def pixel(photograph: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            return function(photograph, seed)[0, 0]

        return _candidate(name, lambda: in_batches(photographs, pixel, sizes.whole, sizes.batch))

    return [
        _candidate("decoded whole", lambda: decoded(photographs, sizes.whole, sizes.batch)),
        stage("decoded where the crop is", official_window),
        stage("+ exact, resized, mirrored", crop),
        stage(f"+ {augmentation}", lambda photograph, seed: augment(crop(photograph, seed), seed)),
        _candidate("+ order, labels, seeds, batch: all", lambda: whole_input(photographs, sizes, augmentation)),
    ]


def _candidate(name: str, make: Callable[[], tf.data.Dataset]) -> Candidate:
    return Candidate("profile", name, lambda: Passes(make), ours=True)
