"""Draw the gallery of docs/operations.jpg: every operation of `--augment` at five levels, on one photograph.

Run:  .venv/bin/python docs/operations.py docs/operations.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import tensorflow as tf
from matplotlib.figure import Figure

from efficientnet_tf.augment.choosing import Arguments, picture_sides
from efficientnet_tf.augment.dispatch import dispatcher
from efficientnet_tf.augment.policies.levels import OPERATIONS
from efficientnet_tf.augment.stages import words_for
from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.sources import SAMPLE
from efficientnet_tf.specs import Preprocessing

PHOTOGRAPH = SAMPLE / "animals" / "scarlet_macaw.jpg"
LEVELS = (2.0, 4.0, 6.0, 8.0, 10.0)
SIDE, CELL, GAP = 192, 1.25, 0.3
#: Where a cutout is: the middle; y and x from 0 to 1.
PLACE = (0.5, 0.5)


def main(target: Path) -> None:
    """Write the gallery two operations side by side."""
    picture = decode_and_crop(tf.constant(PHOTOGRAPH.read_bytes()), Preprocessing(image_size=(SIDE, SIDE)))
    apply = dispatcher(OPERATIONS)
    arguments, sides = Arguments(apply.names, "fixed"), picture_sides(picture)
    names = [name for name in OPERATIONS if name != "Identity"]
    half, columns = -(-len(names) // 2), len(LEVELS) + 1
    figure = Figure(figsize=((2 * columns + GAP) * CELL, half * (CELL + 0.22)))
    grid = figure.subplots(half, 2 * columns + 1, width_ratios=[1] * columns + [GAP] + [1] * columns)
    for place, name in enumerate(names):
        row = grid[place % half][(columns + 1) * (place // half) :]
        number = tf.constant([apply.names.index(name)])
        row[0].imshow(picture.numpy())
        row[0].set_title(name, fontsize=10, fontweight="bold", pad=2)
        for cell, level in zip(row[1:columns], LEVELS, strict=True):
            argument = arguments.at(number, tf.constant([level], tf.float64), tf.constant([False]), sides)[0]
            cell.imshow(apply(picture, number[0], argument, tf.constant(PLACE)).numpy())
            words = words_for(name, float(argument)).removeprefix(name).strip()
            cell.set_title(f"{level:.0f}" + (f": {words}" if words else ""), fontsize=9, pad=2)
    for cell in grid.flat:
        cell.set_axis_off()
    figure.subplots_adjust(left=0, right=1, bottom=0.002, top=0.985, wspace=0.03, hspace=0.16)
    figure.savefig(target, dpi=100, pil_kwargs={"quality": 82, "optimize": True})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
