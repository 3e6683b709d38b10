"""The page beside a TensorFlow.js model, opened in Chromium."""

from __future__ import annotations

import io
import json
import re
import shutil

import numpy as np
import pytest
from browser import Browser, served
from networks import randomise
from PIL import Image

from efficientnet_tf import EfficientNet
from efficientnet_tf.data.decoding import decode_and_crop
from efficientnet_tf.data.sources import SAMPLE
from efficientnet_tf.exporting import tfjs
from efficientnet_tf.exporting.deploy import deploy
from efficientnet_tf.exporting.page import library, write_page
from efficientnet_tf.specs import Preprocessing

RECORD = Preprocessing((64, 64), crop_padding=8)
LABELS = ["</script><b>one", "zwei & two", '"trois"', "四", "five"]
PHOTOGRAPH = SAMPLE / "animals" / "panda.jpg"

#: How far the browser's pixels may be from those of the package, in grey levels: one in decoding and one in resizing.
LEVELS = 2
#: How far the answers of a runtime may be from Keras' on the very same pixels.
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def network():
    """A network whose answers differ from picture to picture."""
    network = randomise(EfficientNet("tiny", weights=None, image_size=64, classes=len(LABELS)), seed=3)
    head = network.layers[-1]
    kernel, bias = head.get_weights()
    head.set_weights([kernel * 30, bias])
    return network


@pytest.fixture(scope="module")
def model(network):
    return deploy(network)


@pytest.fixture(scope="module")
def folder(model, modules, tmp_path_factory):
    """An exported folder with its page and everything that the page loads."""
    path = tfjs.write(model, tmp_path_factory.mktemp("page") / "tfjs")
    write_page(path, title="tiny <network>", labels=LABELS, record=RECORD, offline=True)
    shutil.copyfile(PHOTOGRAPH, path / "photograph.jpg")
    (path / "text.jpg").write_text("no picture")
    return path


@pytest.fixture(scope="module")
def address(folder):
    """Serve what is around the folder, as one does who has several."""
    with served(folder.parent) as address:
        yield f"{address}{folder.name}/"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp("profile"))
    # As arrays, since typed ones become objects on their way.
    found.before_page(
        "document.addEventListener('classified', ({ detail }) => { window.classified = {"
        " backend: detail.backend, pixels: Array.from(detail.pixels),"
        " probabilities: Array.from(detail.probabilities) }; });"
    )
    yield found
    found.close()


def _answer(browser):
    browser.wait("'classified' in window || document.querySelector('.wrong') !== null")
    assert browser.evaluate("document.querySelector('.wrong')?.textContent ?? null") is None, browser.complaints
    answer = browser.evaluate("window.classified")
    pixels = np.array(answer["pixels"], np.uint8).reshape(*RECORD.image_size, 3)
    return answer["backend"], pixels, np.array(answer["probabilities"], np.float32)


def _status(browser, begin):
    return browser.wait(
        f"((text) => text?.startsWith({json.dumps(begin)}) && text)(document.getElementById('status')?.textContent)"
    )


# The browser


@pytest.mark.parametrize("backend", ["wasm", "cpu", "webgl"])
def test_a_photograph_is_classified_as_by_keras(backend, browser, address, model):
    browser.open(f"{address}?picture=photograph.jpg&backend={backend}")
    used, pixels, probabilities = _answer(browser)
    expected = decode_and_crop(PHOTOGRAPH.read_bytes(), RECORD).numpy()
    assert used == backend
    assert np.abs(pixels.astype(int) - expected).max() <= LEVELS
    keras_answer, same_pixels = model.predict(np.stack([expected, pixels]), verbose=0)
    np.testing.assert_allclose(probabilities, same_pixels, rtol=0, atol=TOLERANCE)
    assert probabilities.argmax() == keras_answer.argmax()
    shown = browser.evaluate("Array.from(document.querySelectorAll('#answer .label'), (label) => label.textContent)")
    assert shown == [LABELS[index] for index in np.argsort(-probabilities)]
    first = browser.evaluate("document.querySelector('#answer .share').textContent")
    assert first == f"{100 * probabilities.max():.1f} %"
    assert re.fullmatch(r"\d+(\.\d)? ms", browser.evaluate("document.getElementById('network-time').textContent"))
    assert browser.complaints == []
    assert [request for request in browser.requests if not request.startswith((address, "blob:", "data:"))] == []


def test_a_photograph_is_turned_as_its_camera_says(browser, address, folder):
    upright = Image.open(PHOTOGRAPH).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.rotate(90, expand=True).save(folder / "turned.png", exif=exif)
    upright.save(folder / "upright.png")
    seen = []
    for name in ("turned.png", "upright.png"):
        browser.open(f"{address}?picture={name}")
        seen.append(_answer(browser)[1])
    np.testing.assert_array_equal(*seen)
    expected = decode_and_crop((folder / "turned.png").read_bytes(), RECORD).numpy()
    assert np.abs(seen[0].astype(int) - expected).max() <= 1
    assert (seen[0] != expected).mean() < 0.001


def test_a_file_can_be_chosen_and_another_backend_classifies_it_again(browser, address, folder):
    browser.open(address)
    assert _status(browser, "Ready") == "Ready: show it a picture."
    browser.choose("#file", folder / "photograph.jpg")
    backend, pixels, probabilities = _answer(browser)
    assert backend == "wasm"
    assert browser.evaluate("document.getElementById('picture').alt") == "Your picture, photograph.jpg"
    browser.evaluate(
        "delete window.classified; const list = document.getElementById('backend');"
        "list.value = 'cpu'; list.dispatchEvent(new Event('change'))"
    )
    other, same_pixels, again = _answer(browser)
    assert other == "cpu"
    np.testing.assert_array_equal(pixels, same_pixels)
    np.testing.assert_allclose(probabilities, again, rtol=0, atol=TOLERANCE)
    browser.evaluate("delete window.classified")
    browser.choose("#file", folder / "text.jpg")
    assert _status(browser, "This is no") == "This is no picture that this browser can read."


def test_the_camera_is_classified_until_it_is_stopped(browser, address):
    browser.open(address)
    _status(browser, "Ready")
    browser.evaluate("document.getElementById('camera').click()")
    assert _status(browser, "Classifying") == "Classifying what the camera sees."
    _answer(browser)
    assert browser.evaluate("document.getElementById('answer').getAttribute('aria-live')") == "off"
    browser.evaluate("document.getElementById('camera').click()")
    assert _status(browser, "The camera") == "The camera is off."
    assert browser.complaints == []


def test_a_page_that_is_opened_as_a_file_takes_its_folder_by_hand(browser, folder, model):
    browser.open((folder / "index.html").as_uri())
    assert _status(browser, "Waiting") == "Waiting for the folder."
    assert "python -m http.server" in browser.evaluate("document.getElementById('by-hand').innerText")
    browser.choose("#folder", folder)
    _status(browser, "Ready")
    browser.choose("#file", folder / "photograph.jpg")
    _, pixels, probabilities = _answer(browser)
    np.testing.assert_allclose(probabilities, model.predict(pixels[None], verbose=0)[0], rtol=0, atol=TOLERANCE)
    assert browser.complaints == []


def test_nothing_can_be_sent_away(browser, address):
    browser.open(address)
    _status(browser, "Ready")
    sent = browser.evaluate("fetch('https://example.com/', { method: 'POST', body: 'pixels' }).catch(() => 'refused')")
    assert sent == "refused"
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("backend=abacus", "This browser has no backend abacus; it has wasm, "),
        ("picture=absent.jpg", "absent.jpg could not be loaded (404)."),
        ("picture=text.jpg", "This is no picture that this browser can read."),
    ],
)
def test_what_is_wrong_is_said_in_words(browser, address, query, message):
    browser.open(f"{address}?{query}")
    assert browser.wait("document.querySelector('.wrong')?.textContent").startswith(message)


def test_several_outputs_and_a_fixed_batch_are_classified_too(browser, tmp_path, modules, network, model):
    path = tfjs.write(deploy(network, outputs=["features", "logits"]), tmp_path / "tfjs", batch=3)
    write_page(path, title="t", labels=LABELS, record=RECORD, offline=True)
    shutil.copyfile(PHOTOGRAPH, path / "photograph.jpg")
    with served(path) as address:
        browser.open(f"{address}?picture=photograph.jpg")
        _, pixels, probabilities = _answer(browser)
    expected = model.predict(pixels[None], verbose=0)[0]
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=TOLERANCE)


def test_the_addresses_of_the_network_serve_files_that_pass_their_hash(browser, folder, tmp_path, modules):
    path = tmp_path / "tfjs"
    shutil.copytree(folder, path, ignore=shutil.ignore_patterns("library"))
    write_page(path, title="t", labels=LABELS, record=RECORD)
    spoiled = tmp_path / "spoiled.js"
    spoiled.write_text("alert(1)")
    asked = []

    def serve(rest, replace=None):
        asked.append(rest)
        package, version, file = re.fullmatch(r"(@\w+/[\w-]+)@([\d.]+)/(.*)", rest).groups()
        assert version == "4.22.0"
        return replace or modules / "node_modules" / package / file

    with served(path) as address:
        browser.intercept(library.CDN, serve)
        browser.open(f"{address}?picture=photograph.jpg")
        assert _answer(browser)[0] == "wasm"
        assert browser.complaints == []
        assert len(asked) == 4
        browser.intercept(library.CDN, lambda rest: serve(rest, spoiled))
        browser.open(f"{address}?picture=photograph.jpg")
        wrong = browser.wait("document.querySelector('.wrong')?.textContent")
    assert wrong == f"{library.TFJS['core'].address} could not be loaded."


# The real network


@pytest.fixture(scope="module")
def lite0(modules, tmp_path_factory):
    """Lite0 with its published weights, as exported, and what Keras answers."""
    from efficientnet_tf.exporting import tflite
    from efficientnet_tf.model import preprocessing_of
    from efficientnet_tf.weights import labels_for

    model = EfficientNet("lite0", weights="imagenet")
    deployed, record = deploy(model), preprocessing_of(model)
    path = tfjs.write(deployed, tmp_path_factory.mktemp("lite0") / "tfjs")
    tflite.write(deployed, path / "model.tflite")
    write_page(path, title="lite0", labels=labels_for(1000), record=record, offline=True, tflite="model.tflite")
    names = ("panda", "scarlet_macaw", "koala")
    pictures = [(SAMPLE / "animals" / f"{name}.jpg").read_bytes() for name in names]
    for name, picture in zip(names, pictures, strict=True):
        (path / f"{name}.jpg").write_bytes(picture)
    pixels = np.stack([decode_and_crop(picture, record).numpy() for picture in pictures])
    return path, dict(zip(names, model.predict(pixels, verbose=0), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["wasm", "webgl", "litert"])
def test_photographs_are_classified_by_the_real_network_as_by_keras(backend, browser, lite0):
    path, expected = lite0
    with served(path) as address:
        for name, answer in expected.items():
            browser.open(f"{address}?picture={name}.jpg&backend={backend}")
            browser.wait("'classified' in window || document.querySelector('.wrong') !== null")
            probabilities = np.array(browser.evaluate("window.classified.probabilities"))
            assert probabilities.argmax() == answer.argmax()
            assert answer.max() > 0.5
            # The picture is decoded by the browser: what is left between it and Keras is a grey level here and there.
            np.testing.assert_allclose(probabilities, answer, rtol=0, atol=5e-3)


@pytest.mark.slow
def test_a_large_photograph_fits(browser, address, folder):
    picture = Image.open(io.BytesIO(PHOTOGRAPH.read_bytes())).resize((6000, 4000))
    picture.save(folder / "large.jpg", quality=95)
    browser.open(f"{address}?picture=large.jpg")
    pixels = _answer(browser)[1]
    expected = decode_and_crop((folder / "large.jpg").read_bytes(), RECORD).numpy()
    assert np.abs(pixels.astype(int) - expected).max() <= LEVELS
