"""Runs the examples of every docstring, under the names of the installed modules.

pytest's own --doctest-modules would import flags/ and export/ a second time, under their folders' names.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import efficientnet_tf

PACKAGES = ("efficientnet_tf", "efficientnet_tf.exporting", "efficientnet_tf.flags")


def _module_names() -> Iterator[str]:
    for package in PACKAGES:
        yield package
        path = importlib.import_module(package).__path__
        yield from (module.name for module in pkgutil.walk_packages(path, prefix=f"{package}."))


@pytest.mark.parametrize("name", sorted(set(_module_names())))
def test_examples(name: str, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]) -> None:
    flags = sum(doctest.OPTIONFLAGS_BY_NAME[flag] for flag in pytestconfig.getini("doctest_optionflags"))
    failures, _ = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert failures == 0, capsys.readouterr().out


def test_there_are_examples() -> None:
    found = doctest.DocTestFinder(exclude_empty=True).find(
        importlib.import_module(f"{efficientnet_tf.__name__}.errors")
    )
    assert [test.name for test in found if test.examples] == ["efficientnet_tf.errors.unknown_name"]
