"""`efficientnet-scale` as a user meets it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from efficientnet_tf.benchmarking.tables import shorten, write_csv
from efficientnet_tf.cli import scale as command
from efficientnet_tf.config import ScaleConfig
from efficientnet_tf.errors import UsageError
from efficientnet_tf.specs import count, phi_of, scale, solve_scale

RESULTS = Path(__file__).resolve().parents[1] / "results"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder, and return what it printed, and its exit code."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        code = command.main(words)
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


def test_family(run):
    code, output, _ = run()
    assert code == 0
    lines = [line.split() for line in output.splitlines()]
    for phi in range(8):
        network, counted = scale("b0", phi=phi), count(scale("b0", phi=phi))
        (cells,) = [cells for cells in lines if cells[:2] == [str(phi), network.name] and "alone" not in cells]
        assert cells[4] == str(network.image_size)
        assert " ".join(cells[5:9]) == f"{shorten(counted.trainable)} {shorten(counted.madds)}"
        assert float(cells[9]) == pytest.approx(counted.madds / count("b0").madds, rel=0.01)
        assert float(cells[10]) == 2**phi
    for name in ("b1", "b4", "b7"):
        (cells,) = [cells for cells in lines if cells and cells[0] == name]
        phi = phi_of(name)
        assert cells[-3:] == [f"{value:.2f}" for value in (phi.depth, phi.width, phi.resolution)]
    assert "alpha x beta^2 x gamma^2 = 1.920; Equation 3 wants about 2." in output
    assert (
        "B1 to B7 are rows that the authors rounded by hand: they lie on no single ray, so no phi gives them." in output
    )
    single = [cells[:2] for cells in lines if len(cells) > 1 and cells[1] in ("depth", "width", "resolution")]
    assert len([cells for cells in single if cells[0].isdigit()]) == 7 * 3


def test_json_csv_and_plot(run, tmp_path):
    words = ("--base=tiny", "--phi=-0.4,0,2", "--gamma=1", "--output=out/rows.csv", "--plot=out/curves.png", "--json")
    code, output, messages = run(*words)
    assert code == 0
    rows = json.loads(output)["rows"]
    assert [row["network"] for row in rows[:3]] == ["tiny-phi-0.4-gamma1", "tiny", "tiny-phi2-gamma1"]
    assert [row["way"] for row in rows] == ["compound"] * 3 + ["depth", "width", "resolution"]
    assert rows[2]["madds"] == count(scale("tiny", phi=2, gamma=1)).madds
    with open("out/rows.csv", encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["network"] for row in written] == [row["network"] for row in rows]
    assert [int(row["params"]) for row in written] == [row["params"] for row in rows]
    with Image.open("out/curves.png") as picture:
        assert picture.size == (1320, 540)
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 50
    assert "Drawn in out/curves.png.\nWritten to out/rows.csv.\n" in messages
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"rows.csv", "curves.png"}


@pytest.mark.parametrize(
    ("words", "targets"),
    [
        (("--target_madds=4.2G",), {"target_madds": 4.2e9}),
        (("--target_params=12M", "--target_madds=2.5e9"), {"target_params": 12e6, "target_madds": 2.5e9}),
        (("--target_memory=8GiB", "--batch_size=32"), {"target_memory": 8 * 2**30, "batch_size": 32}),
    ],
)
def test_budgets(run, words, targets):
    code, output, _ = run(*words, "--json")
    row, solution = json.loads(output), solve_scale("b0", **targets)
    assert code == 0
    assert (row["phi"], row["network"]) == (solution.phi, solution.spec.name)
    assert row["madds"] == solution.count.madds
    assert row["training_bytes"] == solution.memory.total
    assert {name: row[f"share_of_{name}"] for name in solution.shares} == dict(solution.shares)


def test_a_budget_says_what_it_reached(run):
    assert run("--target_madds=4.2B")[1] == (
        "b0: the largest phi is 3.59, the network b0-phi3.59.\n"
        "  depth 1.924, width 1.408, 368 pixels\n"
        "  19,353,216 parameters, 4,182,390,960 multiply-adds\n"
        "  880 MiB to train on one image in float32\n"
        "  99.6% of target_madds\n"
    )


def test_dimensions(run):
    code, output, _ = run("--base=resnet50", "--width=2", "--depth=1.5", "--json")
    rows = json.loads(output)["rows"]
    assert code == 0
    assert [row["network"] for row in rows] == ["resnet50", "resnet50-d1.5-w2"]
    assert rows[1]["way"] == "depth and width"
    assert "resnet50-d1.5-w2" in run("--base=resnet50", "--width=2", "--depth=1.5")[1]


def test_tables(run):
    code, output, _ = run("--table=3,7")
    assert code == 0
    assert "10 of 19 rows are as printed; nothing is fitted to the others." in output
    assert "resnet50 d=4: plain counting gives 14.6 for d=4 and 16.1 for w=2: the two printed figures " in output
    (cells,) = [line.split() for line in output.splitlines() if line.split()[:4] == ["7", "b0", "d=1.4", "w=1.2"]]
    assert cells == ["7", "b0", "d=1.4", "w=1.2", "r=1.3", "1.8", "B", "1.800", "B", "+0.0", "yes"]
    assert len(json.loads(run("--table=7", "--json")[1])["rows"]) == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--base=b99",), "Unknown variant 'b99'. Allowed: b0, b1, "),
        (("--phi=few",), "phi must be numbers separated by commas, got 'few'."),
        (("--phi=,",), "phi must be numbers separated by commas, got ''."),
        (("--phi=1,nan",), "phi must be numbers separated by commas, got '1,nan'."),
        (("--phi=20",), "b0-phi20 would need 4.67 TiB to train on a single image; at most 2 TiB are allowed."),
        (("--alpha=0.5",), "alpha must be from 1 to 2, got 0.5."),
        (("--width=0",), "width can be scaled by more than 0 and at most 1000, got 0."),
        (("--width=wide",), "width must be a number, got 'wide'."),
        (("--phi=1", "--width=2"), "Give one of --phi, --width."),
        (("--table=3", "--target_madds=1G", "--depth=2"), "Give one of --table, --target_madds, --depth."),
        (("--table=4",), "Unknown table '4'. Allowed: 3, 7."),
        (("--target_madds=4.2X",), "target_madds must be a number such as 4.2G or 4.2e9, got '4.2X'."),
        (("--target_madds=8GiB",), "target_madds must be a number such as 4.2G or 4.2e9, got '8GiB'."),
        (("--target_madds=-1",), "target_madds must be a number such as 4.2G or 4.2e9, got '-1'."),
        (("--target_madds=0",), "target_madds must be a finite number above 0, got 0."),
        (("--target_madds=1e999",), "target_madds must be a finite number above 0, got inf."),
        (("--target_memory=8G",), "target_memory must be a number such as 8GiB or 8.5e9, got '8G'."),
        (("--target_params=1k",), "target_params=1000 cannot be met: the smallest network, b0-phi-10, has 740618."),
        (
            ("--batch_size=2",),
            "--batch_size belongs to --search, --study or --target_memory, none of which is given; got 2.",
        ),
        (("--width=2", "--plot=a.png"), "--plot belongs to --phi, got --width."),
        (("--plot=a.pdf",), "--plot must be a .png file, got 'a.pdf'."),
        (("--output=rows",), "--output must be a .csv file, got 'rows'."),
        (("b0",), "efficientnet-scale takes flags only, got 'b0'; write --name=value."),
    ],
)
def test_wrong_command_lines(run, words, message, tmp_path):
    code, output, errors = run(*words)
    assert (code, output) == (2, "")
    assert errors.startswith(f"efficientnet-scale: {message}")
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, errors = run("--table=7", "--output=file/rows.csv")
    assert code == 1
    assert errors == "efficientnet-scale: file: File exists.\n"


@pytest.mark.parametrize(("name", "words"), [("table3_and_7.csv", ("--table=3,7",)), ("scaling_b0.csv", ())])
def test_results_are_those_of_the_command(name, words, run, tmp_path):
    assert run(*words, f"--output={name}")[0] == 0
    assert (tmp_path / name).read_text() == (RESULTS / name).read_text()


def test_runs_without_tensorflow(tmp_path):
    code = """
import sys
for name in ("tensorflow", "keras"):
    sys.modules[name] = None  # an import of it fails
from efficientnet_tf.cli.scale import main
assert main(["--base=tiny", "--phi=1", "--plot=curves.png", "--output=rows.csv"]) == 0
assert main(["--target_madds=1G"]) == 0
assert main(["--table=7"]) == 0
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"rows.csv", "curves.png"}


@pytest.mark.parametrize(
    ("text", "number"),
    [("4.2e9", 4.2e9), ("4.2G", 4.2e9), ("4.2 B", 4.2e9), ("12m", 12e6), ("1.5T", 1.5e12), ("7", 7), ("3K", 3e3)],
)
def test_quantities(text, number):
    assert ScaleConfig(target_madds=text).targets() == {"target_madds": pytest.approx(number)}


@pytest.mark.parametrize(
    ("text", "number"), [("8GiB", 2**33), ("8 gb", 8e9), ("512MiB", 2**29), ("1e9", 1e9), ("64B", 64)]
)
def test_quantities_of_memory(text, number):
    assert ScaleConfig(target_memory=text).targets() == {"target_memory": pytest.approx(number)}


def test_configuration_in_python():
    assert ScaleConfig().phis() == (0, 1, 2, 3, 4, 5, 6, 7)
    assert ScaleConfig.from_json(ScaleConfig(phi=("1",), width=None).to_json()).phis() == (1.0,)
    with pytest.raises(UsageError, match=r"^Unknown variant 'lit0'\. Did you mean 'lite0'\? "):
        ScaleConfig(base="lit0")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (999, "999"),
        (1000, "1.00 k"),
        (999_499, "999 k"),
        (999_999, "1.00 M"),
        (12_345_678, "12.3 M"),
        (6.2e13, "62.0 T"),
    ],
)
def test_numbers_are_short(number, text):
    assert shorten(number) == text


def test_rows_of_different_columns(tmp_path):
    write_csv(tmp_path / "rows.csv", [{"a": 1, "b": 0.123456789}, {"a": 2, "c": None}])
    assert (tmp_path / "rows.csv").read_text() == "a,b,c\n1,0.123457,\n2,,\n"
