"""The report of a run: its figures are those of the answers, and no name and no gap in them can break it."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
import subprocess

import keras
import numpy as np
import pytest
from browser import chromium
from PIL import Image
from reports import LABELS, Page, drawn_answers, picture, read, report, resolved

import efficientnet_tf as efn
from efficientnet_tf.errors import UsageError
from efficientnet_tf.evaluation import evaluate_probabilities
from efficientnet_tf.training.report import Shortlist
from efficientnet_tf.training.report.answers import Answers
from efficientnet_tf.training.report.gallery import SHOWN, choose

HOSTILE = (
    "<script>document.title = 'taken'</script>",
    '"><img src=x onerror="alert(1)">',
    "</style></title><svg onload=alert(1)>",
    "&lt;b&gt; \u202e\x00 'javascript:alert(1)'",
)


def test_figures_are_those_of_the_answers(tmp_path):
    probabilities, targets = drawn_answers(60, 4)
    predicted = probabilities.argmax(-1)
    path = report(tmp_path, training_examples=[30, 31, 32, 1033], seconds=3723.4)
    page = read(path)
    assert path == tmp_path / "run" / "report.html"
    assert [file.name for file in path.parent.iterdir() if "partial" in file.name] == []
    right = int((predicted == targets).sum())
    assert f"{right} of 60 photographs" in page.text
    assert f"{100 * right / 60:.1f} % of new photographs recognised" in page.text
    metrics = evaluate_probabilities(probabilities, targets, LABELS)
    assert f"Loss {metrics['loss']:.3g} Mean cross-entropy" in page.text
    assert page.text.count(f"{100 * metrics['ece']:.1f} %") >= 2  # as metrics.json has it, and counted from the bins
    assert "was chosen by these photographs too, which flatters the figure a little." in page.text
    assert "Took 1 h 2 min" in page.text
    assert "Trained on 1,126 Photographs" in page.text
    for index, label in enumerate(LABELS):
        own, answered = targets == index, predicted == index
        both = int((own & answered).sum())
        shares = (both / own.sum(), both / answered.sum(), 2 * both / (own.sum() + answered.sum()))
        wrong = np.bincount(predicted[own & ~answered], minlength=4)
        sizes = (f"{own.sum()}", f"{(30, 31, 32, 1033)[index]:,}")
        expected = [label, *(f"{100 * share:.1f} %" for share in shares), *sizes, LABELS[wrong.argmax()]]
        sorted_row = next(row for row in page.rows if row and row[0] == label and len(row) == 7)
        assert sorted_row == [text.replace("100.0 %", "100 %") for text in expected]
        matrix_row = next(row for row in page.rows if row and row[0] == label and len(row) == 5)
        assert matrix_row[1:] == [str(times or "") for times in np.bincount(predicted[own], minlength=4)]
    said = {str(attributes.get("data-says")).replace("\u00a0", " ") for attributes in page.all("rect")}
    assert "Epoch 2: training 0.9, validation 0.8" in said
    assert "Epoch 3: training 90 %, validation 80 %" in said
    assert "Epoch 1: learning rate 0.003" in said


def test_answers_must_fit_the_labels(tmp_path):
    message = re.escape("Expected probabilities for 60 examples and 4 classes, got shape (60, 3).")
    with pytest.raises(UsageError, match=f"^{message}$"):
        report(tmp_path, metrics={}, probabilities=np.ones((60, 3), np.float32))


def test_names_are_never_markup(tmp_path):
    path = report(
        tmp_path,
        labels=HOSTILE,
        metrics={"loss": 0.5},
        # The name of a file need not be text.
        files=[f"https://host/\udcff{HOSTILE[row % 4]}" for row in range(60)],
        config=resolved(data=HOSTILE[1], model_dir=HOSTILE[0], head_epochs=0),
        training_examples=[1, 2, 3, 4],
        skipped=[(HOSTILE[0], HOSTILE[2])],
    )
    page = read(path)
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []
    sources = [attributes["src"] or "" for tag, attributes in page.elements if "src" in attributes]
    assert len(sources) == SHOWN
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert {name for name, _ in page.elements} >= {"bdi", "svg", "table"}
    for label in HOSTILE[:3]:
        assert label in page.text
    assert "&lt;b&gt; \u202e\ufffd 'javascript" in page.text


def test_nothing_is_loaded_from_anywhere(tmp_path):
    path = report(tmp_path)
    page, text = read(path), path.read_text(encoding="utf-8")
    links = [attributes[name] for _, attributes in page.elements for name in ("href", "src") if name in attributes]
    named = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert [link for link in links if not str(link).startswith("data:image/") and str(link)[1:] not in named] == []
    assert not re.search(r"https?:|url\(|@import|srcset|<link|<iframe|<object|fetch\(|XMLHttpRequest", text)
    policy = next(attributes["content"] for attributes in page.all("meta") if "http-equiv" in attributes)
    assert re.fullmatch(
        r"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-[\w+/]{43}='", str(policy)
    )


def test_size_is_bounded(tmp_path):
    labels = [f"class {number}" for number in range(1000)]
    path = report(
        tmp_path,
        labels=labels,
        answers=drawn_answers(3000, 1000),
        metrics={},
        pictures=lambda row: picture(row, 600),
        history=[{"epoch": n, "loss": 1 / (n + 1), "val_loss": 1 / (n + 1), "learning_rate": 0.1} for n in range(2000)],
        skipped=[(f"{n}.jpg", "truncated") for n in range(5000)],
        training_examples=[100] * 1000,
    )
    assert path.stat().st_size < 1_500_000
    page = read(path)
    sizes = {
        Image.open(io.BytesIO(base64.b64decode(str(attributes["src"]).split(",")[1]))).size
        for attributes in page.all("img")
    }
    assert sizes == {(256, 256)}
    assert "matrix" not in {attributes.get("class") for attributes in page.all("table")}
    assert "The 20 most frequent confusions." in page.text
    assert "And 4,800 files more." in page.text
    assert len(page.all("li")) < 220


def test_history_may_lack_everything(tmp_path):
    page = read(report(tmp_path, history=[]))
    assert "curves" not in {attributes.get("id") for _, attributes in page.elements}
    assert "Curves" not in page.text
    page = read(report(tmp_path, history=[{"epoch": "0", "loss": "0.5"}]))
    assert len([attributes for attributes in page.all("svg") if "Loss" in str(attributes["aria-label"])]) == 1
    assert "Epochs 1 of 3 Kept: epoch 1." in page.text
    bad = [{"epoch": 0, "loss": 1.0, "val_loss": float("nan")}, {"epoch": 1, "loss": "nan", "val_loss": ""}]
    page = read(report(tmp_path, history=bad))
    assert "The loss was no longer a number Training went astray in epoch 2." in page.text


def test_run_without_mistakes(tmp_path):
    targets = np.arange(20) % 4
    certainty = np.linspace(0.5, 0.99, 20)
    probabilities = np.eye(4)[targets] * certainty[:, None] + (1 - np.eye(4)[targets]) * (1 - certainty[:, None]) / 3
    page = read(report(tmp_path, answers=(probabilities, targets), metrics={"loss": 0.2, "top5": None, "ece": 0.1}))
    assert "100 % of new photographs recognised" in page.text
    assert "No mistakes These are the least certain of the right answers." in page.text
    assert "photos/ant/0.jpg" in {attributes.get("title") for attributes in page.all("p")}
    assert "Weakest is" not in page.text
    assert "Taken for" not in page.text


def test_early_stop_is_told(tmp_path):
    rows = [{"epoch": n, "val_loss": loss} for n, loss in enumerate([0.5, 0.4, 0.41, 0.42])]
    page = read(report(tmp_path, history=rows, config=resolved(epochs=20, patience=2)))
    assert "Epochs 4 of 20 Kept: epoch 2. Then 2 without a better one." in page.text
    assert "Training did not come to its end" not in page.text


def test_photographs_with_maps(tmp_path):
    keras.utils.set_random_seed(1)
    model = efn.EfficientNet("tiny", weights=None, classes=4, image_size=32)
    page = read(report(tmp_path, model=model))
    pictures = [(attributes["alt"], attributes["src"]) for attributes in page.all("img")]
    assert len(pictures) == 2 * SHOWN
    probabilities, targets = drawn_answers(60, 4)
    worst = choose(Answers(probabilities, targets, LABELS))[0]
    assert [alt for alt, _ in pictures[:2]] == [
        f"photograph of {LABELS[targets[worst]]}",
        f"map for {LABELS[probabilities[worst].argmax()]}",
    ]
    decoded = [np.asarray(Image.open(io.BytesIO(base64.b64decode(str(uri).split(",")[1])))) for _, uri in pictures[:2]]
    np.testing.assert_array_equal(decoded[0], picture(worst))
    assert decoded[1].shape == (32, 32, 3)
    # A network whose end is another one has no maps, and a report all the same.
    flat = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    assert len(read(report(tmp_path, model=flat)).all("img")) == SHOWN


@pytest.mark.parametrize("batch", [1, 7, 60])
def test_shortlist_keeps_what_is_shown(batch):
    probabilities, targets = drawn_answers(60, 4)
    shortlist = Shortlist(limit=5)
    for start in range(0, 60, batch):
        rows = slice(start, start + batch)
        images = np.stack([picture(row, 8) for row in range(60)[rows]])
        shortlist.add(images, probabilities[rows], targets[rows])
    for row in choose(Answers(probabilities, targets, LABELS), limit=5):
        np.testing.assert_array_equal(shortlist.picture(row), picture(row, 8))
    best = int(np.argmax(np.where(probabilities.argmax(-1) == targets, probabilities.max(-1), 0)))
    with pytest.raises(KeyError):
        shortlist.picture(best)


def test_settings_that_differ_stand_first(tmp_path):
    config = resolved(epochs=4, head_epochs=4, dropout=0.3, augment="none")
    page = read(report(tmp_path, config=config))
    assert page.row("variant") == ["variant", "b0", page.row("variant")[2]]
    begin = next(n for n, row in enumerate(page.rows) if row == ["Setting", "Here", "Recipe"])
    rows = page.rows[begin + 1 : begin + 4]
    assert rows == [["dropout", "0.3", "\u2013"], ["augment", "none", "autoaugment"], ["epochs", "4", "10"]]
    assert page.row("label_smoothing")[1] == "0.1"
    everything = {row[0] for row in page.rows[begin + 4 :] if row}
    assert everything >= {field.name for field in dataclasses.fields(config)} - {"preview"}


@pytest.mark.slow
def test_a_browser_shows_it_without_complaint(tmp_path):
    path = report(tmp_path, labels=HOSTILE, metrics={}, training_examples=[5, 6, 7, 8])
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [chromium(), *options, "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    # What scripts throw, and what the page's own policy forbids, stands on the console.
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    page = Page(done.stdout)
    assert "run: " in done.stdout
    assert len(page.all("script")) == 1
    headings = [attributes for attributes in page.all("button") if attributes.get("type") == "button"]
    assert len(headings) >= 7  # that the script has run: headings that sort
    assert len([attributes for attributes in page.all("p") if attributes.get("class") == "says"]) == 4
