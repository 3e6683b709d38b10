"""The commands as a user meets them: help, exit codes, and errors of one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from efficientnet_tf import errors
from efficientnet_tf.cli import command, export, predict, train
from efficientnet_tf.flags import COMMANDS

MAINS = {"train": train.main, "export": export.main, "predict": predict.main}


def one_line(capsys) -> str:
    """Return what went to standard error, which must be one line."""
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("E0000")]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def photographs(folder, classes=("a", "b"), number=3) -> None:
    for name in classes:
        (folder / name).mkdir(parents=True)
        for index in range(number):
            Image.new("RGB", (40, 40), (40 * index, 90, 200)).save(folder / name / f"{index}.jpg")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_needs_no_tensorflow(name):
    code = f"""
import sys
from efficientnet_tf.cli.{name} import main
code = main(["--help"])
assert not [module for module in ("tensorflow", "keras", "numpy", "PIL") if module in sys.modules]
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: efficientnet-{name} ")
    for flag in ("--flagfile", "--json", "--debug", "--help"):
        assert flag in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_help_names_every_flag_and_default(capsys):
    assert train.main(["-h"]) == 0
    text = capsys.readouterr().out
    for field in ("--variant ", "--recipe ", "--strategy ", "--config "):
        assert field in text
    assert "(default: adamw; imagenet*, lite, smoke rmsprop; transfer sgd)" in " ".join(text.split())


@pytest.mark.parametrize(
    ("name", "words", "code", "message"),
    [
        ("train", ["--variant=lit0"], 2, "Unknown variant 'lit0'. Did you mean 'lite0'? Allowed: b0, "),
        ("train", ["--varaint=b0"], 2, "Unknown command line flag 'varaint'. Did you mean: variant ?"),
        ("train", ["--batch_size=0", "--data=sample"], 2, "batch_size must be at least 1, got 0."),
        ("train", ["--epochs=few"], 2, "epochs must be a whole number, got 'few'."),
        ("train", ["b0"], 2, "efficientnet-train takes flags only, got 'b0'; write --name=value."),
        ("train", [], 2, "--data is missing. Allowed: 'sample' (the bundled photographs); "),
        ("train", ["--data=absent"], 2, "No such data: 'absent'. Allowed: "),
        ("train", ["--data=sample", "--variant=resnet50"], 2, "No 'imagenet' weights of 'resnet50' are published; "),
        ("train", ["--data=sample", "--flagfile=absent.cfg"], 2, "Unable to open flagfile: "),
        ("train", ["--data=sample", "--seed=99999999999"], 2, "seed must be at most 4294967295, got 99999999999."),
        ("train", ["--data=sample", "--warmup_epochs=inf"], 2, "warmup_epochs must be a number, got 'inf'."),
        ("predict", ["--image_size=64", "a.jpg"], 2, "--image_size belongs to --variant, which is not given; got 64."),
        ("export", ["--weights=a.keras"], 2, "--weights belongs to --variant, which is not given; got a.keras."),
        ("export", ["--variant=lite0", "--weights=none"], 2, "--weights=none is a network that knows nothing. Give "),
        ("export", [], 2, "There is no run under runs/. Train one with efficientnet-train, or name "),
        ("export", ["--model_dir=absent"], 2, "absent holds no run: it has neither config.json nor model.keras."),
        ("export", ["--quantize=int9"], 2, "Unknown quantize 'int9'. "),
        ("predict", ["--variant=lite0"], 2, "No image given. Allowed: image files and folders of images."),
        ("predict", ["--variant=lite0", "absent.jpg"], 2, "No such file or folder: 'absent.jpg'. "),
        ("predict", ["--artifact=absent.tflite", "a.jpg"], 2, "There is no artifact absent.tflite. Allowed: "),
        ("predict", ["a.jpg"], 2, "There is no run under runs/. "),
    ],
)
def test_wrong_command_lines(name, words, code, message, folder, capsys):
    assert MAINS[name](words) == code
    assert one_line(capsys).startswith(f"efficientnet-{name}: {message}")
    assert list(folder.iterdir()) == []


def test_folder_without_images(folder, capsys):
    (folder / "data" / "a").mkdir(parents=True)
    assert train.main(["--data=data"]) == 1
    assert one_line(capsys).startswith("efficientnet-train: No images in the sub-folders of 'data'")


def test_single_class(folder, capsys):
    photographs(folder / "data", classes=("cats",))
    assert train.main(["--data=data"]) == 1
    assert one_line(capsys) == "efficientnet-train: 'data' has a single class, 'cats'; two or more are needed."


def test_folder_of_another_run_is_left_alone(folder, capsys):
    photographs(folder / "data")
    run = folder / "mine"
    run.mkdir()
    (run / "config.json").write_text("{}")
    assert train.main(["--data=data", "--model_dir=mine"]) == 2
    message = "mine holds another run. Give a new --model_dir, or none to let one be chosen."
    assert one_line(capsys) == f"efficientnet-train: {message}"
    (run / "config.json").rename(run / "thesis.txt")
    assert train.main(["--data=data", "--model_dir=mine"]) == 2
    message = "mine is not an empty folder. Give a new --model_dir, or none to let one be chosen."
    assert one_line(capsys) == f"efficientnet-train: {message}"
    assert [path.name for path in run.iterdir()] == ["thesis.txt"]


def test_unwritable_output_folder(folder, capsys):
    # A file where a folder should be: it stops even root, whom permissions do not.
    (folder / "out").write_text("")
    arguments = ["--variant=lite0", "--format=tflite", "--output_dir=out/export"]
    assert export.main(arguments) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("efficientnet-export")]
    assert errors == ["efficientnet-export: The folder out/export cannot be written: Not a directory."]
    photographs(folder / "data")
    assert train.main(["--data=data", "--variant=lite0", "--weights=none", "--model_dir=out/run"]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("efficientnet-train")]
    assert lines == ["efficientnet-train: The folder out/run cannot be written: Not a directory."]


def test_truncated_photograph_alone_and_in_a_folder(folder, capsys):
    photographs(folder / "data", classes=("a",), number=2)
    whole = (folder / "data" / "a" / "0.jpg").read_bytes()
    broken = folder / "data" / "a" / "broken.jpg"
    broken.write_bytes(whole[: len(whole) // 2])
    assert predict.main(["--variant=lite0", "--json", str(broken)]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("efficientnet")]
    assert len(lines) == 1
    assert lines[0].startswith(f"efficientnet-predict: Cannot read {str(broken)!r}: truncated or damaged ")
    assert predict.main(["--variant=lite0", "--json", "data"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [os.path.basename(row["file"]) for row in result["predictions"]] == ["0.jpg", "1.jpg"]
    assert [os.path.basename(row["file"]) for row in result["skipped"]] == ["broken.jpg"]


def test_without_tensorflow(folder, capsys, monkeypatch):
    photographs(folder / "data")
    find = errors.importlib.util.find_spec
    monkeypatch.setattr(errors.importlib.util, "find_spec", lambda name: None if name == "tensorflow" else find(name))
    assert train.main(["--data=data"]) == 1
    assert one_line(capsys) == (
        "efficientnet-train: TensorFlow is not installed. Run: pip install 'efficientnet_tf[cpu]' "
        "(or efficientnet_tf[gpu], efficientnet_tf[tpu])."
    )


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "stopped."),
        (command.Terminated(), 143, "stopped."),
        (errors.EfficientNetError("a\nb"), 1, "a b"),
        (errors.UsageError("wrong"), 2, "wrong"),
        (OSError(28, "No space left on device", "model.keras"), 1, "model.keras: No space left on device."),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError: by zero (--debug shows where)"),
    ],
)
def test_exit_codes(error, code, message, capsys):
    def action(line):
        raise error

    assert command.run_command("train", action, []) == code
    assert one_line(capsys) == f"efficientnet-train: {message}"


def test_debug_shows_the_traceback(capsys):
    def action(line):
        raise ZeroDivisionError("by zero")

    assert command.run_command("train", action, ["--debug"]) == 1
    assert "Traceback (most recent call last):" in capsys.readouterr().err


def test_json_is_alone_on_standard_output(capsys):
    def action(line):
        print("working")
        return {"result": "é"}

    assert command.run_command("train", action, ["--json"]) == 0
    output = capsys.readouterr()
    assert (output.out, output.err) == ('{"result": "é"}\n', "working\n")
