"""Make tflite_metadata.json: what TensorFlow Lite Support reads in our metadata, and metadata that it writes itself.

In the project's environment, then in one that has tflite-support 0.4.4:

    PYTHONPATH=tests python tests/golden/make_tflite_metadata.py write FOLDER
    python tests/golden/make_tflite_metadata.py read FOLDER tests/golden/tflite_metadata.json
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

KINDS = ("float32", "uint8", "int8")
LABELS = ("cat", "dog", "crane, bird", "Käfer")
ABOUT = {"name": "small", "description": "A network for tests.", "version": "2", "author": "us", "licence": "MIT"}


def write(folder: Path) -> None:
    """Write networks, and the same networks with our metadata."""
    from small_tflite import convert

    from efficientnet_tf.exporting.tflite_metadata import with_metadata
    from efficientnet_tf.specs import Preprocessing

    for kind in KINDS:
        plain = convert(kind)
        ours = with_metadata(plain, **ABOUT, labels=LABELS, record=Preprocessing(image_size=(8, 8)))
        (folder / f"{kind}.tflite").write_bytes(plain)
        (folder / f"{kind}_ours.tflite").write_bytes(ours)


def read(folder: Path, golden: Path) -> None:
    """Write what the official reader and the official writer make of them."""
    from tflite_support import metadata
    from tflite_support.metadata_writers import image_classifier

    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS), encoding="utf-8")
    rows = {}
    for kind in KINDS:
        writer = image_classifier.MetadataWriter.create_for_inference(
            bytearray((folder / f"{kind}.tflite").read_bytes()), [0.0], [1.0], [str(folder / "labels.txt")]
        )
        official = folder / f"{kind}_official.tflite"
        official.write_bytes(writer.populate())
        rows[kind] = {
            name: {
                "files": shown.get_packed_associated_file_list(),
                "labels": shown.get_associated_file_buffer("labels.txt").decode(),
                "metadata": json.loads(shown.get_metadata_json()),
                "flatbuffer": base64.b64encode(shown.get_metadata_buffer()).decode(),
            }
            for name in ("ours", "official")
            for shown in [metadata.MetadataDisplayer.with_model_file(str(folder / f"{kind}_{name}.tflite"))]
        }
    golden.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]))
    else:
        read(Path(sys.argv[2]), Path(sys.argv[3]))
