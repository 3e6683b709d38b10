"""Photographs beside what networks see in them, as in the paper's Figure 7."""

from __future__ import annotations

import collections
import dataclasses
import difflib
import io
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from efficientnet_tf.cam.maps import class_activation_map, classifier_of
from efficientnet_tf.config import PredictConfig
from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.files import find_images
from efficientnet_tf.errors import UsageError
from efficientnet_tf.files import atomic_write_bytes
from efficientnet_tf.prediction import Predictor, open_source
from efficientnet_tf.run import make_writable

Array = np.ndarray[Any, Any]

#: As bright as its value, so that the colour-blind and a grey print show it too; over grey, so that no colour of the
#: photograph is taken for one of the map.
COLORMAP, ALPHA = "inferno", 0.6
#: Width of a panel, and height of a line of text, in inches.
PANEL, LINE = 2.5, 0.25


@dataclasses.dataclass(frozen=True)
class Column:
    """A network, and what to ask of it.

    Attributes:
        predictor: the network, with its Keras model.
        layer: for Grad-CAM; None for the class activation map.
        class_index: the class; None for each photograph's most probable.
    """

    predictor: Predictor
    layer: str | None = None
    class_index: int | None = None


@dataclasses.dataclass(frozen=True)
class Panel:
    """A photograph as a network saw it.

    Attributes:
        pixels: uint8 [height, width, 3], cropped and resized.
        heat: float32 [height, width], 0...1.
        title: the class and its probability.
    """

    pixels: Array
    heat: Array
    title: str


def open_columns(config: PredictConfig, predictor: Predictor) -> list[Column]:
    """Return the networks that a configuration compares, its own first, when all of them can be asked.

    Raises:
        UsageError: a network that is not there, has no such layer or class, or not the classifier that this needs.
    """
    columns = []
    for each in (predictor, *map(open_source, config.compare)):
        classifier_of(each.model, config.cam_layer)
        class_index = None if config.cam_class is None else _class_index(each, config.cam_class)
        columns.append(Column(each, config.cam_layer, class_index))
    return columns


def prepare_folder(folder: str | Path, paths: Sequence[str | Path]) -> None:
    """Make the folder for pictures, unless photographs are read from it: the next run would take one for the other.

    Raises:
        UsageError: they are, or it cannot be written, or there is no such photograph.
    """
    find_images(paths)
    target = Path(folder).resolve()
    for path in map(Path, paths):
        if target.is_relative_to(path.resolve()) or target == path.parent.resolve():
            raise UsageError(f"--cam={folder} would put pictures among the photographs of {path}. Give another folder.")
    make_writable(Path(folder))


def add_pictures(
    predictions: Sequence[dict[str, Any]], columns: Sequence[Column], folder: str | Path, *, batch_size: int = 16
) -> None:
    """Draw each photograph beside what every network sees in it.

    Args:
        predictions: of `predict_files`: for each photograph its `file`, to which `cam` is added, the PNG's path.
        columns: the networks, from left to right.
        folder: where each photograph's picture gets its name, with that of its folder where two have the same.
        batch_size: photographs at a time.
    """
    names = [column.predictor.name for column in columns]
    targets = _targets([prediction["file"] for prediction in predictions], Path(folder))
    for start in range(0, len(predictions), batch_size):
        batch = predictions[start : start + batch_size]
        files = [prediction["file"] for prediction in batch]
        seen = zip(*(look(column, files) for column in columns), strict=True)
        for prediction, panels in zip(batch, seen, strict=True):
            target = targets[prediction["file"]]
            atomic_write_bytes(target, draw([panels], names))
            prediction["cam"] = str(target)


def look(column: Column, files: Sequence[str]) -> list[Panel]:
    """Return what a network sees in photographs, in the crop that it takes of each."""
    predictor = column.predictor
    pixels = np.stack([decode_and_crop(Path(file).read_bytes(), predictor.record).numpy() for file in files])
    rows = np.asarray(predictor.probabilities(pixels))
    indices = rows.argmax(axis=1) if column.class_index is None else np.full(len(files), column.class_index)
    heats = class_activation_map(predictor.model, pixels, indices, column.layer)
    titles = [f"{predictor.labels[index]}, {row[index]:.0%}" for index, row in zip(indices, rows, strict=True)]
    return [Panel(*parts) for parts in zip(pixels, heats, titles, strict=True)]


def draw(rows: Sequence[Sequence[Panel]], names: Sequence[str]) -> bytes:
    """Return a PNG of photographs, one a row: the first network's crop of it, then what each network sees.

    Args:
        rows: for each photograph a panel for each network.
        names: of the networks.
    """
    heights = [max(panel.pixels.shape[0] / panel.pixels.shape[1] for panel in panels) for panels in rows]
    size = PANEL * (len(names) + 1), sum(PANEL * height + LINE for height in heights) + LINE
    # Without pyplot, which would keep every figure and look for a display.
    figure = Figure(size, layout="compressed")
    grid = figure.subplots(len(rows), len(names) + 1, squeeze=False)
    for axes, panels in zip(grid, rows, strict=True):
        _show(axes[0], panels[0].pixels, "")
        for axis, panel in zip(axes[1:], panels, strict=True):
            _show(axis, Image.fromarray(panel.pixels).convert("L"), panel.title)
            axis.imshow(panel.heat, cmap=COLORMAP, alpha=ALPHA, vmin=0, vmax=1)
    for axis, name in zip(grid[0][1:], names, strict=True):
        short = os.sep.join(Path(name).parts[-2:])
        axis.set_title(f"{short}\n{axis.get_title()}", fontsize=10, parse_math=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _show(axis: Axes, pixels: Any, title: str) -> None:
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=255)
    # Names of classes are anybody's: a dollar is a dollar, not the beginning of a formula.
    axis.set_title(textwrap.fill(title, 32), fontsize=10, parse_math=False)
    axis.set_axis_off()


def _class_index(predictor: Predictor, text: str) -> int:
    labels = list(predictor.labels)
    if text in labels:
        return labels.index(text)
    if text.isdecimal() and int(text) < len(labels):
        return int(text)
    close = difflib.get_close_matches(text, labels, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UsageError(
        f"Unknown class {text!r}.{hint} Allowed: a label of {predictor.name}, or an index of 0...{len(labels) - 1}."
    )


def _targets(files: Sequence[str], folder: Path) -> dict[str, Path]:
    """Return a PNG for each photograph, of its name; with its folder's name and a number where that is not unique."""
    # Names that differ in capitals alone are one file on many systems.
    times = collections.Counter(Path(file).stem.casefold() for file in files)
    targets: dict[str, Path] = {}
    taken: set[str] = set()
    for file in files:
        path = Path(file).absolute()
        first = path.stem if times[path.stem.casefold()] == 1 else f"{path.parent.name}-{path.stem}"
        name, number = first, 1
        while name.casefold() in taken:
            number += 1
            name = f"{first}-{number}"
        taken.add(name.casefold())
        targets[file] = folder / f"{name}.png"
    return targets
