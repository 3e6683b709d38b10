"""The page beside a TensorFlow.js model: what is in it, and its arithmetic in Node."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess

import numpy as np
import pytest

from efficientnet_tf.data.decoding import resize_crop
from efficientnet_tf.errors import MissingDependencyError, UsageError
from efficientnet_tf.exporting.page import library, write_page, writing
from efficientnet_tf.runtimes import nodejs
from efficientnet_tf.specs import Preprocessing

RECORD = Preprocessing((64, 64), crop_padding=8)
LABELS = ["</script><b>one", "zwei & two", '"trois"', "四", "five"]
HERE = writing.HERE


# The file


def _options(text):
    return json.loads(re.search(r'<script type="application/json" id="options">(.*)</script>', text)[1])


def test_the_page_is_one_file_with_the_labels_and_the_record(tmp_path):
    (tmp_path / "model.json").write_text("{}")
    path = write_page(tmp_path, title="a <b> & c", labels=LABELS, record=RECORD)
    assert path == tmp_path / "index.html"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["index.html", "model.json"]
    text = path.read_text("utf-8")
    assert "<title>a &lt;b&gt; &amp; c: what is in this picture?</title>" in text
    assert "5 classes \N{MIDDLE DOT} 64 \N{MULTIPLICATION SIGN} 64 pixels" in text
    options = _options(text)
    assert options["labels"] == LABELS
    assert Preprocessing.from_json(options["preprocessing"]) == RECORD
    assert (options["model"], options["tflite"]) == ("model.json", None)
    assert set(options["library"]) == set(library.TFJS)
    assert "@@" not in text
    # Nothing is loaded by an address in the markup.
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?!data:)", text)


def test_what_the_network_serves_is_named_with_its_version_and_its_hash(tmp_path):
    (tmp_path / "model.json").write_text("{}")
    options = _options(write_page(tmp_path, title="t", labels=LABELS, record=RECORD).read_text("utf-8"))
    assert options["library"]["core"] == {
        "url": "https://cdn.jsdelivr.net/npm/@tensorflow/tfjs-core@4.22.0/dist/tf-core.es2017.min.js",
        "integrity": library.TFJS["core"].integrity,
    }


@pytest.mark.parametrize("file", [*library.TFJS.values(), *library.LITERT.values()], ids=lambda file: file.name)
def test_the_hashes_are_those_of_the_installed_packages(file, modules):
    package = modules / "node_modules" / file.package
    digest = hashlib.sha384((package / file.path).read_bytes()).digest()
    assert file.integrity == f"sha384-{base64.b64encode(digest).decode()}"
    assert json.loads((package / "package.json").read_text("utf-8"))["version"] == file.version


def test_a_page_needs_a_model_and_labels(tmp_path):
    with pytest.raises(UsageError) as caught:
        write_page(tmp_path, title="t", labels=LABELS, record=RECORD)
    assert str(caught.value) == (
        f"A page needs the model.json of a TensorFlow.js model beside it; {tmp_path} holds none."
    )
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(UsageError) as caught:
        write_page(tmp_path, title="t", labels=[], record=RECORD)
    assert str(caught.value) == "A page needs the names of the classes; got none."


def test_offline_needs_the_modules(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFICIENTNET_TF_CACHE", str(tmp_path / "cache"))
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(MissingDependencyError) as caught:
        write_page(tmp_path, title="t", labels=LABELS, record=RECORD, offline=True)
    assert str(caught.value) == nodejs.NO_MODULES
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json"]


# The pixels

RESIZE = """
const { width, height, record, rgb } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const window = pixels.centerWindow(width, height, record);
const read = (y, rows) => {
  const strip = new Uint8ClampedArray(window.width * rows * 4);
  for (let line = 0; line < rows; line += 1) {
    for (let column = 0; column < window.width; column += 1) {
      const from = ((window.y + y + line) * width + window.x + column) * 3;
      strip.set([rgb[from], rgb[from + 1], rgb[from + 2], 255], (line * window.width + column) * 4);
    }
  }
  return strip;
};
console.log(JSON.stringify(Array.from(pixels.resize(read, window, record))));
"""


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "tf2_bilinear", "tf1_bicubic"])
@pytest.mark.parametrize(
    ("shape", "size", "crop"),
    [((97, 151), (32, 32), "center"), ((40, 31), (48, 36), "none"), ((61, 200), (24, 48), "center")],
)
def test_the_pixels_are_those_of_the_package(interpolation, shape, size, crop):
    generator = np.random.default_rng(7)
    # Noise with sharp edges: overshoots, and every value.
    image = generator.integers(0, 256, (*shape, 3), dtype=np.uint8)
    image[shape[0] // 3 : shape[0] // 2] = 255
    record = Preprocessing(size, crop=crop, crop_padding=8, interpolation=interpolation)
    height, width = shape
    given = {"width": width, "height": height, "record": record.to_json(), "rgb": image.ravel().tolist()}
    program = (HERE / "pixels.js").read_text("utf-8") + RESIZE
    command = [str(nodejs.find_node()), "-e", program]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True, timeout=60)
    found = np.array(json.loads(done.stdout), np.int32).reshape(*size, 3)
    difference = np.abs(found - resize_crop(image, record).numpy())
    assert difference.max() <= 1
    # Where a value lies between two grey levels, float32 and float64 round it apart.
    assert (difference > 0).mean() < 0.01
