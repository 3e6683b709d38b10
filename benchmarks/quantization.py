"""What quantisation for TensorFlow Lite costs, beside the converter's own: agreement, divergence, signal to noise.

Lite0 with its ImageNet weights is calibrated on every second of the bundled photographs and judged on the others and on
those of other packages. A run on Fashion-MNIST, if given, is calibrated on its training pictures and judged on all test
pictures. `plain` is post-training quantisation as TensorFlow's converter does it by default, on the same folded network
and the same pictures.

Beside the table goes one of the signal to noise of every layer, `results/quantization_layers.csv`.

Run in a clone after `make setup`:
    .venv/bin/python benchmarks/quantization.py results/quantization.csv
    .venv/bin/efficientnet-train --recipe=fashion --variant=b0 --weights=none --image_size=32 --epochs=6
        --data=idx:FOLDER --model_dir=RUN
    .venv/bin/python benchmarks/quantization.py results/quantization.csv --model_dir=RUN --data=idx:FOLDER
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from packaged_photographs import fetch

from efficientnet_tf.benchmarking.machine import COMMON_PACKAGES, machine
from efficientnet_tf.config import ExportConfig
from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.files import readable_images
from efficientnet_tf.data.sources import SAMPLE, read_source
from efficientnet_tf.exporting import tflite
from efficientnet_tf.exporting.calibration import read_calibration
from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.exporting.outputs import answers
from efficientnet_tf.exporting.quantization import layer_sqnr, logit_sqnr
from efficientnet_tf.exporting.source import Source, source_of
from efficientnet_tf.run import open_run
from efficientnet_tf.runtimes.litert import LiteRTModel
from efficientnet_tf.specs import Preprocessing

Array = np.ndarray[Any, Any]

KINDS = ("none", "weights", "int8", "mixed", "int16x8")
CALIBRATION_PICTURES = 200
#: Layers are compared on so many pictures.
LAYER_PICTURES = 32
#: How far the top probability must lead the next on a photograph that counts as clear.
CLEAR = 0.1
#: Colour photographs that scikit-image carries.
PACKAGED = ("astronaut", "chelsea", "coffee", "rocket")


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network, and the pictures that it is quantised with and judged on.

    Attributes:
        name: for the table.
        source: the network.
        calibration, judged: uint8 [N, height, width, 3].
        labels: of the judged pictures, int [N]; None where nobody has named them as the network does.
    """

    name: str
    source: Source
    calibration: Array
    judged: Array
    labels: Array | None = None


def main() -> None:
    """Quantise, judge, and write a row for each file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--model_dir", help="a run, in place of lite0")
    parser.add_argument("--data", default="idx:/usr/share/datasets/fashion-mnist", help="the run's data")
    parser.add_argument("--pictures", type=int, help="judge on so many alone")
    arguments = parser.parse_args()
    subject = subject_of(arguments.model_dir, arguments.data, arguments.pictures)
    rows, layers = judge(subject)
    write_rows(arguments.target, subject.name, rows)
    write_rows(arguments.target.with_stem(f"{arguments.target.stem}_layers"), subject.name, layers)


def write_rows(path: Path, network: str, rows: list[dict[str, str]]) -> None:
    """Write a network's rows into a table, in the place of those that it had there."""
    columns = machine((*COMMON_PACKAGES, "ai-edge-quantizer"))
    kept = [row for row in read(path) if row["network"] != network]
    names = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*names, *columns], lineterminator="\n")
        writer.writeheader()
        writer.writerows([*kept, *({**row, **columns} for row in rows)])


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table; none of a file that is not there."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def subject_of(model_dir: str | None, data: str, number: int | None) -> Subject:
    """Return a run on its data, or Lite0 on photographs, judged on at most `number` pictures."""
    return of_run(model_dir, data, number) if model_dir else of_lite0(number)


def of_lite0(number: int | None) -> Subject:
    """Return Lite0 with photographs."""
    source, _ = source_of(ExportConfig(variant="lite0", weights="imagenet"))
    paths, _ = readable_images([SAMPLE])
    pictures = np.stack([decode_and_crop(Path(path).read_bytes(), source.record).numpy() for path in paths])
    judged = np.concatenate([pictures[1::2], packaged(source.record)])
    return Subject("lite0", source, pictures[::2], judged[:number])


def packaged(record: Preprocessing) -> Array:
    """Return photographs of other packages as a network sees them: Foolbox's, Alibi's, and `PACKAGED`."""
    import skimage

    with tempfile.TemporaryDirectory() as folder:
        encoded = [photograph.path.read_bytes() for photograph in fetch(Path(folder))]
    encoded += [tf.io.encode_png(getattr(skimage.data, name)()).numpy() for name in PACKAGED]
    return np.stack([decode_and_crop(content, record).numpy() for content in encoded])


def of_run(model_dir: str, data: str, number: int | None) -> Subject:
    """Return a run with the pictures that it was trained and is tested on."""
    run = open_run(model_dir)
    source = Source(run.load_model(), run.labels, run.preprocessing, model_dir, run)
    test = read_source(data, "test")
    rows = range(len(test.labels))[:number]
    judged = np.stack([decode_and_crop(test.read(row), source.record).numpy() for row in rows])
    calibration = read_calibration(data, source.record, number=CALIBRATION_PICTURES)
    return Subject(source.model.name, source, calibration, judged, np.asarray(test.labels)[list(rows)])


def judge(subject: Subject) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return a row for each kind, the converter's own among them, and one for each layer."""
    model = deploy(subject.source.model, outputs=("probabilities", "logits"))
    rows: list[dict[str, str]] = []
    layers: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = {"plain int8": Path(folder) / "plain.tflite"}
        for kind in KINDS:
            files[kind] = Path(folder) / f"{kind}.tflite"
            tflite.write(model, files[kind], quantize=kind, calibration=subject.calibration)
        files["plain int8"].write_bytes(plain(model, subject.calibration))
        expected = LiteRTModel(files["none"]).answers(subject.judged)
        for kind, path in files.items():
            found = LiteRTModel(path).answers(subject.judged)
            each = layer_sqnr(files["none"], path, subject.judged[:LAYER_PICTURES])
            worst = sorted(each, key=lambda layer: layer.sqnr_db)[:5]
            row = {
                "network": subject.name,
                "kind": kind,
                "bytes": str(path.stat().st_size),
                **figures(expected, found, subject.labels),
                "worst_layers": " ".join(f"{layer.name}:{layer.sqnr_db:.1f}" for layer in worst),
            }
            print(row, flush=True)
            rows.append(row)
            for layer in each if kind != "none" else ():
                cells = layers.setdefault(layer.name, {"network": subject.name, "layer": layer.name})
                cells[f"{kind.replace(' ', '_')}_sqnr_db"] = f"{layer.sqnr_db:.2f}"
    return rows, list(layers.values())


def figures(expected: dict[str, Array], found: dict[str, Array], labels: Array | None) -> dict[str, str]:
    """Return how near a file's answers are to those in float32."""
    probabilities = expected["probabilities"].astype(np.float64)
    second, first = np.sort(probabilities, -1)[:, -2:].T
    clear = first - second >= CLEAR
    top = found["logits"].argmax(-1)
    same = top == expected["logits"].argmax(-1)
    # Of the logits, since an integer softmax has but 256 levels.
    logarithms = [tf.nn.log_softmax(answers["logits"].astype(np.float64)).numpy() for answers in (expected, found)]
    divergence = (probabilities * (logarithms[0] - logarithms[1])).sum(-1).mean()
    each = [logit_sqnr(*pair) for pair in zip(expected["logits"], found["logits"], strict=True)]
    return {
        "pictures": str(len(same)),
        "agreement": f"{same.mean():.4f}",
        "clear_pictures": str(clear.sum()),
        "clear_agreement": f"{same[clear].mean():.4f}",
        "top1": "" if labels is None else f"{(top == labels).mean():.4f}",
        "kl": f"{divergence:.5f}",
        "logit_sqnr_db": f"{logit_sqnr(expected['logits'], found['logits']):.2f}",
        "median_logit_sqnr_db": f"{np.median(each):.2f}",
    }


def plain(model: keras.Model, calibration: Array) -> bytes:
    """Return what TensorFlow's converter makes of a network with its defaults for integers."""
    module = tf.Module()
    module.variables_of_model = [variable.value for variable in model.variables]

    @tf.function(input_signature=[tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")])
    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return answers(model, image)

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={"serving_default": serve})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ({"image": each[None].astype(np.float32)} for each in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        return bytes(converter.convert())


if __name__ == "__main__":
    main()
