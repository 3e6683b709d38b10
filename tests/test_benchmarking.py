"""Counts of networks against the official figures and the paper's Table 2."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.colors import to_hex

from efficientnet_tf import errors
from efficientnet_tf.benchmarking import zoo_count
from efficientnet_tf.benchmarking.keras_count import count_layers
from efficientnet_tf.benchmarking.official import OFFICIAL, Official
from efficientnet_tf.benchmarking.paper import TABLE2, number
from efficientnet_tf.benchmarking.plots import COSTS, plot_accuracy
from efficientnet_tf.benchmarking.table2 import count_network, is_ours
from efficientnet_tf.benchmarking.zoo_count import differences, zoo_rows
from efficientnet_tf.cli import benchmark
from efficientnet_tf.config import BenchmarkConfig
from efficientnet_tf.errors import EfficientNetError, UsageError
from efficientnet_tf.pretrained import EfficientNet
from efficientnet_tf.specs import Count, count, list_variants

KEPT = Path(__file__).resolve().parents[1] / "results" / "table2.csv"
# Trainable and all parameters as Keras' own documentation and model summaries give them.
KERAS = {
    "ResNet-50": (25_583_592, 25_636_712),
    "Inception-v3": (23_817_352, 23_851_784),
    "Xception": (22_855_952, 22_910_480),
}


def network(*body: layers.Layer, size=(8, 8, 6)) -> keras.Model:
    return keras.Sequential([keras.Input(size), *body])


def kept_rows() -> list[dict]:
    """Return the rows of results/table2.csv, with numbers where they are counted."""
    with KEPT.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["top1"] = float(row["top1"])
        for name in ("params", "madds"):
            row[name] = int(row[name]) if row[name] else None
    return rows


@pytest.mark.parametrize(
    "variant", ["b0", "lite0", "edgetpu-s", "condconv-4e", "v2-b0", "mobilenetv1", "mobilenetv2", "resnet50"]
)
def test_layers_count_like_the_rows_of_an_architecture(variant):
    assert count_layers(EfficientNet(variant, weights=None)) == count(variant)


def test_odd_sizes_and_other_classes_count_alike():
    model = EfficientNet("tiny", weights=None, image_size=67, classes=3)
    assert count_layers(model) == count("tiny", image_size=67, classes=3)


@pytest.mark.parametrize(
    ("layer", "madds"),
    [
        (layers.Conv2D(4, 3, padding="same"), 8 * 8 * 3 * 3 * 6 * 4),
        (layers.Conv2D(4, 3, strides=2, padding="valid"), 3 * 3 * 3 * 3 * 6 * 4),
        (layers.Conv2D(4, 3, groups=2, padding="same"), 8 * 8 * 3 * 3 * 3 * 4),
        (layers.DepthwiseConv2D(5, depth_multiplier=2, padding="same"), 8 * 8 * 5 * 5 * 6 * 2),
        (layers.SeparableConv2D(4, 3, strides=2, padding="same"), 4 * 4 * (3 * 3 * 6 + 6 * 4)),
        (layers.Dense(4), 8 * 8 * 6 * 4),
        (layers.BatchNormalization(), 0),
        (layers.MaxPooling2D(), 0),
    ],
)
def test_multiply_adds_by_hand(layer, madds):
    assert count_layers(network(layer)).madds == madds


def test_frozen_layers_are_not_trainable_parameters():
    model = network(layers.Conv2D(4, 1), layers.BatchNormalization())
    assert count_layers(model) == Count(trainable=6 * 4 + 4 + 8, total=6 * 4 + 4 + 16, madds=64 * 24)
    model.layers[0].trainable = False
    assert count_layers(model) == Count(trainable=8, total=6 * 4 + 4 + 16, madds=64 * 24)


def test_layers_that_cannot_be_counted():
    message = "Cannot count the multiply-adds of the layer up (Conv2DTranspose)."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        count_layers(network(layers.Conv2DTranspose(4, 3, name="up")))
    message = "The output of first has no fixed size, (None, None, 4); give the model's input one."
    with pytest.raises(EfficientNetError, match=f"^{re.escape(message)}$"):
        count_layers(network(layers.Conv2D(4, 3, name="first"), size=(None, None, 3)))


def test_every_variant_is_of_its_official_size():
    assert set(OFFICIAL) == set(list_variants())
    rows = zoo_rows(list_variants())
    assert [row["network"] for row in rows if row["equal"] is not True] == []


@pytest.mark.parametrize(
    ("official", "different"),
    [
        (Official(5_288_548, 5_330_564, "0.386B"), []),
        (Official(5_288_548, None, None), []),
        (Official(5_288_549, 5_330_564, "0.386B"), ["trainable"]),
        (Official(5_288_548, 5_330_563, "0.3858B"), ["total"]),
        (Official(5_288_548, 5_330_564, "0.39B"), []),
        (Official(5_288_548, 5_330_564, "0.387B"), ["madds"]),
    ],
)
def test_differences(official, different):
    assert differences(count("b0"), official) == different


def test_a_variant_without_official_figures_is_neither_equal_nor_different():
    (row,) = zoo_rows(["tiny"])
    assert (row["equal"], row["official_trainable"], row["official_madds"]) == (None, None, None)


def test_built_networks_are_counted_beside(capsys):
    assert benchmark.main(["--variant=tiny", "--build", "--json"]) == 0
    output = capsys.readouterr()
    (row,) = json.loads(output.out)["params"]
    for name in ("trainable", "total", "madds"):
        assert row[f"keras_{name}"] == row[name]
    assert (row["equal"], row["keras"]) == (True, keras.__version__)
    assert "the same" in output.err


def test_a_built_network_of_another_size_is_different(monkeypatch):
    monkeypatch.setattr(zoo_count, "_built", lambda name: (Count(1, 2, 3), {}))
    assert zoo_rows(["b0"], build=True)[0]["equal"] is False


def test_table_2_hangs_together():
    """Its ratios are those of its figures, which a slip in copying would break."""
    printed = {row.name: (number(row.params), number(row.flops)) for row in TABLE2}
    for row in TABLE2:
        reference = printed[f"EfficientNet-{row.group.upper()}"]
        for ratio, value, base in zip((row.params_ratio, row.flops_ratio), printed[row.name], reference, strict=True):
            if ratio != "-":
                assert value / base == pytest.approx(float(ratio[:-1]), rel=0.1), row.name
    assert len(TABLE2) == 24
    assert [row.source for row in TABLE2 if is_ours(row)] == [f"b{index}" for index in range(8)]
    assert sum(not row.source for row in TABLE2) == 8


@pytest.mark.parametrize("name", KERAS)
def test_networks_of_keras_have_their_known_size(name):
    (row,) = (row for row in TABLE2 if row.name == name)
    counted = count_network(row)
    assert (counted.trainable, counted.total) == KERAS[name]


def test_the_kept_table_is_of_these_architectures():
    kept = kept_rows()
    assert [row["network"] for row in kept] == [row.name for row in TABLE2]
    for row, paper in zip(kept, TABLE2, strict=True):
        assert (row["paper_params"], row["paper_flops"]) == (paper.params, paper.flops)
        assert row["source"] == (paper.source or "quoted")
        if is_ours(paper):
            assert (row["params"], row["madds"]) == (count(paper.source).trainable, count(paper.source).madds)


@pytest.mark.parametrize("name", COSTS)
def test_labels_of_the_figures_stand_free(name):
    figure = plot_accuracy(kept_rows(), COSTS[name])
    figure.canvas.draw()
    (axes,) = figure.axes
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert {"EfficientNet-B0", "B7", "ResNet-50", "AmoebaNet-C"} <= set(boxes)
    points = [axes.transData.transform(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert len(points) == len(boxes) == 24 - (name == "figure5.png")  # the paper has no FLOPs of GPipe
    names = sorted(boxes)
    for index, one in enumerate(names):
        assert figure.bbox.containsx(boxes[one].x0)
        assert figure.bbox.containsx(boxes[one].x1)
        assert not [other for other in names[index + 1 :] if boxes[one].overlaps(boxes[other])], one
        assert not [point for point in points if boxes[one].contains(*point)], one


def test_quoted_networks_are_hollow():
    figure = plot_accuracy(kept_rows(), COSTS["figure1.png"])
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    hollow = [
        row.name for row, line in zip(TABLE2, points, strict=True) if to_hex(line.get_markerfacecolor()) == "#ffffff"
    ]
    assert hollow == [row.name for row in TABLE2 if not row.source]
    (senet,) = (line for row, line in zip(TABLE2, points, strict=True) if row.name == "SENet")
    assert np.allclose(senet.get_xydata(), [[146.0, 82.7]])


def test_params_needs_no_tensorflow(tmp_path):
    code = f"""
import sys
from efficientnet_tf.cli.benchmark import main
code = main(["--json", "--output_dir={tmp_path.as_posix()}"])
assert not [module for module in ("tensorflow", "keras", "numpy", "matplotlib") if module in sys.modules]
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["params"]
    assert [row["network"] for row in rows] == list_variants()
    assert f"{len(rows)} of {len(rows)} networks are of the official size." in done.stderr
    with (tmp_path / "params.csv").open(encoding="utf-8", newline="") as file:
        assert [row["madds"] for row in csv.DictReader(file)] == [str(row["madds"]) for row in rows]


def test_another_size_is_exit_code_1(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(OFFICIAL, "b1", Official(7_794_185, None, None))
    assert benchmark.main(["--variant=b0,EfficientNetB1", f"--output_dir={tmp_path}"]) == 1
    output = capsys.readouterr()
    assert output.err == "efficientnet-benchmark: Not of the official size: b1.\n"
    assert "1 of 2 networks are of the official size." in output.out
    assert (tmp_path / "params.csv").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--table=3"], "Unknown table '3'. Allowed: 2, 4."),
        (["--mode="], "mode is empty; give at least one value."),
        (["--table=2", "--variant=b0"], "--variant belongs to --mode, not to --table=2, whose networks are fixed."),
        (["--table=2", "--build"], "--build belongs to --mode, not to --table=2, whose networks are fixed."),
        (["b0"], "efficientnet-benchmark takes flags only, got 'b0'; write --name=value."),
    ],
)
def test_wrong_command_lines(words, message, capsys):
    assert benchmark.main(words) == 2
    assert capsys.readouterr().err == f"efficientnet-benchmark: {message}\n"


def test_unknown_variant(capsys):
    assert benchmark.main(["--variant=b0,lit0"]) == 2
    message = "efficientnet-benchmark: Unknown variant 'lit0'. Did you mean 'lite0'? Allowed: b0, b1, "
    assert capsys.readouterr().err.startswith(message)


def test_a_file_where_the_folder_should_be(tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert benchmark.main(["--variant=b0", f"--output_dir={tmp_path / 'out'}"]) == 1
    assert capsys.readouterr().err == f"efficientnet-benchmark: {tmp_path / 'out'}: File exists.\n"


def test_only_what_builds_networks_asks_for_tensorflow(monkeypatch, capsys):
    find = errors.importlib.util.find_spec
    monkeypatch.setattr(errors.importlib.util, "find_spec", lambda name: None if name == "tensorflow" else find(name))
    assert benchmark.main(["--variant=b0"]) == 0
    capsys.readouterr()
    for words in (["--variant=b0", "--build"], ["--table=2"]):
        assert benchmark.main(words) == 1
        assert capsys.readouterr().err.startswith("efficientnet-benchmark: TensorFlow is not installed. ")


def test_switches_in_a_configuration():
    assert BenchmarkConfig.parse("build", "True") is True
    with pytest.raises(UsageError, match=r"^build must be true or false, got '1'\.$"):
        BenchmarkConfig.parse("build", "1")
    config = BenchmarkConfig(build=True, variant=("b0",))
    assert BenchmarkConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(UsageError, match=r'^build cannot be "yes"\.$'):
        BenchmarkConfig.from_json({"build": "yes"})


@pytest.mark.slow
def test_table_2_counted_again(tmp_path, capsys):
    assert benchmark.main(["--table=2", f"--output_dir={tmp_path}", "--json"]) == 0
    output = capsys.readouterr()
    assert len(json.loads(output.out)["table2"]) == 24
    assert "16 networks are counted here, 8 quoted." in output.err

    def rows(path: Path) -> list[dict]:
        with path.open(encoding="utf-8", newline="") as file:
            return [{k: v for k, v in row.items() if k not in ("keras", "tensorflow")} for row in csv.DictReader(file)]

    assert rows(tmp_path / "table2.csv") == rows(KEPT)
    for name in COSTS:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_every_variant_is_built_as_it_is_counted():
    command = [sys.executable, "-m", "efficientnet_tf.cli.benchmark", "--build", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["params"]
    assert [row["network"] for row in rows if row["equal"]] == list_variants()
    for name in ("trainable", "total", "madds"):
        assert [row[f"keras_{name}"] for row in rows] == [row[name] for row in rows]
