"""A skipped test is a failure in CI, unless it is known why CI must skip it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")


def _outcome(folder: Path, source: str, **variables: str) -> str:
    """Run one test file under a copy of conftest.py, and return pytest's closing line."""
    shutil.copy(CONFTEST, folder)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text("import pytest\n\n" + source)
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_ADDOPTS")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE"]
    done = subprocess.run(
        command, cwd=folder, env=environment | variables, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout


SKIPPED = "def test_it():\n    pytest.skip('no such program')\n"
KNOWN = "@pytest.mark.skip(reason='needs a GPU')\ndef test_it():\n    pass\n"
WHOLE_FILE = "pytest.importorskip('no_such_module')\n\ndef test_it():\n    pass\n"
EXPECTED = "@pytest.mark.xfail(reason='no such program')\ndef test_it():\n    raise ValueError\n"


@pytest.mark.parametrize(
    ("source", "variables", "closing"),
    [
        (SKIPPED, {}, "1 skipped in "),
        (SKIPPED, {"CI": "true"}, "1 failed in "),
        (KNOWN, {"CI": "true"}, "1 skipped in "),
        (WHOLE_FILE, {}, "1 skipped in "),
        (WHOLE_FILE, {"CI": "true"}, "1 error in "),
        (EXPECTED, {"CI": "true"}, "1 xfailed in "),
    ],
)
def test_skips(source: str, variables: dict[str, str], closing: str, tmp_path: Path) -> None:
    assert closing in _outcome(tmp_path, source, **variables).splitlines()[-1]


def test_the_failure_says_why(tmp_path: Path) -> None:
    message = "skipped in CI, which ALLOWED_SKIPS in tests/conftest.py does not list: Skipped: no such program"
    assert message in _outcome(tmp_path, SKIPPED, CI="true")
