"""A look at what a network will see: pictures of the first training batch, before and after augmentation."""

from __future__ import annotations

import dataclasses
import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from efficientnet_tf.augment import Augmenter, augmenter
from efficientnet_tf.config import TrainConfig, network_of
from efficientnet_tf.data.batching import Mix
from efficientnet_tf.data.damage import named_errors
from efficientnet_tf.data.options import Augment
from efficientnet_tf.files import atomic_write_bytes
from efficientnet_tf.pretrained import build_network
from efficientnet_tf.run import make_writable
from efficientnet_tf.training.feeding import changes, read, training_batches

Array = np.ndarray[Any, Any]

#: Pairs of pictures in a row and in all; side of a picture and height of a line of text, in inches.
PAIRS_IN_A_ROW, PAIRS = 3, 12
SIDE, LINE, LETTERS = 1.9, 0.17, 30


@dataclasses.dataclass(frozen=True)
class Pair:
    """A picture before and after.

    Attributes:
        before: as cropped and resized, uint8 [height, width, 3].
        after: as the network sees it.
        label: its class.
        done: the operations between the two, in words.
        mixed: the classes of the picture after and their shares, where pictures are mixed; otherwise empty.
    """

    before: Array
    after: Array
    label: str
    done: str
    mixed: str


class Recorder:
    """An augmentation that remembers what it was given; stands in for one in a pipeline."""

    def __init__(self, augmenter: Augmenter) -> None:
        self._augmenter = augmenter
        self._seen: dict[bytes, tuple[Array, Array]] = {}

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return the picture augmented."""
        changed = self._augmenter(image, seed)
        kept = tf.numpy_function(self._keep, [image, seed, changed], tf.uint8)
        return tf.ensure_shape(kept, image.shape)

    def before(self, changed: Array) -> tuple[Array, str]:
        """Return what an augmented picture was before, and what was done to it."""
        image, seed = self._seen[changed.tobytes()]
        return image, self._augmenter.describe(tf.constant(image), tf.constant(seed))

    def _keep(self, image: Array, seed: Array, changed: Array) -> Array:
        # Called by many threads in any order: the picture that comes out is the key.
        self._seen[changed.tobytes()] = image.copy(), seed.copy()
        return changed


def write_preview(config: TrainConfig) -> dict[str, Any]:
    """Write the picture that `config.preview` names; nothing is trained, and no run is made.

    Args:
        config: of the training that is looked at.

    Returns:
        `preview`, the file, and `photographs`, how many are in it.

    Raises:
        UsageError: as of the training itself, or the file cannot be written.
        EfficientNetError: as of the training itself.
    """
    config = config.resolve()
    target = Path(str(config.preview))
    make_writable(target.parent)
    data = read(config)
    # As `train` does: orders and seeds follow from this one too.
    keras.utils.set_random_seed(config.seed)
    # Built as for training, since weights bring their own crop and interpolation.
    network = build_network(
        network_of(config), weights=config.weights, classes=len(data.labels), image_size=config.image_size
    )
    data = data.seen_as(network.record, config)
    batch_size = min(config.batch_size or 1, len(data.train))

    made: list[tf.data.Dataset] = []

    def make(augment: Augment | None, mix: Mix | None) -> tf.data.Dataset:
        made.append(
            training_batches(config, data, batch_size=batch_size, whole_batches=False, augment=augment, mix=mix)
        )
        return made[-1]

    try:
        pairs = look(make, augmenter(str(config.augment)), data.labels)
    except tf.errors.OpError:
        with named_errors(*made):
            raise
    draw(pairs, f"{config.data}, --augment={config.augment}, {data.record.image_size[0]} px", target)
    return {"preview": str(target), "photographs": len(pairs)}


def look(
    make: Callable[..., tf.data.Dataset], augmentation: Augmenter, class_names: Sequence[str], *, count: int = PAIRS
) -> list[Pair]:
    """Return the first pictures of training as the network will see them.

    Args:
        make: returns the batches of training, given `augment` and `mix`.
        augmentation: what the run augments with.
        class_names: of the labels.
        count: how many pictures, at most those of one batch.
    """
    recorder = Recorder(augmentation)
    images, labels = _first(make(augment=recorder, mix=None))
    # The same pictures once more, since order and seeds are: now in the batch as it is trained on.
    mixed, mixed_labels = _first(make(**changes(augmentation))) if augmentation.mixer else (images, labels)
    pairs = []
    for number in range(min(count, len(images))):
        before, done = recorder.before(images[number])
        own, both = (_label(row[number], class_names) for row in (labels, mixed_labels))
        pairs.append(Pair(before, mixed[number], own, done, both if augmentation.mixer else ""))
    return pairs


def draw(pairs: Sequence[Pair], title: str, path: Path) -> None:
    """Write a grid of pairs to a PNG file, whole or not at all."""
    rows = -(-len(pairs) // PAIRS_IN_A_ROW)
    columns = min(len(pairs), PAIRS_IN_A_ROW)
    words = [textwrap.wrap(pair.done, LETTERS) + textwrap.wrap(pair.mixed, LETTERS) for pair in pairs]
    lines = 1 + max(map(len, words))
    height = rows * (SIDE + (lines + 1) * LINE) + 2 * LINE
    figure = Figure(figsize=(columns * 2 * (SIDE + 0.12), height), layout="constrained")
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(rows, 2 * columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for place, (pair, done) in enumerate(zip(pairs, words, strict=True)):
        row, column = divmod(place, PAIRS_IN_A_ROW)
        _show(grid[row][2 * column], pair.before, textwrap.wrap(pair.label, LETTERS))
        _show(grid[row][2 * column + 1], pair.after, done)
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=100, bbox_inches="tight", pad_inches=0.1)
    atomic_write_bytes(path, written.getvalue())


def _show(axes: Axes, picture: Array, lines: Sequence[str]) -> None:
    axes.imshow(picture, interpolation="nearest")
    # Names of classes are anybody's: a dollar does not begin a formula.
    axes.text(0, -0.03, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=8, parse_math=False)


def _first(dataset: tf.data.Dataset) -> tuple[Array, Array]:
    images, labels = next(iter(dataset))[:2]
    return images.numpy(), labels.numpy()


def _label(label: Array, class_names: Sequence[str]) -> str:
    """Return the classes of a label with their shares, the larger first: `cat`, or `0.72 cat, 0.28 dog`."""
    classes = [int(index) for index in np.argsort(-label, kind="stable") if label[index] > 0]
    if len(classes) == 1:
        return class_names[classes[0]]
    return ", ".join(f"{label[index]:.2f} {class_names[index]}" for index in classes)
