"""`efficientnet-convert --to=tfrecord`: a source becomes TFRecord files, or one line says why not."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from efficientnet_tf.cli import convert
from efficientnet_tf.config import ConvertConfig
from efficientnet_tf.data import tfrecord
from efficientnet_tf.errors import UsageError


def make_classes(folder: Path, *, count: int = 5, ending: str = ".jpg") -> Path:
    for colour, name in enumerate(("lily", "rose")):
        for number in range(count):
            path = folder / name / f"{number}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20 + number, 10), (50 * colour, 20 * number, 0)).save(path)
    return folder


def images_of(folder: Path, pattern: str) -> dict[bytes, int]:
    dataset = tf.data.TFRecordDataset(list(tfrecord.shard_files(f"{folder}/{pattern}"))).map(tfrecord.parse)
    return {image: int(label) for image, label in dataset.as_numpy_iterator()}


def test_bundled_photographs_are_converted(tmp_path, capsys):
    output = tmp_path / "records" / "sample"
    arguments = ["--to=tfrecord", "--data=sample", f"--output={output}", "--shards=3", "--seed=7"]
    assert convert.main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.out == (
        "train: 141 images, 3.1 MB, shards: 3\n"
        "validation: 48 images, 1.1 MB, shards: 1\n"
        f"{output}: 5 classes, skipped: 0; every record was read back and is what its file was.\n"
        f"Next: efficientnet-train --data=tfrecord:{output}\n"
    )
    assert printed.err.splitlines()[0] == "sample: 19 of 189 images written"
    assert printed.err.splitlines()[-1] == "sample: 189 of 189 images written"
    assert len(printed.err.splitlines()) == 10
    assert len(images_of(output, "train-*")) == 141
    # A second time nothing is overwritten.
    assert convert.main(arguments) == 2
    assert capsys.readouterr().err == (
        f"efficientnet-convert: '{output}' holds something already. Give an output folder that is new or empty.\n"
    )


def test_folder_with_all_three_splits(tmp_path, capsys):
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        make_classes(tmp_path / "flowers" / split, count=count)
    (tmp_path / "flowers" / "val" / "rose" / "empty.jpg").write_bytes(b"")
    arguments = ["--to=tfrecord", f"--data={tmp_path / 'flowers'}", f"--output={tmp_path / 'out'}", "--json"]
    assert convert.main([*arguments, "--max_bad_files=0.5"]) == 0
    result = json.loads(capsys.readouterr().out)
    kept = json.loads((tmp_path / "out" / "dataset.json").read_text(encoding="utf-8"))
    assert result == {"output": str(tmp_path / "out"), **kept}
    assert {split: part["per_class"] for split, part in kept["splits"].items()} == {
        "train": {"lily": 4, "rose": 4},
        "validation": {"lily": 2, "rose": 2},
        "test": {"lily": 3, "rose": 3},
    }
    assert kept["skipped"] == [
        {"file": str(tmp_path / "flowers" / "val" / "rose" / "empty.jpg"), "reason": "an empty file"}
    ]
    for split, folder in (("train", "train"), ("validation", "val"), ("test", "test")):
        assert images_of(tmp_path / "out", f"{split}-*") == {
            path.read_bytes(): label
            for label, name in enumerate(("lily", "rose"), start=1)
            for path in (tmp_path / "flowers" / folder / name).iterdir()
            if path.stat().st_size
        }


def test_share_for_validation_can_be_chosen(tmp_path):
    make_classes(tmp_path / "flowers")
    arguments = ["--to=tfrecord", f"--data={tmp_path / 'flowers'}", f"--output={tmp_path / 'out'}"]
    assert convert.main([*arguments, "--validation_fraction=0.4"]) == 0
    assert len(images_of(tmp_path / "out", "train-*")) == 6
    assert len(images_of(tmp_path / "out", "validation-*")) == 4


def test_pictures_that_are_no_files_are_converted(tmp_path):
    pixels = np.arange(6 * 28 * 28, dtype=np.uint8).reshape(6, 28, 28)
    source = tmp_path / "digits"
    source.mkdir()
    (source / "train-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, 6, 28, 28) + pixels.tobytes())
    (source / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 6) + bytes([7, 7, 7, 2, 2, 2]))
    assert convert.main(["--to=tfrecord", f"--data=idx:{source}", f"--output={tmp_path / 'out'}"]) == 0
    assert tfrecord.read_labels(tmp_path / "out") == tuple("0123456789")
    images = images_of(tmp_path / "out", "train-*") | images_of(tmp_path / "out", "validation-*")
    received = {tf.io.decode_png(image).numpy().tobytes(): label for image, label in images.items()}
    assert received == {pixels[row].tobytes(): (8, 8, 8, 3, 3, 3)[row] for row in range(6)}
    assert convert.main(["--to=tfrecord", f"--data=idx:{source}", f"--output={source / 'out'}"]) == 2


def test_records_are_cut_into_other_shards(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert convert.main(["--to=tfrecord", "--data=sample", f"--output={first}"]) == 0
    assert convert.main(["--to=tfrecord", f"--data=tfrecord:{first}", f"--output={second}", "--shards=5"]) == 0
    assert len(tfrecord.shard_files(second / "train-*")) == 5
    for split in ("train", "validation"):
        assert images_of(second, f"{split}-*") == images_of(first, f"{split}-*")
    assert tfrecord.read_labels(second) == tfrecord.read_labels(first)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


def test_too_little_space_for_records_is_one_line(tmp_path, monkeypatch, capsys):
    first = tmp_path / "first"
    assert convert.main(["--to=tfrecord", "--data=sample", f"--output={first}"]) == 0
    capsys.readouterr()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))
    assert convert.main(["--to=tfrecord", f"--data=tfrecord:{first}", f"--output={tmp_path / 'second'}"]) == 1
    message = f"'{tmp_path}/second' needs 0.009 GB, and 0.001 GB are free on its disk."
    assert capsys.readouterr().err == f"efficientnet-convert: {message}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_output_inside_the_source_is_refused(tmp_path, capsys):
    flowers = make_classes(tmp_path / "flowers")
    (tmp_path / "link").symlink_to(flowers)
    before = sorted(tmp_path.rglob("*"))
    for output in (flowers / "out", flowers / "rose" / "a" / "out", tmp_path / "link" / "out"):
        assert convert.main(["--to=tfrecord", f"--data={flowers}", f"--output={output}"]) == 2
        assert capsys.readouterr().err == (
            f"efficientnet-convert: --output must lie outside the source '{flowers}', got '{output}'.\n"
        )
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "--data is missing. For example: --to=tfrecord --data=flowers/ --output=flowers-tfrecord"),
        (["--data=in"], 2, "--output is missing. For example: --to=tfrecord --data=flowers/ --output=flowers-tfrecord"),
        (["--data=absent", "--output=out"], 2, "No such data: 'absent'."),
        (["--data=in", "--output=out", "--shards=0"], 2, "shards must be at least 1, got 0."),
        (
            ["--data=in", "--output=out", "--shards=9"],
            2,
            "shards must be at most the number of images for training, 8, got 9.",
        ),
        (["--data=in", "--output=out", "--validation_fraction=1"], 2, "validation_fraction must be below 1.0, got 1.0"),
        (["--data=in", "--output=out", "--variant=b0"], 2, "--variant=b0 belongs to --to=keras, got --to=tfrecord."),
        (["--data=in", "--output=out", "--to=tfrecords"], 2, "Unknown to 'tfrecords'. Did you mean 'tfrecord'? "),
        (["--data=in", "--output=in/rose/0.jpg"], 2, "'in/rose/0.jpg' is a file. Give an output folder that is new"),
        (["--data=bad", "--output=out"], 1, "1 of the 10 images in 'bad' cannot be used, more than max_bad_files=0.05"),
    ],
)
def test_wrong_input_is_one_line(arguments, status, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_classes(Path("in"))
    (make_classes(Path("bad")) / "rose" / "0.jpg").write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))
    assert convert.main(["--to=tfrecord", "--max_bad_files=0.05", *arguments]) == status
    error = capsys.readouterr().err
    assert re.match(f"^efficientnet-convert: {re.escape(message)}", error)
    assert error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_settings_of_photographs_are_refused_with_weights():
    with pytest.raises(UsageError, match=r"^--data=flowers belongs to --to=tfrecord, got --to=keras\.$"):
        ConvertConfig(source="a.pth", variant="b0", data="flowers")
    with pytest.raises(UsageError, match=r"^--seed=1 belongs to --to=tfrecord, got --to=keras\.$"):
        ConvertConfig(source="a.pth", variant="b0", seed=1)


def test_help_names_both_kinds_and_loads_no_tensorflow():
    program = (
        "import sys; from efficientnet_tf.cli import convert; status = convert.main(['--help']); "
        "print(status, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n0 False\n")
    assert "--to=tfrecord --data=DIR --output=NEW" in done.stdout
    assert "--shards" in done.stdout
