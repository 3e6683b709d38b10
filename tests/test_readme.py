"""What the README says is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import efficientnet_tf as efn
from efficientnet_tf.flags import COMMANDS, parse
from efficientnet_tf.weights.published import IMAGENET

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_table_of_networks():
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in README.splitlines() if line.startswith("| `")]
    table = {row[0].strip("`"): row[1:] for row in rows if len(row) == 7}
    assert list(table) == efn.list_variants()
    for name, (width, depth, size, parameters, madds, weights) in table.items():
        spec, count = efn.spec(name), efn.count(name)
        assert (float(width), float(depth), int(size)) == (spec.width, spec.depth, spec.image_size)
        assert parameters == f"{count.trainable / 1e6:.1f} M"
        assert float(madds.split()[0]) == pytest.approx(count.madds / 1e9, abs=0.006, rel=0.004)
        assert (weights == "yes") == (name in IMAGENET)


def test_flags_of_the_commands_exist():
    for block in blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = line.split("#")[0].split()
            name = words[0].removeprefix("efficientnet-") if words else ""
            if name in COMMANDS and words[0] != name:
                assert parse(name, words[1:]).config is not None


@pytest.mark.slow
def test_python_of_the_readme_runs(tmp_path):
    code = "\n".join(blocks("python"))
    assert "model.fit(" in code
    assert "keras.models.load_model(" in code
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "exports" / "own" / "model_dynamic.tflite").is_file()
