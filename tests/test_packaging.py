"""What is installed is what the tree holds, and the tree holds nothing that belongs to one machine."""

from __future__ import annotations

import configparser
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import efficientnet_tf

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "efficientnet_tf": "efficientnet_tf",
    "flags": "efficientnet_tf.flags",
    "export": "efficientnet_tf.exporting",
}
LEFT_OUT = {"__pycache__", "node_modules"}

# Hosts of package registries, in parts so that this file does not match itself, and folders of one machine.
HOSTS = (("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs"), ("registry", "yarnpkg"), ("deb", "debian"))
MACHINE_ONLY = re.compile(
    "|".join([r"(?<![\w.-])/(?:work|root|home)/", *(re.escape(".".join(host)) for host in HOSTS)])
)


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def _lines(value: str) -> list[str]:
    return [line.strip() for line in value.splitlines() if line.strip()]


def _tree_files() -> dict[str, Path]:
    """Return every file of the package: its path in an installation, and in the tree."""
    return {
        (Path(*package.split(".")) / path.relative_to(ROOT / folder)).as_posix(): path
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.parts)
    }


def _run(*arguments: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(a) for a in arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel from a copy of what the build reads."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    output = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", output, ".", cwd=copy)
    (built,) = output.glob("*.whl")
    return zipfile.ZipFile(built)


def test_packages_are_those_of_the_tree(setup_cfg: configparser.ConfigParser) -> None:
    tree = {name.rpartition("/")[0].replace("/", ".") for name in _tree_files() if name.endswith("/__init__.py")}
    listed = _lines(setup_cfg["options"]["packages"])
    assert sorted(tree) == listed


def test_folders_are_mapped(setup_cfg: configparser.ConfigParser) -> None:
    mapping = dict(re.split(r"\s*=\s*", line) for line in _lines(setup_cfg["options"]["package_dir"]))
    assert mapping == {package: folder for folder, package in FOLDERS.items()}


def test_no_file_puts_the_root_on_the_path() -> None:
    for name in ("conftest.py", "tests/__init__.py", "__init__.py"):
        assert not (ROOT / name).exists(), f"{name} makes pytest test the tree instead of what is installed"


def test_the_wheel_holds_every_file_of_the_tree(wheel: zipfile.ZipFile) -> None:
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == set(_tree_files())


def test_the_wheel_installs_one_top_level_package(wheel: zipfile.ZipFile) -> None:
    (top_level,) = (name for name in wheel.namelist() if name.endswith(".dist-info/top_level.txt"))
    assert wheel.read(top_level).decode().split() == ["efficientnet_tf"]
    assert {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" not in name} == {"efficientnet_tf"}


def test_the_wheel_carries_the_licence(wheel: zipfile.ZipFile) -> None:
    (licence,) = (name for name in wheel.namelist() if name.endswith("LICENSE"))
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_wheel_needs_no_tensorflow(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    text = wheel.read(metadata).decode()
    base = [line for line in _lines(text) if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert base
    assert [line for line in base if "tensorflow" in line.lower()] == []
    assert re.search(r"^Requires-Python: >=3\.11$", text, re.MULTILINE)


def test_every_platform_gets_one_tensorflow(setup_cfg: configparser.ConfigParser) -> None:
    packaging_requirements = pytest.importorskip("packaging.requirements")
    requirements = [
        packaging_requirements.Requirement(line) for line in _lines(setup_cfg["options.extras_require"]["cpu"])
    ]
    expected = {
        ("linux", "x86_64"): "tensorflow-cpu",
        ("linux", "aarch64"): "tensorflow",
        ("win32", "AMD64"): "tensorflow-cpu",
        ("win32", "ARM64"): "tensorflow",
        ("darwin", "arm64"): "tensorflow",
        ("darwin", "x86_64"): "tensorflow",
    }
    for (platform, machine), name in expected.items():
        environment = {"sys_platform": platform, "platform_machine": machine}
        chosen = [r.name for r in requirements if r.marker.evaluate(environment)]
        assert chosen == [name], (platform, machine)


def test_commands_are_installed(setup_cfg: configparser.ConfigParser) -> None:
    listed = dict(re.split(r"\s*=\s*", line) for line in _lines(setup_cfg["options.entry_points"]["console_scripts"]))
    installed = importlib.metadata.distribution("efficientnet_tf").entry_points.select(group="console_scripts")
    assert {point.name: point.value for point in installed} == listed
    for point in installed:
        assert callable(point.load()), point.name
        assert list(Path(sys.executable).parent.glob(f"{point.name}*")), f"{point.name} is not beside the interpreter"


def test_the_version_is_the_same_everywhere(setup_cfg: configparser.ConfigParser) -> None:
    version = setup_cfg["metadata"]["version"]
    assert efficientnet_tf.__version__ == version
    assert importlib.metadata.version("efficientnet_tf") == version
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_importing_the_package_loads_no_framework(tmp_path: Path) -> None:
    code = (
        "import json, sys, efficientnet_tf; "
        "print(json.dumps([m for m in ('tensorflow', 'keras', 'numpy', 'matplotlib') if m in sys.modules]))"
    )
    assert json.loads(_run(sys.executable, "-c", code, cwd=tmp_path)) == []


def test_importing_the_package_takes_no_name_of_others(tmp_path: Path) -> None:
    code = "import importlib.util as u, json; print(json.dumps([n for n in ('flags', 'export') if u.find_spec(n)]))"
    assert json.loads(_run(sys.executable, "-c", code, cwd=tmp_path)) == []


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    names = _run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT).split("\0")
    found = []
    for name in filter(None, names):
        path = ROOT / name
        if not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), 1):
            if MACHINE_ONLY.search(line):
                found.append(f"{name}:{number}: {line.strip()[:120]}")
    assert not found, "\n".join(found)
    assert len(names) > 20
