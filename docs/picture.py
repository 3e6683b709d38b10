"""Draw the picture of the README: what a fine-tuned network and its smallest artifact say of photographs.

Run after `make demo`:  .venv/bin/python docs/picture.py docs/predictions.png
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from PIL import Image, ImageOps

from efficientnet_tf.config import PredictConfig
from efficientnet_tf.data.sources import read_source
from efficientnet_tf.prediction import open_predictor, predict_files
from efficientnet_tf.run import open_run

COLUMNS, ROWS, CLASSES = 5, 2, 3
COLOURS = {"Keras": "#2f5d8a", "TFLite": "#e08a2e"}


def main(target: Path) -> None:
    """Draw ten validation photographs, two of each class, with the answers of both networks."""
    run = open_run(None)
    examples = read_source("sample", "validation")
    files = [
        [path for path, label in zip(examples.paths, examples.labels, strict=True) if label == index][row]
        for row in range(ROWS)
        for index in range(COLUMNS)
    ]
    artifact = run.path / "export" / "model_dynamic.tflite"
    answers = {
        "Keras": _predict(PredictConfig(model_dir=str(run.path), top=CLASSES), files),
        "TFLite": _predict(PredictConfig(artifact=str(artifact), top=5), files),
    }
    size = {"Keras": run.model_file.stat().st_size, "TFLite": artifact.stat().st_size}
    figure, axes = plt.subplots(2 * ROWS, COLUMNS, figsize=(13, 8.2), height_ratios=[3, 1.1] * ROWS)
    for number, file in enumerate(files):
        row, column = divmod(number, COLUMNS)
        picture = axes[2 * row][column]
        picture.imshow(ImageOps.fit(Image.open(file).convert("RGB"), (320, 240)))
        picture.set_axis_off()
        _bars(axes[2 * row + 1][column], answers["Keras"][number], answers["TFLite"][number])
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in COLOURS.values()]
    names = [f"model.keras, {size['Keras'] / 1e6:.1f} MB", f"{artifact.name}, {size['TFLite'] / 1e6:.1f} MB"]
    figure.legend(handles, names, loc="upper center", ncols=2, frameon=False, fontsize=12)
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    figure.savefig(target, dpi=80)


def _predict(config: PredictConfig, files: Sequence[str]) -> list[dict[str, float]]:
    """Return label -> probability for each photograph, the most probable first."""
    with open_predictor(config) as predictor:
        result = predict_files(predictor, files, top=config.top)
    return [{entry["label"]: entry["probability"] for entry in row["top"]} for row in result["predictions"]]


def _bars(axis: Any, keras: dict[str, float], tflite: dict[str, float]) -> None:
    for offset, (name, answer) in zip((-0.2, 0.2), (("Keras", keras), ("TFLite", tflite)), strict=True):
        places = [place + offset for place in range(len(keras))]
        axis.barh(places, [answer[label] for label in keras], 0.38, color=COLOURS[name])
    for place, label in enumerate(keras):
        axis.text(max(keras[label], tflite[label]) + 0.02, place, label, va="center", fontsize=11)
    axis.set_yticks([])
    axis.invert_yaxis()
    axis.set_xlim(0, 1.35)
    axis.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"], fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
