"""What every test runs under: quiet libraries, no display, and in CI no test that is skipped unnoticed."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

# A pattern of the reason, and why CI cannot run such a test.
ALLOWED_SKIPS = {
    r"\bneeds a GPU\b": "CI has none",
    r"\bneeds a TPU\b": "CI has none",
    r"\broot may write anywhere\b": "CI may run as root, whom no permission stops",
}


def pytest_report_header() -> str:
    """Say which installation is being tested: the tree or a wheel."""
    import efficientnet_tf

    return f"efficientnet_tf: {efficientnet_tf.__file__}"


@pytest.fixture(autouse=True)
def _no_seed_of_another_test() -> None:
    """Take back a global seed that an earlier test has set: orders and crops follow from it too."""
    if "tensorflow" in sys.modules:
        from tensorflow.python.eager import context

        if context.global_seed() is not None:
            context.set_global_seed(None)


@pytest.fixture(scope="session")
def modules() -> Path:
    """Return the folder of the installed npm modules; a skip is a failure in CI."""
    from efficientnet_tf.errors import MissingDependencyError
    from efficientnet_tf.runtimes import nodejs

    try:
        nodejs.find_node()
        return nodejs.find_modules()
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_unexpected_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_unexpected_skip(report)
    return report


def _fail_unexpected_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where CI is set, unless its reason is a known one."""
    if not report.skipped or hasattr(report, "wasxfail") or not os.environ.get("CI"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not any(re.search(pattern, reason) for pattern in ALLOWED_SKIPS):
        report.outcome = "failed"
        report.longrepr = (
            f"{report.nodeid}: skipped in CI, which ALLOWED_SKIPS in tests/conftest.py does not list: {reason}"
        )
