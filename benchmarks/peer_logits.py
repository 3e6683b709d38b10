"""Compare our logits with those of keras.applications, timm and torchvision on the same weights.

    .venv/bin/python benchmarks/peer_logits.py results/peer_logits.csv

Weights are drawn by name on both sides and read from files in the peers' own formats. keras.applications answers here;
what timm and torchvision answered is kept in tests/golden/peer_logits.npz, made by tests/golden/make_peer_logits.py.
"""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from peers import KERAS, about, keras_difference, peer_difference  # noqa: E402

from efficientnet_tf.files import atomic_write_text  # noqa: E402

FIELDS = ("peer", "version", "network", "image_size", "largest_logit", "largest_difference", "share")


def main(target: Path) -> None:
    """Compare all networks and write the table."""
    golden = about()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (_, size) in KERAS.items():
            difference, largest = keras_difference(name, Path(folder), ending=".keras")
            rows.append(("keras.applications", keras.__version__, name, size, largest, difference))
        for name, traits in golden["networks"].items():
            library, network = name.split(".")
            difference, largest = peer_difference(name, Path(folder))
            rows.append((library, golden["versions"][library], network, traits["image_size"], largest, difference))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*FIELDS, "tensorflow"))
    for *names, largest, difference in rows:
        share = difference / largest
        writer.writerow((*names, f"{largest:.4g}", f"{difference:.2e}", f"{share:.2e}", tf.__version__))
        print(*names, f"{share:.2e}")
    atomic_write_text(target, text.getvalue())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
