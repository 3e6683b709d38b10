"""The report of an export and its model card: what they say, whatever names hold, and how a browser shows them."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest
from browser import Browser
from reports import Page, interface

from efficientnet_tf.config import ExportConfig
from efficientnet_tf.exporting import figures
from efficientnet_tf.exporting.photographs import Photographs
from efficientnet_tf.exporting.report import About, about_of, write_report
from efficientnet_tf.exporting.source import Source
from efficientnet_tf.run import Run
from efficientnet_tf.specs import Preprocessing, spec

LABELS = ["ant", "bee <script>", "cat | dog", "_emu_", "fox"]
RECORD = Preprocessing((32, 32))


def drawn(examples=8, targets=True):
    generator = np.random.default_rng(0)
    expected = generator.dirichlet(np.full(5, 0.4), examples).astype(np.float32)
    return Photographs(
        files=tuple(b"" for _ in range(examples)),
        pixels=generator.integers(0, 256, (examples, 32, 32, 3), dtype=np.uint8),
        expected=expected,
        names=tuple(f"ant/{number}.jpg" for number in range(examples)),
        targets=expected.argmax(-1) if targets else None,
    )


def row_of(photographs, form, quantize, file, *, size, moved=0.0, **more):
    """Return a row with the figures of answers that have moved so far to the class after."""
    answer = (1 - moved) * photographs.expected + moved * np.roll(photographs.expected, 1, axis=-1)
    return {
        "format": form,
        "quantize": quantize,
        "file": file,
        "bytes": size,
        **figures.class_figures([answer], photographs.expected),
        "accuracy": figures.accuracy(answer, photographs.expected, photographs.targets),
        "pictures": figures.pictures([answer], photographs.expected, photographs.names),
        "outputs": {},
        "interface": interface(form, quantize),
        "compared_on": photographs.origin,
        "photographs": len(photographs),
        "latency_ms": 1.5,
        "latency": {"2": {"p50": 1.5, "p90": 2.0, "p99": 2.5}, "1": {"p50": 3.0, "p90": 3.5, "p99": 4.0}},
        "peak_memory_mb": 12.3,
        "operations": {"CONV_2D": 21, "ADD": 4},
        "verified": True,
        "reason": None,
        **more,
    }


MISSING = {
    "format": "onnx",
    "quantize": "none",
    "file": "model.onnx",
    "bytes": 400_000,
    "photographs": 0,
    "verified": False,
    "reason": "ONNX Runtime is not installed.",
    "interface": interface("onnx"),
    "compared_on": drawn().origin,
}
LAYERS = [{"name": f"block{number}a_dwconv", "sqnr_db": 10.0 + number} for number in range(1, 13)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    photographs = drawn()
    quantization = {"logit_sqnr_db": 23.4, "layers": LAYERS, "choices": {"equalised": True, "ranges": ["mse", "max"]}}
    rows = [
        row_of(photographs, "tflite", "none", "model.tflite", size=400_000),
        row_of(
            photographs,
            "tflite",
            "int8",
            "model_int8.tflite",
            size=100_000,
            moved=0.6,
            quantization=quantization,
            calibrated_on="flowers/",
            outputs={"features": {"sqnr_db": 25.04, "largest_relative_difference": 0.031}},
        ),
        row_of(photographs, "tfjs", "uint8", "tfjs_uint8", size=120_000, moved=0.01),
        MISSING,
    ]
    json.dumps(rows, allow_nan=False)
    about = About(name="tiny <b>", spec=spec("tiny"), parameters=12_345, config={"data": "flowers/", "epochs": 3})
    write_report(folder, rows, photographs, labels=LABELS, record=RECORD, about=about)
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def card(folder):
    return (folder / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_headline(page):
    assert "Export of tiny <b> 3 / 4 artifacts answer as the network" in page.text.replace("\u2009", " ")
    assert "The smallest, model_int8.tflite , has 0.100 MB, 4.0 times less than model.tflite" in plain(page.text)
    assert "Not verified: model.onnx." in page.text


def plain(text):
    return text.replace("\u00a0", " ")


def test_table(page):
    files = {row[0]: row[1:] for row in page.rows if len(row) == 9}
    names = ("Artifact", "model.tflite", "model_int8.tflite", "tfjs_uint8", "model.onnx")
    table = dict(zip(names, files.values(), strict=True))
    assert all(name in first for name, first in zip(names, files, strict=True))
    header = ["Size", "Same top class", "Moved", "Logits", "Accuracy", "1 thread", "2 threads", "Memory"]
    assert table["Artifact"] == header
    assert table["model.tflite"] == ["0.400 MB", "8 of 8", "0 %", "equal", "100 %", "3.00 ms", "1.50 ms", "12 MB"]
    assert table["model.onnx"] == ["0.400 MB", *["\u2013"] * 7]
    assert table["model_int8.tflite"][0] == "0.100 MB"
    assert table["model_int8.tflite"][1] != "8 of 8"


def test_photographs_that_differ_stand_first(page, folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert re.search(r"<h3>\d photographs? named otherwise</h3>", text)
    section = text[text.index('<section id="artifact-model-int8-tflite">') :]
    cards = re.findall(r'<figure class="(card(?: other)?)">', section[: section.index("</section>")])
    assert len(cards) == 8
    assert cards == sorted(cards, reverse=True)
    assert cards[0] == "card other"
    # Each photograph is in the page once, however many artifacts show it.
    assert text.count("data:image/png;base64,") == 8


def test_layers_outputs_operations_and_use(page):
    told = "Signal to noise at the 10 layers that lose most, of 12; the median photograph\u2019s."
    assert f"{told} At the logits it is 23.4 dB." in plain(page.text)
    assert page.row("block1a_dwconv") == ["block1a_dwconv", "11.0 dB"]
    assert page.row("features") == ["features", "25.0 dB", "3.1 %"]
    assert "25 operations of 2 kinds" in page.text
    assert "equalised yes ranges mse, max" in page.text
    assert 'answer = run(image=pixels)["probabilities"] # uint8 [1, 32, 32, 3], 0...255' in page.text
    assert 'answer = run(image=pixels)["probabilities"] # float32 [1, 32, 32, 3], 0...255' in page.text


def test_names_are_no_markup(folder, page):
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "bee <script>" not in text
    assert "bee &lt;script&gt;" in text
    assert len(page.all("script")) == 1
    assert not [one for one in page.all("img") if not (one["src"] or "").startswith("data:")]


def test_what_was_not_verified_is_said(page):
    assert "model.onnx: ONNX Runtime is not installed." in page.text
    assert "int8: at most 15 % of the probability moves to other classes" in plain(page.text)
    assert "Accelerators: every artifact ran on the processor" in page.text


def test_card(card):
    assert card.startswith("# tiny \\<b\\>\n\n## What it is\n\nA network that tells 5 classes of photographs apart.\n")
    assert "| Parameters in all | 12,345 |" in card
    assert "| Data | `flowers/` |\n| Epochs | `3` |" in card
    assert "0. ant\n1. bee \\<script\\>\n2. cat \\| dog\n3. \\_emu\\_\n4. fox\n" in card
    assert "On 8 of the bundled photographs: Keras 100.0 %, model.tflite 100.0 %" in card
    assert "| `model.onnx` | ONNX, float32 | 0.400\u00a0MB | \u2013 | \u2013 | \u2013 | \u2013 | no |" in card
    assert "`model.onnx` was not verified: ONNX Runtime is not installed." in card
    assert "```python\nimport efficientnet_tf\n```" in card
    assert "Quantised networks were calibrated on pictures of `flowers/`." in card
    assert "The licence of the photographs that it was trained on is not known to this program." in card


def test_card_of_what_nobody_knows(tmp_path):
    photographs = drawn(targets=False)
    rows = [row_of(photographs, "keras", "none", "model.keras", size=100)]
    many = [f"class {number}" for number in range(1000)]
    write_report(tmp_path, rows, photographs, labels=many, record=RECORD, about=About(name="mine"))
    card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "other outputs" not in card
    assert "| Architecture | not known |" in card
    assert "## Training\n\nNot known: the network was given without the run that trained it.\n" in card
    assert "## Accuracy\n\nNot known: nothing here measured it.\n" in card
    assert "19. class 19\n\nThese are the first 20 of 1,000;" in card
    assert "class 20" not in card
    Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_what_is_known_of_a_run(tmp_path):
    class Model:
        name = "efficientnet_tiny"

        def count_params(self):
            return 7

    run = Run(tmp_path / "flowers")
    run.path.mkdir()
    (run.path / "config.json").write_text('{"variant": "tiny", "data": "flowers/", "weights": "none", "epochs": 3}')
    (run.path / "metrics.json").write_text('{"top1": 0.9, "examples": 40}')
    about = about_of(Source(Model(), LABELS, RECORD, str(run.path), run), ExportConfig(model_dir=str(run.path)))
    assert (about.name, about.spec, about.parameters, about.weights) == ("flowers", spec("tiny"), 7, None)
    assert (about.config["epochs"], about.metrics["top1"]) == (3, 0.9)
    write_report(tmp_path, [MISSING], drawn(), labels=LABELS, record=RECORD, about=about)
    card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Top-1 90.0 % on 40 photographs that were held out of `flowers/`, measured by the run in Keras." in card
    for outputs, bound in {
        ("probabilities", "logits"): "- none: no probability differs by more than 0.0001; the top class is the same on "
        "every clear photograph; other outputs have 80\u00a0dB of signal to noise or more.\n",
        ("logits",): "- none: other outputs have 80\u00a0dB of signal to noise or more.\n",
    }.items():
        row = {**MISSING, "interface": interface("onnx", outputs=list(outputs))}
        write_report(tmp_path, [row], drawn(), labels=LABELS, record=RECORD, about=about)
        card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
        assert bound in card
        assert f'answer = session.run(["{outputs[0]}"], {{"image": pixels}})[0]' in card
    zoo = about_of(Source(Model(), LABELS, RECORD, "efficientnet_b0"), ExportConfig(variant="b0"))
    assert (zoo.name, zoo.spec, zoo.weights) == ("efficientnet_b0", spec("b0"), "imagenet")


def test_code_of_a_card_is_of_artifacts_that_are_alike(tmp_path):
    """What int8 answers is integers, what the others answer is not."""
    photographs = drawn()
    kinds = ("int8", "mixed", "int16x8", "none")
    pictures = {"int8": "uint8", "mixed": "uint8", "int16x8": "uint8", "none": "float32"}
    rows = [
        row_of(photographs, "tflite", kind, f"{kind}.tflite", size=9, interface=interface(pictures=pictures[kind]))
        for kind in kinds
    ]
    write_report(tmp_path, rows, photographs, labels=LABELS, record=RECORD, about=About(name="tiny"))
    card = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "In the same way: `int16x8.tflite`." in card
    assert card.count("In the same way:") == 1
    assert card.count("zero_point = run.get_output_details()") == 1


def test_where_no_photograph_is_clear_the_reason_is_given(tmp_path):
    photographs = dataclasses.replace(drawn(), expected=np.full((8, 5), 0.2, np.float32))
    row = row_of(photographs, "tflite", "none", "model.tflite", size=400_000)
    assert row["clear_photographs"] == 0
    write_report(tmp_path, [row], photographs, labels=LABELS, record=RECORD, about=About(name="tiny"))
    reason = "on none of the photographs does Keras\u2019 top class lead the next by 10 % or more."
    card = plain((tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8"))
    assert f"\nThe classes of `model.tflite` were not checked: {reason}\n" in card
    text = plain(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text)
    assert f"Classes were not checked: {reason}" in text
    assert f"The classes of model.tflite: {reason}" in text


def test_a_browser_shows_it(folder, tmp_path):
    browser = Browser(tmp_path)
    try:
        for width, dark in ((1200, False), (390, True)):
            browser.look(width, 900, dark=dark, phone=width < 500)
            browser.open((folder / "report.html").as_uri())
            browser.wait("document.readyState === 'complete'")
            # Nothing is fetched, nothing is blocked, and nothing stands out of the page.
            assert browser.complaints == []
            assert [address for address in browser.requests if not address.startswith(("file:", "data:"))] == []
            assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
            shown = "getComputedStyle(document.querySelector('.photograph')).backgroundImage.slice(0, 15)"
            assert browser.evaluate(shown) == 'url("data:image'
        first = "document.querySelector('.sortable tbody a').textContent"
        assert browser.evaluate(first) == "model.tflite"
        browser.evaluate("document.querySelectorAll('.sortable th button')[1].click()")
        assert browser.evaluate(first) == "model_int8.tflite"
    finally:
        browser.close()
