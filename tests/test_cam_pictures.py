"""Pictures of class activation maps, and the command that draws them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from efficientnet_tf.cam.pictures import COLORMAP, Column, Panel, add_pictures, draw, look, prepare_folder
from efficientnet_tf.cli import predict
from efficientnet_tf.config import PredictConfig
from efficientnet_tf.data.sources import SAMPLE
from efficientnet_tf.errors import UsageError
from efficientnet_tf.prediction import Predictor, open_source
from efficientnet_tf.pretrained import EfficientNet
from efficientnet_tf.run import Run
from efficientnet_tf.specs import Preprocessing

CLASSES, SIDE = 7, 64


def network(classes: int) -> keras.Model:
    keras.utils.set_random_seed(0)
    return EfficientNet("tiny", weights=None, classes=classes, image_size=SIDE)


def predictor() -> Predictor:
    labels = ("cat", "dog $1$", "ox")
    own = network(len(labels))
    return Predictor("tiny", own.predict_on_batch, labels, Preprocessing((SIDE, SIDE)), model=own)


def save_picture(path: Path, shade: int = 90) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (80, 70), (shade, 200, 10)).save(path)
    return str(path)


def test_what_a_column_shows(tmp_path):
    file = save_picture(tmp_path / "a.png")
    panel = look(Column(predictor(), class_index=1), [file])[0]
    assert (panel.pixels.shape, panel.heat.shape) == ((SIDE, SIDE, 3), (SIDE, SIDE))
    assert (panel.pixels[0, 0].tolist(), panel.title) == ([90, 200, 10], "dog $1$, 33%")


def test_the_picture_has_the_photograph_and_its_maps():
    pixels = np.full((40, 40, 3), (200, 30, 30), np.uint8)
    heats = [np.zeros((40, 40), np.float32), np.ones((40, 40), np.float32)]
    drawn = draw([[Panel(pixels, heat, "cat, 1%") for heat in heats]] * 2, ["runs/one", "two"])
    picture = np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB"))
    assert picture.shape[1] == 750
    grey = np.full(3, np.dot((200, 30, 30), (0.299, 0.587, 0.114)))
    for column, colour in enumerate(
        [
            np.array([200, 30, 30]),
            *(0.4 * grey + 0.6 * 255 * np.array(colormaps[COLORMAP](end)[:3]) for end in (0, 255)),
        ]
    ):
        for y in (picture.shape[0] // 4 + 10, 3 * picture.shape[0] // 4 + 10):
            np.testing.assert_allclose(picture[y, 125 + 250 * column], colour, atol=3)


def test_names_of_pictures(tmp_path):
    names = ("x/1.png", "y/1.png", "x/2.png", "y/2.jpg", "y/2.PNG", "y/dog.jpg", "z/y/dog.jpg", "x/cat.png")
    files = [save_picture(tmp_path / name) for name in names]
    predictions = [{"file": file} for file in files]
    add_pictures(predictions, [Column(predictor())], tmp_path / "cam", batch_size=3)
    written = [Path(prediction["cam"]).name for prediction in predictions]
    assert written == [
        *("x-1.png", "y-1.png", "x-2.png", "y-2.png", "y-2-2.png", "y-dog.png", "y-dog-2.png", "cat.png"),
    ]
    assert sorted(path.name for path in (tmp_path / "cam").iterdir()) == sorted(written)
    for prediction in predictions:
        with Image.open(prediction["cam"]) as picture:
            assert (picture.format, picture.width) == ("PNG", 500)


def test_pictures_never_come_among_photographs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_picture(tmp_path / "photos" / "a.png")
    for folder, source in (
        ("photos", "photos"),
        ("photos/cam", "photos"),
        ("photos", "photos/a.png"),
        ("photos/../photos/cam", str(tmp_path)),
    ):
        message = f"--cam={folder} would put pictures among the photographs of {source}. Give another folder."
        with pytest.raises(UsageError, match=f"^{message}$"):
            prepare_folder(folder, [source])
    with pytest.raises(UsageError, match=r"^No such file or folder: 'absent\.png'\. "):
        prepare_folder("cam", ["absent.png"])
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
    prepare_folder("cam", ["photos", "photos/a.png"])
    assert (tmp_path / "cam").is_dir()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run with a tiny network."""
    folder = tmp_path_factory.mktemp("runs") / "tiny-sample"
    made = Run(folder)
    made.describe([f"kind {index}" for index in range(CLASSES)], Preprocessing((SIDE, SIDE)))
    made.save_model(network(CLASSES))
    return folder


def test_command(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = [str(SAMPLE / "animals" / name) for name in ("panda.jpg", "dog.jpg")]
    words = [f"--model_dir={run}", f"--compare={run / 'model.keras'},{run}", "--cam=cam", *files]
    assert predict.main([*words, "--json", "--cam_class=kind 2", "--cam_layer=stem_activation"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert [row["cam"] for row in rows] == [str(Path("cam", name)) for name in ("panda.png", "dog.png")]
    with Image.open(tmp_path / "cam" / "panda.png") as picture:
        assert picture.width == 1000
    first = (tmp_path / "cam" / "dog.png").read_bytes()
    assert predict.main([*words, "--cam_class=3"]) == 0
    assert f"  drawn in {Path('cam', 'dog.png')}\n" in capsys.readouterr().out
    assert (tmp_path / "cam" / "dog.png").read_bytes() != first
    assert sorted(path.name for path in (tmp_path / "cam").iterdir()) == ["dog.png", "panda.png"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--cam_class=kind2"],
            "Unknown class 'kind2'. Did you mean 'kind 2'? Allowed: a label of {run}, or an index of 0...6.",
        ),
        (["--cam_class=7"], "Unknown class '7'. Allowed: a label of {run}, or an index of 0...6."),
        (
            ["--cam_layer=avg_pool"],
            "The output of layer 'avg_pool' of 'efficientnet_tiny' is no map [N, height, width, channels].",
        ),
        (["--compare=runs/absent"], "runs/absent holds no run: it has neither config.json nor model.keras."),
        (["--compare=absent.keras"], "There is no artifact absent.keras. Allowed: "),
        (["--compare=lit0"], "Unknown variant 'lit0'. Did you mean 'lite0'? Allowed: "),
    ],
)
def test_wrong_command_lines(run, words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert predict.main([f"--model_dir={run}", "--cam=cam", *words, str(SAMPLE / "animals" / "dog.jpg")]) == 2
    error = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("efficientnet-predict"))
    assert error.startswith(f"efficientnet-predict: {message.format(run=run)}")
    assert list(tmp_path.iterdir()) == []


def test_flags_that_do_not_go_together():
    for name, value in (("cam_layer", "top_conv"), ("cam_class", "0"), ("compare", ("lite1",))):
        with pytest.raises(UsageError, match=rf"^--{name} belongs to --cam=FOLDER, which is not given\.$"):
            PredictConfig(variant="lite0", **{name: value})
    message = (
        r"--cam looks into a network's layers, which a/model\.tflite does not show\. "
        r"Give a run, a variant, or a \.keras file\."
    )
    with pytest.raises(UsageError, match=f"^{message}$"):
        PredictConfig(artifact="a/model.tflite", cam="cam")


def test_sources_by_one_word(run):
    assert open_source(str(run)).name == str(run)
    assert open_source(str(run / "model.keras")).model.output_shape == (None, CLASSES)
    assert open_source("lite0").name == "efficientnet_lite0"
